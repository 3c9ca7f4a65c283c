package import ByteIO
package import TensorCore

/// A weight of rows of blocks, in one part: a tensor of U8 [..., bytes of a row].
package struct BlockEncoding: WeightEncoding {
    package let format: BlockFormat
    package let scalarType: ScalarType
    /// Of the elements: [..., elements of a row].
    package let shape: Shape
    /// Of the part.
    package let storedShape: Shape

    /// Throws where rows are no whole blocks.
    package init(_ format: BlockFormat, shape: Shape, scalarType: ScalarType) throws(QuantizationError) {
        guard let row = shape.dimensions.last else { throw QuantizationError("a scalar is no row of \(format.name)") }
        guard let rowBytes = format.byteCount(elementCount: row) else {
            throw QuantizationError("rows of \(row) elements are no whole blocks of \(format.elementsPerBlock), as \(format.name) has them")
        }
        guard let storedShape = Shape(shape.dimensions.dropLast() + [rowBytes]) else {
            throw QuantizationError("\(shape) of \(format.name) takes more than 2^63 bytes")
        }
        self.format = format
        self.shape = shape
        self.storedShape = storedShape
        self.scalarType = scalarType
    }

    package var name: String { format.name }

    package var granularity: Int { format.elementsPerBlock }

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        precondition(range.upperBound <= shape.elementCount, "\(range) of \(shape.elementCount) elements")
        guard let start = format.byteCount(elementCount: range.lowerBound), let end = format.byteCount(elementCount: range.upperBound)
        else { preconditionFailure("\(range) is no whole blocks of \(format.elementsPerBlock)") }
        let blocks = try parts.bytes(ofPart: 0, start..<end)
        var destination = UnsafeMutableBufferPointer(rebasing: values[..<range.count]).mutableSpan
        format.decode(blocks.span.bytes, into: &destination)
    }
}
