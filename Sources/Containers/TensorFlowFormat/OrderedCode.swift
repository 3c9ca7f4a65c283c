import ByteIO

/// Numbers and strings written so that comparing bytes compares values. Slice keys are made of them.
///
/// Numbers without sign: a byte with the count of bytes that follow, then those, big-endian and without leading zeros.
///
/// Strings: `00` becomes `00 ff`, `ff` becomes `ff 00`, and `00 01` ends them.
///
/// Numbers with sign: as many leading one bits as the number has bytes, a zero bit, then the value, big-endian; a negative
/// number is its complement written that way, all bits inverted.
///
///     -64...63          10xxxxxx            1 byte, 0x80 ^ x
///     -8192...8191      110xxxxx xxxxxxxx   2 bytes, and so on, up to 10 bytes
enum OrderedCode {
    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        let digits = bigEndian(value).drop { $0 == 0 }
        bytes.append(UInt8(digits.count))
        bytes += digits
    }

    static func append(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        for byte in text {
            bytes.append(byte)
            if byte == 0x00 { bytes.append(0xff) }
            if byte == 0xff { bytes.append(0x00) }
        }
        bytes += [0x00, 0x01]
    }

    static func append(_ value: Int, to bytes: inout [UInt8]) {
        let flip: UInt8 = value < 0 ? 0xff : 0
        let magnitude = UInt64(value < 0 ? ~value : value)
        let valueBits = UInt64.bitWidth - magnitude.leadingZeroBitCount
        let count = max(1, (valueBits + 7) / 7)
        var code: [UInt8] = [0, 0] + bigEndian(magnitude)
        code.removeFirst(code.count - count)
        code[0] |= count >= 8 ? 0xff : ~(0xff >> UInt8(count))
        if count > 8 { code[1] |= ~(0xff >> UInt8(count - 8)) }
        bytes += code.map { $0 ^ flip }
    }

    static func unsigned(_ reader: inout ByteReader) throws(ByteReader.Failure) -> UInt64 {
        let start = reader.offset
        let count = Int(try reader.byte())
        guard count <= 8 else { throw ByteReader.Failure(offset: start, "a number of \(count) bytes is longer than 64 bits") }
        return try reader.run(count: count).reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func text(_ reader: inout ByteReader) throws(ByteReader.Failure) -> [UInt8] {
        var text: [UInt8] = []
        while true {
            let byte = try reader.byte()
            guard byte == 0x00 || byte == 0xff else {
                text.append(byte)
                continue
            }
            let start = reader.offset
            switch (byte, try reader.byte()) {
            case (0x00, 0xff): text.append(0x00)
            case (0xff, 0x00): text.append(0xff)
            case (0x00, 0x01): return text
            case (_, let escape): throw ByteReader.Failure(offset: start, "byte \(escape) escapes nothing here")
            }
        }
    }

    static func signed(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Int {
        let start = reader.offset
        var code = [try reader.byte()]
        let flip: UInt8 = code[0] < 0x80 ? 0xff : 0
        var count = (~(code[0] ^ flip)).leadingZeroBitCount
        if count == 8 {
            code.append(try reader.byte())
            count += (~(code[1] ^ flip)).leadingZeroBitCount
        }
        guard count <= 10 else {
            throw ByteReader.Failure(offset: start, "a signed number of \(count) bytes is longer than 64 bits")
        }
        code += try reader.run(count: count - code.count)
        code = code.map { $0 ^ flip }
        code[0] &= count >= 8 ? 0 : 0xff >> UInt8(count)
        if count >= 8 { code[1] &= 0xff >> UInt8(count - 8 + 1) }
        guard code.dropLast(8).allSatisfy({ $0 == 0 }) else {
            throw ByteReader.Failure(offset: start, "a signed number here is longer than 64 bits")
        }
        let magnitude = code.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let value = Int(exactly: magnitude) else {
            throw ByteReader.Failure(offset: start, "a signed number here is longer than 64 bits")
        }
        return flip == 0 ? value : ~value
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
    }
}
