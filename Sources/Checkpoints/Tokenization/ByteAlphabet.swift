/// GPT-2's spelling of bytes: every byte as one printable character.
///
/// Printable bytes of Latin-1 stand for themselves, the other 68, in order, are U+0100 and up: a space is `Ġ`.
package enum ByteAlphabet {
    /// By byte.
    package static let scalars: [Unicode.Scalar] = {
        var scalars: [Unicode.Scalar] = []
        var next: UInt32 = 0x100
        for byte in UInt8.min...UInt8.max {
            switch byte {
            case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: scalars.append(Unicode.Scalar(byte))
            default:
                scalars.append(Unicode.Scalar(next) ?? " ")
                next += 1
            }
        }
        return scalars
    }()

    /// By scalar, up to U+0143; -1 for the few that stand for no byte.
    private static let bytes: [Int] = {
        var bytes = [Int](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = byte }
        return bytes
    }()

    /// The bytes that a token's spelling stands for; nil where it has other characters.
    static func bytes(of spelling: ArraySlice<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        for scalar in String(decoding: spelling, as: UTF8.self).unicodeScalars {
            guard scalar.value < bytes.count, bytes[Int(scalar.value)] >= 0 else { return nil }
            result.append(UInt8(bytes[Int(scalar.value)]))
        }
        return result
    }

    /// The bytes that `text[start..<end]` spells; it must be of this alphabet.
    static func bytes(of text: Span<UInt8>, from start: Int, to end: Int) -> [UInt8] {
        var result: [UInt8] = []
        var position = start
        while position < end {
            let (value, byteCount) = scalar(in: text, at: position)
            result.append(UInt8(truncatingIfNeeded: bytes[Int(value)]))
            position += byteCount
        }
        return result
    }

    /// `text[start..<end]`, byte for byte.
    static func spelling(of text: Span<UInt8>, from start: Int, to end: Int) -> [UInt8] {
        var result: [UInt8] = []
        for index in start..<end { result += spellings[Int(text[index])] }
        return result
    }

    static func spelling(of byte: UInt8) -> [UInt8] { spellings[Int(byte)] }

    private static let spellings = scalars.map { Array(String($0).utf8) }
}
