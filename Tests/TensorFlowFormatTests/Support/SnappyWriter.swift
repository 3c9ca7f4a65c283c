/// A small compressor: every kind of element turns up in its output.
enum SnappyWriter {
    static func compress(_ bytes: [UInt8]) -> [UInt8] {
        var output = Wire.varint(UInt64(bytes.count))
        var places: [ArraySlice<UInt8>: Int] = [:]
        var literalStart = 0
        var position = 0
        while position + 4 <= bytes.count {
            let key = bytes[position..<position + 4]
            let match = places.updateValue(position, forKey: Array(key)[...])
            guard let match else {
                position += 1
                continue
            }
            var count = 4
            while position + count < bytes.count, count < 64, bytes[match + count] == bytes[position + count] { count += 1 }
            output += literal(bytes[literalStart..<position])
            output += copy(distance: position - match, count: count)
            position += count
            literalStart = position
        }
        return output + literal(bytes[literalStart...])
    }

    static func literal(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        let code = bytes.count - 1
        if code < 60 { return [UInt8(code << 2)] + bytes }
        let count = code < 1 << 8 ? 1 : code < 1 << 16 ? 2 : code < 1 << 24 ? 3 : 4
        return [UInt8(59 + count) << 2] + Wire.littleEndian(UInt32(code)).prefix(count) + bytes
    }

    static func copy(distance: Int, count: Int) -> [UInt8] {
        if count < 12, distance < 1 << 11 {
            return [UInt8((distance >> 8) << 5 | (count - 4) << 2 | 1), UInt8(distance & 0xff)]
        }
        if distance < 1 << 16 { return [UInt8((count - 1) << 2 | 2)] + Wire.littleEndian(UInt16(distance)) }
        return [UInt8((count - 1) << 2 | 3)] + Wire.littleEndian(UInt32(distance))
    }
}
