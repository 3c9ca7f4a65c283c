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
/// A run of whole rows of [out, in] is a panel of columns: a segment of every stored row, turned once. The codes of an output are a
/// stream of bits then, as they are in other formats.
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
    private let groups: InputGroups
    private let zeros: ZeroPoints
    private let scaleType: ScalarType

    /// Elements of a panel, unless 32 columns have more: segments of 11008 rows are 640 bytes of GPTQ then.
    private static let panelElementCount = 1 << 21
    /// Bytes that rows of a panel are kept apart by, so that lines of one column do not all share a place in the cache.
    private static let gap = 64

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
        groups = InputGroups(inputCount: dimensions[1], groupCount: groupCount, size: groupSize)
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
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + granularity, range.upperBound)
            let panel = UnsafeMutableBufferPointer(rebasing: values[start - range.lowerBound..<end - range.lowerBound])
            try rows(start..<end, of: parts).decode(start..<end, as: .f32, into: UnsafeMutableRawBufferPointer(panel))
            start = end
        }
    }

    package func run(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> any WeightRun { try rows(range, of: parts) }

    /// A panel: the codes of a range of outputs, read and turned.
    private func rows(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> GroupedRows {
        let (outputs, inputs) = (shape.dimensions[0], shape.dimensions[1])
        precondition(
            range.lowerBound % granularity == 0 && (range.count % granularity == 0 || range.upperBound == shape.elementCount),
            "\(range) is no whole panels of \(granularity)")
        let columns = range.lowerBound / inputs..<range.upperBound / inputs
        let wordBits = order == .down ? 32 : 4
        let segments = try parts.segments(
            ofPart: 0, rowCount: order == .down ? inputs * bits / 32 : inputs, rowByteCount: outputs * wordBits / 8,
            columns.lowerBound * wordBits / 8..<columns.upperBound * wordBits / 8, gap: Self.gap)
        let rowByteCount = (inputs * bits + 31) / 32 * 4 + Self.gap
        let grouping = try groups.grouping(of: parts)
        return GroupedRows(
            codes: .stream(bits: bits), bytes: turned(segments, columnCount: columns.count, rowByteCount: rowByteCount),
            firstByte: columns.lowerBound * rowByteCount, rowByteCount: rowByteCount, columns: inputs, granularity: inputs,
            arithmetic: .movedThenScaled, rounding: .f32, scales: window(try scales(columns, of: parts), columns),
            offsets: window(try zeros(columns, of: parts), columns), groupSize: grouping.size, columnGroups: grouping.ofInputs)
    }

    private func turned(_ segments: Segments, columnCount: Int, rowByteCount: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: columnCount * rowByteCount) { rows, count in
            let rows = UnsafeMutableRawBufferPointer(rows)
            // What is between the rows is nobody's.
            segments.bytes.withUnsafeBytes { words in
                qk_columns_turn(
                    order == .down ? QK_COLUMNS_DOWN : QK_COLUMNS_ACROSS, words.bindMemory(to: UInt32.self).baseAddress,
                    segments.stride / 4, segments.rowCount, columnCount, rows.bindMemory(to: UInt32.self).baseAddress, rowByteCount / 4)
            }
            count = columnCount * rowByteCount
        }
    }

    /// Constants of some outputs, turned: those of an output in a row.
    private func window(_ constants: [Float], _ columns: Range<Int>) -> GroupWindow {
        let values = [Float](unsafeUninitializedCapacity: constants.count) { values, count in
            constants.withUnsafeBytes {
                MatrixTransposition.transpose(
                    $0, rows: groupCount, columns: columns.count, elementByteCount: 4, into: UnsafeMutableRawBufferPointer(values))
            }
            count = constants.count
        }
        return GroupWindow(values: values, start: columns.lowerBound * groupCount, groupsPerRow: groupCount, rowsPerEntry: 1)
    }

    private func scales(_ columns: Range<Int>, of parts: StoredParts) throws(FileError) -> [Float] {
        let width = scaleType.bitCount / 8
        let stored = try parts.segments(
            ofPart: 2, rowCount: groupCount, rowByteCount: width * shape.dimensions[0],
            width * columns.lowerBound..<width * columns.upperBound)
        var scales = [Float](repeating: 0, count: groupCount * columns.count)
        var span = scales.mutableSpan
        FloatConversion.widen(stored.bytes.span.bytes, of: scaleType, into: &span)
        return scales
    }

    private func zeros(_ columns: Range<Int>, of parts: StoredParts) throws(FileError) -> [Float] {
        let rule = try zeros.rule(of: parts)
        let stored = try parts.segments(
            ofPart: 1, rowCount: groupCount, rowByteCount: shape.dimensions[0] * bits / 8,
            columns.lowerBound * bits / 8..<columns.upperBound * bits / 8)
        return ZeroPoints.values(stored.bytes, bits: bits, isAcross: order == .across, rule)
    }

    /// Refuses groups of inputs that are not there.
    package func checkGroups(of parts: StoredParts) throws(FileError) { _ = try groups.grouping(of: parts) }
}
