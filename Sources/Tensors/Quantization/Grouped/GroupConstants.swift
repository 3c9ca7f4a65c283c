import ByteIO
package import TensorCore

/// A number for each group of a weight: its scales, or what is added to or taken from its codes.
///
///     entries   [ceil(rows / rowsPerEntry), groups of a row]
package struct GroupConstants: Sendable {
    package enum Form: Sendable, Hashable {
        /// Numbers of a type that can be read as such, or I8.
        case numbers(ScalarType)
        /// Bytes e that stand for 2^(e - 127); 255 stands for no number.
        case exponents
        /// The same, but that 255 stands for NaN.
        case exponentsOrNaN
        /// Unsigned codes of 4 bits in whole bytes for each row, the first in the lower half.
        case nibbles
        /// Numbers of a type, each divided by this one, and rounded.
        case divided(ScalarType, by: Float)
        /// Numbers of a type, each times this one, and rounded.
        case multiplied(ScalarType, by: Float)
        /// Unsigned codes in 32-bit words, those of a column of entries one behind the other: [words for all rows, groups].
        case columns(GroupedCodes)
        /// The same number for all; there is no such part.
        case constant(Float)
    }

    package let form: Form
    /// Number of the part among those of the weight.
    package let part: Int
    package let groupsPerRow: Int
    /// Rows of the weight that an entry is for.
    package let rowsPerEntry: Int

    package init(_ form: Form, part: Int, groupsPerRow: Int, rowsPerEntry: Int = 1) {
        self.form = form
        self.part = part
        self.groupsPerRow = groupsPerRow
        self.rowsPerEntry = rowsPerEntry
    }

    /// Where the entry of a group of a row stands.
    func index(row: Int, group: Int) -> Int { row / rowsPerEntry * groupsPerRow + group }

    /// Entries `range`, of which the first belongs to group `firstGroup` of its row.
    func values(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> [Float] {
        switch form {
        case .constant(let value): return [Float](repeating: value, count: range.count)
        case .exponents: return try exponents(range, parts)
        case .exponentsOrNaN: return try parts.bytes(ofPart: part, range).map(MXFP4.scale)
        case .nibbles: return try nibbles(range, parts)
        case .numbers(let type): return try numbers(range, of: type, parts)
        case .divided(let type, let divisor): return try numbers(range, of: type, parts).map { $0 / divisor }
        case .multiplied(let type, let factor): return try numbers(range, of: type, parts).map { $0 * factor }
        case .columns(let codes): return try columns(range, codes, parts)
        }
    }

    private func numbers(_ range: Range<Int>, of type: ScalarType, _ parts: StoredParts) throws(FileError) -> [Float] {
        let width = type.bitCount / 8
        let bytes = try parts.bytes(ofPart: part, range.lowerBound * width..<range.upperBound * width)
        guard type != .i8 else { return bytes.map { Float(Int8(bitPattern: $0)) } }
        var values = [Float](repeating: 0, count: range.count)
        var span = values.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: type, into: &span)
        return values
    }

    private func nibbles(_ range: Range<Int>, _ parts: StoredParts) throws(FileError) -> [Float] {
        let firstByte = range.lowerBound / 2
        let bytes = try parts.bytes(ofPart: part, firstByte..<(range.upperBound + 1) / 2)
        return range.map { Float(bytes[$0 / 2 - firstByte] >> ($0 % 2 == 0 ? 0 : 4) & 15) }
    }

    private func exponents(_ range: Range<Int>, _ parts: StoredParts) throws(FileError) -> [Float] {
        let bytes = try parts.bytes(ofPart: part, range)
        if let damaged = bytes.firstIndex(of: 255) {
            let info = parts.source.tensors[parts.tensors[part]]
            throw FileError(
                parts.source.path, at: "tensor '\(info.name)'",
                "element \(range.lowerBound + damaged) is 255, which as an exponent stands for no number; programs differ in what they "
                    + "make of it", hint: "fetch the checkpoint again; if it is the same, it was made wrongly")
        }
        return bytes.map(MXFP4.scale)
    }

    /// Entries of rows that lie in columns: all words of the rows are read, but of a single row those of its groups alone.
    private func columns(_ range: Range<Int>, _ codes: GroupedCodes, _ parts: StoredParts) throws(FileError) -> [Float] {
        guard !range.isEmpty else { return [] }
        let rows = range.lowerBound / groupsPerRow...(range.upperBound - 1) / groupsPerRow
        let groups =
            rows.count == 1 ? range.lowerBound % groupsPerRow..<range.lowerBound % groupsPerRow + range.count : 0..<groupsPerRow
        // The words before and behind that the first and the last code begin and end in.
        let firstWord = codes.place(ofCode: rows.lowerBound).word
        let last = codes.place(ofCode: rows.upperBound), lastWord = last.word + (last.bit + codes.bits > 32 ? 1 : 0)
        var words: [UInt32] = []
        for word in firstWord...lastWord {
            let start = word * groupsPerRow + groups.lowerBound
            let bytes = try parts.bytes(ofPart: part, 4 * start..<4 * (start + groups.count))
            bytes.withBytes { bytes in
                for index in 0..<groups.count { words.append(bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)) }
            }
        }
        let mask = UInt64(1) << UInt64(codes.bits) - 1
        return range.map { entry in
            let (word, bit) = codes.place(ofCode: entry / groupsPerRow)
            let column = (word - firstWord) * groups.count + entry % groupsPerRow - groups.lowerBound
            let next = bit + codes.bits > 32 ? UInt64(words[column + groups.count]) << 32 : 0
            return Float((next | UInt64(words[column])) >> UInt64(bit) & mask)
        }
    }
}

extension GroupedCodes {
    /// The 32-bit word in which a code begins, and the bit there.
    fileprivate func place(ofCode index: Int) -> (word: Int, bit: Int) {
        if case .words(let bits) = self { return (index / unit, index % unit * bits) }
        return (index / 32 * bits + index % 32 * bits / 32, index % 32 * bits % 32)
    }
}
