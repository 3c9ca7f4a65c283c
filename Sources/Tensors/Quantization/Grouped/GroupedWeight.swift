package import ByteIO
package import TensorCore

/// A weight of codes that share scales in groups along each row, with codes and constants in tensors of their own.
///
///     part 0      codes [rows, bytes of a row]
///     others      scales, and offsets where there are any: an entry for each group of each row, or of several rows
///     element     what the arithmetic makes of the number of its code and the constants of its group
package struct GroupedWeight: WeightEncoding {
    package let name: String
    package let words: String
    package let scalarType: ScalarType
    /// Of the elements: [..., rows, columns].
    package let shape: Shape
    let codes: GroupedCodes
    /// Bytes from the codes of a row to those of the next.
    let rowByteCount: Int
    let arithmetic: GroupArithmetic
    /// What operations with offsets are rounded to: F32, F16 or BF16.
    let rounding: ScalarType
    let scales: GroupConstants
    let offsets: GroupConstants?
    /// Consecutive columns of a group; the last group of a row may be shorter.
    let groupSize: Int
    /// The group of each column, where groups are no consecutive columns.
    let columnGroups: [Int32]?
    package let granularity: Int

    /// - Parameters:
    ///   - rowByteCount: at least what codes of a row need.
    ///   - columnGroups: one for each column, each below the groups that the scales have in a row.
    /// - Throws: where a row has no columns, or codes of a row do not fit into its bytes.
    package init(
        name: String, scalarType: ScalarType, shape: Shape, codes: GroupedCodes, rowByteCount: Int, arithmetic: GroupArithmetic = .scaled,
        rounding: ScalarType = .f32, scales: GroupConstants, offsets: GroupConstants? = nil, groupSize: Int,
        columnGroups: [Int32]? = nil, words: String? = nil
    ) throws(QuantizationError) {
        guard let columns = shape.dimensions.last, columns > 0, shape.elementCount > 0 else {
            throw QuantizationError("shape \(shape) has no elements")
        }
        guard groupSize > 0 else { throw QuantizationError("groups of \(groupSize) columns cannot be") }
        guard codes.byteCount(columns) <= rowByteCount else {
            throw QuantizationError("\(columns) codes of \(codes.bits) bits take \(codes.byteCount(columns)) bytes, not \(rowByteCount)")
        }
        precondition(arithmetic == .scaled || offsets != nil, "arithmetic with offsets has some")
        self.name = name
        self.words = words ?? name
        self.scalarType = scalarType
        self.shape = shape
        self.codes = codes
        self.rowByteCount = rowByteCount
        self.arithmetic = arithmetic
        self.rounding = rounding
        self.scales = scales
        self.offsets = offsets
        self.groupSize = groupSize
        self.columnGroups = columnGroups
        // Within rows where all that decoding needs lies at whole bytes there.
        let unit = codes.unit == 1 ? 1 : columns % Self.unit == 0 && Self.unit % codes.unit == 0 ? Self.unit : columns
        granularity = columnGroups == nil ? unit : columns
    }

    private static let unit = 32

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        guard !range.isEmpty else { return }
        try rows(range, of: parts).decode(range, as: .f32, into: UnsafeMutableRawBufferPointer(values))
    }

    package func run(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> any WeightRun { try rows(range, of: parts) }

    private func rows(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> GroupedRows {
        precondition(
            !range.isEmpty && range.upperBound <= shape.elementCount && range.lowerBound % granularity == 0, "\(range) of \(shape)")
        let columns = shape.dimensions[shape.dimensions.count - 1]
        let (firstRow, firstColumn) = range.lowerBound.quotientAndRemainder(dividingBy: columns)
        let (lastRow, lastColumn) = (range.upperBound - 1).quotientAndRemainder(dividingBy: columns)
        let start = firstRow * rowByteCount + codes.byteCount(firstColumn)
        let stored = try parts.bytes(ofPart: 0, start..<lastRow * rowByteCount + codes.byteCount(lastColumn + 1))
        let scales = try self.scales.window(firstRow, firstColumn, lastRow, lastColumn, self, parts)
        let offsets = try self.offsets?.window(firstRow, firstColumn, lastRow, lastColumn, self, parts)
        return GroupedRows(
            codes: codes, bytes: stored, firstByte: start, rowByteCount: rowByteCount, columns: columns, granularity: granularity,
            arithmetic: arithmetic, rounding: rounding, scales: scales, offsets: offsets, groupSize: groupSize, columnGroups: columnGroups)
    }
}

extension GroupConstants {
    fileprivate func window(
        _ firstRow: Int, _ firstColumn: Int, _ lastRow: Int, _ lastColumn: Int, _ weight: GroupedWeight, _ parts: StoredParts
    ) throws(FileError) -> GroupWindow {
        // Entries of several rows are needed from the first on.
        let isWhole = weight.columnGroups != nil || rowsPerEntry > 1 && firstRow < lastRow
        let start = index(row: firstRow, group: isWhole ? 0 : firstColumn / weight.groupSize)
        let end = index(row: lastRow, group: isWhole ? groupsPerRow - 1 : lastColumn / weight.groupSize) + 1
        return GroupWindow(
            values: try values(start..<end, of: parts), start: start, groupsPerRow: groupsPerRow, rowsPerEntry: rowsPerEntry)
    }
}
