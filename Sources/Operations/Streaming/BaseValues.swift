package import ByteIO
package import Checkpoints
import Quantization
package import TensorCore

/// Reads a weight as float32, in the order in which its merged form is written.
///
/// For a weight that stays or becomes 4-bit that is [out, in]; any other is read as it is stored. Numbers of a 4-bit
/// weight are rounded to the type it is recorded to have had, as training saw them.
package struct BaseValues: Sendable {
    package let tensor: LogicalTensor
    /// Of the matrix as it is worked on; a tensor of other than two dimensions is one row.
    package let rows: Int
    package let columns: Int
    /// How a linear layer's weight is worked on.
    package let orientation: Orientation
    private let source: any TensorSource
    private let quantized: QuantizedReader?
    private let plain: (reader: WeightReader, index: Int, type: ScalarType)?

    /// - Parameter asQuantized: in the order in which it is (to be) quantized.
    package init(_ checkpoint: Checkpoint, _ tensor: LogicalTensor, asQuantized: Bool) throws(FileError) {
        self.tensor = tensor
        source = checkpoint.source
        var dimensions = tensor.shape.dimensions
        switch tensor.storage {
        case .quantized(let parts):
            quantized = try QuantizedReader(source: checkpoint.source, tensor: parts)
            plain = nil
            dimensions = parts.state.shape.dimensions
            orientation = .outputsByInputs
        case .plain(let index):
            quantized = nil
            let turned = asQuantized ? tensor.orientation : .outputsByInputs
            plain = (WeightReader(source: checkpoint.source, tensor: index, orientation: turned), index, tensor.scalarType)
            dimensions = turned.turned(dimensions)
            orientation = asQuantized ? .outputsByInputs : tensor.orientation
        }
        let isMatrix = dimensions.count == 2
        rows = isMatrix ? dimensions[0] : 1
        columns = isMatrix ? dimensions[1] : tensor.elementCount
    }

    /// Elements a range begins at a multiple of, and is a multiple of unless it reaches the end.
    package var granularity: Int { quantized?.state.blockSize ?? plain?.reader.granularity ?? 1 }

    /// The stored tensor whose bytes a read gives, and the type of its elements; nil of a 4-bit weight, where they are codes.
    package var storedType: ScalarType? { plain?.type }

    /// Bytes that a read of so many elements fetches from the source.
    package func storedByteCount(_ count: Int) -> Int { plain.map { count * $0.type.bitCount / 8 } ?? (count + 1) / 2 }

    /// Fills `values` with the elements `range`, and `stored` with what the source holds of them.
    ///
    /// - Parameter spare: room for four bytes an element, or what a stored one takes if that is more.
    package func read(
        _ range: Range<Int>, stored: UnsafeMutableRawBufferPointer, spare: UnsafeMutableRawBufferPointer,
        into values: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        var floats = MutableSpan(_unsafeElements: values)
        guard let quantized else {
            guard let plain else { preconditionFailure("a weight is stored in one way or the other") }
            try plain.reader.read(range, into: stored, scratch: spare)
            FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(stored)), of: plain.type, into: &floats)
            return
        }
        let type = quantized.state.scalarType
        guard type != .f32 else {
            try quantized.dequantize(range, as: .f32, codes: stored, into: UnsafeMutableRawBufferPointer(values))
            return
        }
        let typed = UnsafeMutableRawBufferPointer(rebasing: spare[..<(range.count * 2)])
        try quantized.dequantize(range, as: type, codes: stored, into: typed)
        FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: type, into: &floats)
    }

    /// The whole weight, [rows, columns].
    package func allElements() throws(FileError) -> [Float] {
        let count = tensor.elementCount
        let size = max(4, (storedType?.bitCount ?? 32) / 8) * count
        let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        let spare = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer {
            stored.deallocate()
            spare.deallocate()
        }
        return try [Float](count: count) { buffer throws(FileError) in
            try read(
                0..<count, stored: UnsafeMutableRawBufferPointer(rebasing: stored[..<storedByteCount(count)]), spare: spare,
                into: buffer.bindMemory(to: Float.self))
        }
    }
}
