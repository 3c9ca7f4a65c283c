package import ByteIO
import CKernels
package import TensorCore

/// Weights of GPTQ and of AWQ's `gemm`: codes in words of 32 bits, lying as [in, out], with a scale and a zero for each output of each
/// group of inputs.
///
///     part 0   I32 words      GPTQ: [in * bits / 32, out], the bits of one output run down      AWQ: [in, out / 8]
///     part 1   I32 [groups, out * bits / 32]         the zeros, along the row
///     part 2   F16 [groups, out]                     the scales (F32 and BF16 as well)
///     part 3   I32 [in]                              GPTQ, may be absent: the group of each input
///     value    scale[g, j] * (code[i, j] - zero[g, j])      exact
///
/// A run of whole rows of [out, in] is a panel of columns: a segment of every stored row.
package struct ColumnCodes: WeightEncoding {
    package enum Order: Sendable, Hashable {
        /// GPTQ.
        case down
        /// AWQ's `gemm`, which has the eight outputs of a word in the order 0 2 4 6 1 3 5 7.
        case across
    }

    package let name: String
    package let scalarType: ScalarType
    /// [out, in].
    package let shape: Shape
    private let order: Order
    private let bits: Int
    private let groupCount: Int
    /// Where the file does not say the group of each input: inputs of a group.
    private let groupSize: Int?
    private let zeros: ZeroPoints
    private let scaleType: ScalarType

    /// Elements of a panel, unless 32 columns have more: segments of 11008 rows are 640 bytes of GPTQ then, and 8 MB of floats.
    private static let panelElementCount = 1 << 21

    /// - Parameters:
    ///   - bits: 2, 3, 4 or 8; of AWQ 4.
    ///   - groupSize: nil where part 3 has the group of each input.
    /// - Throws: where rows are no whole words.
    package init(
        _ name: String, _ order: Order, shape: Shape, bits: Int, groupCount: Int, groupSize: Int?, zeros: ZeroPoints,
        scales: ScalarType, scalarType: ScalarType
    ) throws(QuantizationError) {
        guard shape.dimensions.count == 2, shape.elementCount > 0, groupCount > 0 else {
            throw QuantizationError("shape \(shape) in \(groupCount) groups is no matrix of codes")
        }
        guard [2, 3, 4, 8].contains(bits), order == .down || bits == 4 else {
            throw QuantizationError("codes of \(bits) bits are not read")
        }
        let dimensions = shape.dimensions
        guard dimensions[0] * bits % 32 == 0, order == .across || dimensions[1] * bits % 32 == 0 else {
            throw QuantizationError("\(bits)-bit codes of [\(dimensions[0]), \(dimensions[1])] do not fill words of 32 bits")
        }
        self.name = name
        self.order = order
        self.shape = shape
        self.bits = bits
        self.groupCount = groupCount
        self.groupSize = groupSize
        self.zeros = zeros
        scaleType = scales
        self.scalarType = scalarType
    }

    package var words: String { "\(order == .down ? "GPTQ" : "AWQ"), \(bits) bits" }

    /// Whole rows of [out, in], so many that the segments which they are gathered from are not tiny.
    package var granularity: Int { shape.dimensions[1] * columnsPerPanel }

    private var columnsPerPanel: Int {
        // 32 columns of any number of bits are whole words.
        min(shape.dimensions[0], max(1, Self.panelElementCount / shape.dimensions[1] / 32) * 32)
    }

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        let (outputs, inputs) = (shape.dimensions[0], shape.dimensions[1])
        precondition(
            range.lowerBound % granularity == 0 && (range.count % granularity == 0 || range.upperBound == shape.elementCount),
            "\(range) is no whole panels of \(granularity)")
        let groups = try groups(of: parts)
        var first = range.lowerBound / inputs
        let end = range.upperBound / inputs
        while first < end {
            let count = min(columnsPerPanel, end - first)
            let panel = UnsafeMutableBufferPointer(
                rebasing: values[(first * inputs - range.lowerBound)..<((first + count) * inputs - range.lowerBound)])
            try decode(first..<first + count, of: outputs, groups, parts, into: panel)
            first += count
        }
    }

    /// - Parameter columns: outputs, a multiple of 32 of them unless they are the last.
    private func decode(
        _ columns: Range<Int>, of outputs: Int, _ groups: [UInt32], _ parts: StoredParts, into panel: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        let inputs = shape.dimensions[1]
        let perRow = order == .down ? outputs : outputs / 8
        let words = order == .down ? columns : columns.lowerBound / 8..<columns.upperBound / 8
        let codes = try parts.segments(
            ofPart: 0, rowCount: order == .down ? inputs * bits / 32 : inputs, rowByteCount: 4 * perRow,
            4 * words.lowerBound..<4 * words.upperBound)
        let width = scaleType.bitCount / 8
        let scaleBytes = try parts.segments(
            ofPart: 2, rowCount: groupCount, rowByteCount: width * outputs, width * columns.lowerBound..<width * columns.upperBound)
        var scales = [Float](repeating: 0, count: groupCount * columns.count)
        var span = scales.mutableSpan
        FloatConversion.widen(scaleBytes.span.bytes, of: scaleType, into: &span)
        let zeroBytes = try parts.segments(
            ofPart: 1, rowCount: groupCount, rowByteCount: outputs * bits / 8,
            columns.lowerBound * bits / 8..<columns.upperBound * bits / 8)
        let rule = try zeros.rule(of: parts)
        let zeros = ZeroPoints.values(zeroBytes, bits: bits, isAcross: order == .across, rule)
        codes.withUnsafeBytes { codes in
            groups.withUnsafeBufferPointer { groups in
                scales.withUnsafeBufferPointer { scales in
                    zeros.withUnsafeBufferPointer { zeros in
                        guard let destination = panel.baseAddress else { return }
                        var columns = qk_columns(
                            order: order == .down ? QK_COLUMNS_DOWN : QK_COLUMNS_ACROSS, bits: UInt32(bits), inputCount: inputs,
                            outputCount: columns.count, words: codes.bindMemory(to: UInt32.self).baseAddress, groups: groups.baseAddress,
                            scales: scales.baseAddress, zeros: zeros.baseAddress)
                        qk_columns_decode(&columns, destination)
                    }
                }
            }
        }
    }

    /// Refuses groups of inputs that are not there.
    package func checkGroups(of parts: StoredParts) throws(FileError) { if groupSize == nil { _ = try groups(of: parts) } }

    /// The group of each input: as the file says, or by their size.
    private func groups(of parts: StoredParts) throws(FileError) -> [UInt32] {
        let inputs = shape.dimensions[1]
        if let groupSize { return (0..<inputs).map { UInt32($0 / groupSize) } }
        let bytes = try parts.bytes(ofPart: 3, 0..<4 * inputs)
        let groups = bytes.withUnsafeBytes { bytes in
            (0..<inputs).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
        }
        if let input = groups.firstIndex(where: { $0 >= UInt32(groupCount) }) {
            throw FileError(
                parts.source.path, at: "tensor '\(parts.source.tensors[parts.tensors[3]].name)'",
                "says that input \(input) is of group \(Int32(bitPattern: groups[input])), but there are \(groupCount) groups",
                hint: "the file is damaged; fetch it again")
        }
        return groups
    }
}

