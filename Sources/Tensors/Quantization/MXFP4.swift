package import ByteIO
package import TensorCore

/// Weights of 4-bit floats with a power of two for each 32 of them, as the Open Compute Project defines MXFP4.
///
///     part 0   U8 [..., out, in / 32, 16]   two elements a byte, the first in the low half
///     part 1   U8 [..., out, in / 32]       e of each block
///     value    {0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives}[code] * 2^(e - 127)
///
/// An e of 255 stands for no number, and is refused where it is read: programs differ in what they make of it.
package struct MXFP4: WeightEncoding {
    /// Elements that share a scale.
    package static let blockSize = 32

    /// Of the elements: [out, in], or [experts, out, in].
    package let shape: Shape

    /// - Throws: where rows are no whole blocks.
    package init(shape: Shape) throws(QuantizationError) {
        guard let inputs = shape.dimensions.last, inputs > 0, inputs % Self.blockSize == 0 else {
            throw QuantizationError("shape \(shape) has no rows of whole blocks of \(Self.blockSize)")
        }
        self.shape = shape
    }

    package var name: String { "MXFP4" }
    package var words: String { "MXFP4, 4 bits" }
    /// Every value is a bfloat16.
    package var scalarType: ScalarType { .bf16 }
    package var granularity: Int { Self.blockSize }

    /// By code.
    package static let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        guard !range.isEmpty else { return }
        try rows(range, of: parts).decode(range, as: .f32, into: UnsafeMutableRawBufferPointer(values))
    }

    package func run(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> any WeightRun { try rows(range, of: parts) }

    /// The blocks as rows.
    private func rows(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> GroupedRows {
        precondition(range.upperBound <= shape.elementCount && range.lowerBound % Self.blockSize == 0, "whole blocks are decoded")
        let codes = try parts.bytes(ofPart: 0, range.lowerBound / 2..<(range.upperBound + 1) / 2)
        let blocks = range.lowerBound / Self.blockSize..<(range.upperBound + Self.blockSize - 1) / Self.blockSize
        let scales = try GroupConstants(.exponents, part: 1, groupsPerRow: 1).values(blocks, of: parts)
        return GroupedRows(
            codes: .e2m1, bytes: codes, firstByte: range.lowerBound / 2, rowByteCount: shape.elementCount / 2, columns: shape.elementCount,
            granularity: Self.blockSize, arithmetic: .scaled, rounding: .f32,
            scales: GroupWindow(values: scales, start: blocks.lowerBound, groupsPerRow: 0, rowsPerEntry: 1), offsets: nil,
            groupSize: Self.blockSize, columnGroups: nil)
    }

    /// 2^(e - 127), the smallest of which has no leading one.
    package static func scale(_ exponent: UInt8) -> Float {
        switch exponent {
        case 0: 0x1p-127
        case 255: .nan
        default: Float(bitPattern: UInt32(exponent) << 23)
        }
    }
}
