/// Writes the wire forms that the reader reads.
enum Wire {
    static func varint(_ value: UInt64) -> [UInt8] {
        var value = value
        var bytes: [UInt8] = []
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }

    static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// A field that is a varint; a negative number takes ten bytes.
    static func field(_ number: Int, _ value: Int) -> [UInt8] {
        varint(UInt64(number) << 3) + varint(UInt64(bitPattern: Int64(value)))
    }

    static func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
        varint(UInt64(number) << 3 | 2) + varint(UInt64(bytes.count)) + bytes
    }

    static func fixed32(_ number: Int, _ value: UInt32) -> [UInt8] {
        varint(UInt64(number) << 3 | 5) + littleEndian(value)
    }

    static func fixed64(_ number: Int, _ value: UInt64) -> [UInt8] {
        varint(UInt64(number) << 3 | 1) + littleEndian(value)
    }
}