extension StoredParts {
    /// Bytes that are copied in the time that a read of its own takes (0.5 microseconds).
    private static let smallRowByteCount = 4096
    /// Bytes of whole rows that are read at a time.
    private static let runByteCount = 1 << 18

    /// The same bytes of every row of a part, one row after the other.
    ///
    /// Short rows are read whole: that is faster than a read for each.
    ///
    /// - Parameter range: of each row of `rowByteCount` bytes.
    func segments(ofPart part: Int, rowCount: Int, rowByteCount: Int, _ range: Range<Int>) throws(FileError) -> [UInt8] {
        if range.count == rowByteCount { return try bytes(ofPart: part, 0..<rowCount * rowByteCount) }
        let width = range.count, index = tensors[part]
        return try [UInt8](count: rowCount * width) { buffer throws(FileError) in
            guard rowByteCount <= Self.smallRowByteCount else {
                for row in 0..<rowCount {
                    let segment = UnsafeMutableRawBufferPointer(rebasing: buffer[row * width..<(row + 1) * width])
                    try source.read(tensor: index, atByteOffset: row * rowByteCount + range.lowerBound, into: segment)
                }
                return
            }
            let step = Self.runByteCount / rowByteCount
            for first in stride(from: 0, to: rowCount, by: step) {
                let end = min(first + step, rowCount)
                let rows = try bytes(ofPart: part, first * rowByteCount..<end * rowByteCount)
                rows.withUnsafeBytes { rows in
                    for row in first..<end {
                        let start = (row - first) * rowByteCount + range.lowerBound
                        UnsafeMutableRawBufferPointer(rebasing: buffer[row * width..<(row + 1) * width])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: rows[start..<start + width]))
                    }
                }
            }
        }
    }
}
