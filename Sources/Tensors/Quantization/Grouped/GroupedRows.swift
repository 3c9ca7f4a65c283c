import ByteIO
import CKernels
import TensorCore

/// Codes of some rows of a weight, and the constants of their groups, all of them at hand.
struct GroupedRows: WeightRun {
    let codes: GroupedCodes
    let bytes: [UInt8]
    /// Where in the rows these bytes begin.
    let firstByte: Int
    /// Bytes from the codes of a row to those of the next.
    let rowByteCount: Int
    let columns: Int
    let granularity: Int
    let arithmetic: GroupArithmetic
    /// What operations with offsets are rounded to: F32, F16 or BF16.
    let rounding: ScalarType
    let scales: GroupWindow
    let offsets: GroupWindow?
    /// Consecutive columns of a group.
    let groupSize: Int
    /// The group of each column, where groups are no consecutive columns.
    let columnGroups: [Int32]?

    private var format: qk_grouped {
        qk_grouped(
            kind: codes.kernelKind, bits: UInt32(codes.bits), shift: 0, arithmetic: arithmetic.kernelArithmetic,
            rounding: rounding.kernelType ?? QK_F32, groupSize: columnGroups == nil ? groupSize : 1)
    }

    /// What the kernels take for some elements of a row: the codes, and the constants from the group of the first on.
    private struct Piece {
        let codes: UnsafePointer<UInt8>?
        let scales: UnsafePointer<Float>?
        let offsets: UnsafePointer<Float>?
        /// Elements of the first group that come before.
        let start: Int
        let count: Int
        /// Elements of the range that come before.
        let place: Int
    }

    private func forRows(_ range: Range<Int>, _ body: (Piece) -> Void) {
        // Where columns have groups of their own, their constants are laid out for each row.
        let spread = UnsafeMutableBufferPointer<Float>.allocate(capacity: columnGroups == nil ? 0 : 2 * columns)
        defer { spread.deallocate() }
        bytes.withUnsafeBufferPointer { bytes in
            scales.values.withUnsafeBufferPointer { scaleValues in
                (offsets?.values ?? []).withUnsafeBufferPointer { offsetValues in
                    var start = range.lowerBound
                    while start < range.upperBound {
                        let (row, first) = start.quotientAndRemainder(dividingBy: columns)
                        let count = min(range.upperBound - start, columns - first)
                        let byte = row * rowByteCount + codes.byteCount(first) - firstByte
                        let (scale, offset) = constants(row, first, count, scaleValues, offsetValues, spread)
                        body(
                            Piece(
                                codes: bytes.baseAddress.map { $0 + byte }, scales: scale, offsets: offset,
                                start: columnGroups == nil ? first % groupSize : 0, count: count, place: start - range.lowerBound))
                        start += count
                    }
                }
            }
        }
    }

    func decode(_ range: Range<Int>, as type: ScalarType, into values: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard let kernelType = type.kernelType else { preconditionFailure("a weight is not decoded as \(type)") }
        let size = type.bitCount / 8, format = format
        precondition(values.count == range.count * size, "the buffer fits \(range)")
        guard let destination = values.baseAddress, !range.isEmpty else { return }
        forRows(range) {
            qk_grouped_decode(
                format, $0.codes, $0.start, $0.count, $0.scales, $0.offsets, kernelType, destination + $0.place * size)
        }
    }

    func quantize(
        _ range: Range<Int>, as type: ScalarType, to quantType: QuantType, blockSize: Int, packed: UnsafeMutableRawBufferPointer,
        absmax: UnsafeMutableBufferPointer<Float>
    ) -> QuantizedRun? {
        let format = format
        // Rows of whole blocks, each of one group.
        guard let kernelType = type.kernelType, columnGroups == nil, qk_requantize4_takes(format, blockSize), columns % blockSize == 0,
            range.lowerBound % blockSize == 0, range.count % blockSize == 0, let codes = packed.baseAddress,
            let constants = absmax.baseAddress
        else { return nil }
        precondition(packed.count == range.count / 2 && absmax.count == range.count / blockSize, "both buffers fit \(range)")
        var firstNonfinite: Int?
        forRows(range) {
            let found = qk_requantize4(
                format, $0.codes, $0.start, $0.count, $0.scales, $0.offsets, kernelType, quantType.kernelCode, blockSize,
                (codes + $0.place / 2).assumingMemoryBound(to: UInt8.self), constants + $0.place / blockSize)
            if found < $0.count, firstNonfinite == nil { firstNonfinite = $0.place + found }
        }
        return QuantizedRun(firstNonfinite: firstNonfinite)
    }

    /// The constants of a row from a column on: one a group, or where columns have groups of their own, one a column.
    private func constants(
        _ row: Int, _ column: Int, _ count: Int, _ scaleValues: UnsafeBufferPointer<Float>, _ offsetValues: UnsafeBufferPointer<Float>,
        _ spread: UnsafeMutableBufferPointer<Float>
    ) -> (scale: UnsafePointer<Float>?, offset: UnsafePointer<Float>?) {
        let group = columnGroups == nil ? column / groupSize : 0
        let scale = scaleValues.baseAddress.map { $0 + scales.place(row: row, group: group) }
        let offset = offsets.flatMap { window in offsetValues.baseAddress.map { $0 + window.place(row: row, group: group) } }
        guard let columnGroups, let memory = spread.baseAddress else { return (scale, offset) }
        columnGroups.withUnsafeBufferPointer { groups in
            let groups = groups.baseAddress.map { $0 + column }
            qk_columns_spread(groups, count, scale, memory)
            if offset != nil { qk_columns_spread(groups, count, offset, memory + columns) }
        }
        return (UnsafePointer(memory), offset == nil ? nil : UnsafePointer(memory + columns))
    }
}

/// Constants of the groups of some rows.
struct GroupWindow {
    let values: [Float]
    /// Index of the first of them among those of the weight.
    let start: Int
    let groupsPerRow: Int
    let rowsPerEntry: Int

    /// Where the constant of a group of a row stands.
    func place(row: Int, group: Int) -> Int { row / rowsPerEntry * groupsPerRow + group - start }
}
