package import ByteIO
import CKernels
package import TensorCore

/// Weights of AWQ's `gemv`: 4-bit codes row by row, with a scale and a zero for each run of a row.
///
///     part 0   I32 [out, in / 8]           a code each, the first in the lowest bits
///     part 1   I32 [out, zeroWords]        the zeros, likewise; more than there are groups
///     part 2   F16 [out, scaleCount]       the scales (F32 and BF16 as well); more than there are groups
///     value    scale[row, g] * (code - zero[row, g])      exact
package struct RowCodes: WeightEncoding {
    package let name: String
    package let scalarType: ScalarType
    /// [out, in].
    package let shape: Shape
    private let groupSize: Int
    private let zeroWords: Int
    private let scaleCount: Int
    private let scaleType: ScalarType

    /// - Throws: where rows are no whole words, or have more groups than scales.
    package init(
        _ name: String, shape: Shape, groupSize: Int, zeroWords: Int, scaleCount: Int, scales: ScalarType, scalarType: ScalarType
    ) throws(QuantizationError) {
        guard shape.dimensions.count == 2, shape.elementCount > 0, shape.dimensions[1] % 8 == 0, groupSize > 0, groupSize % 8 == 0 else {
            throw QuantizationError("4-bit codes of \(shape) in groups of \(groupSize) do not fill words of 32 bits")
        }
        let groupCount = (shape.dimensions[1] + groupSize - 1) / groupSize
        guard groupCount <= scaleCount, groupCount <= 8 * zeroWords else {
            throw QuantizationError("rows have \(groupCount) groups of \(groupSize), but \(scaleCount) scales and \(8 * zeroWords) zeros")
        }
        self.name = name
        self.shape = shape
        self.groupSize = groupSize
        self.zeroWords = zeroWords
        self.scaleCount = scaleCount
        scaleType = scales
        self.scalarType = scalarType
    }

    package var words: String { "AWQ, 4 bits" }

    package var granularity: Int { 8 }

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        precondition(range.upperBound <= shape.elementCount && range.lowerBound % 8 == 0 && range.count % 8 == 0, "\(range) of \(shape)")
        guard !range.isEmpty, let destination = values.baseAddress else { return }
        let columns = shape.dimensions[1]
        let rows = range.lowerBound / columns..<(range.upperBound - 1) / columns + 1
        let codes = try parts.bytes(ofPart: 0, range.lowerBound / 2..<range.upperBound / 2)
        let scales = try parts.numbers(ofPart: 2, rows.lowerBound * scaleCount..<rows.upperBound * scaleCount, scaleType)
        let zeroBytes = try parts.bytes(ofPart: 1, 4 * zeroWords * rows.lowerBound..<4 * zeroWords * rows.upperBound)
        let zeros = zeroBytes.flatMap { [Float($0 & 15), Float($0 >> 4)] }
        codes.withUnsafeBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                zeros.withUnsafeBufferPointer { zeros in
                    guard let codes = codes.baseAddress, let scales = scales.baseAddress, let zeros = zeros.baseAddress else { return }
                    var start = range.lowerBound
                    while start < range.upperBound {
                        let (row, column) = start.quotientAndRemainder(dividingBy: columns)
                        let end = min(range.upperBound, start + columns - column), done = start - range.lowerBound
                        let group = column / groupSize, number = row - rows.lowerBound
                        qk_scaledCodes(
                            QK_CODE_U4, codes + done / 2, end - start, column % groupSize, groupSize, scales + number * scaleCount + group,
                            zeros + number * 8 * zeroWords + group, 1, destination + done)
                        start = end
                    }
                }
            }
        }
    }
}
