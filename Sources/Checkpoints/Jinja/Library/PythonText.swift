/// What Python takes characters for.
enum PythonText {
    /// `str.isspace` and `\s`: white space, and the four separators of ASCII.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0d, 0x1c...0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
        default: false
        }
    }

    /// What `str.splitlines` splits at.
    static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0a...0x0d, 0x1c...0x1e, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// `str.isprintable`: everything else is escaped in `repr`.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    /// A byte that a name may contain as far as one byte can tell.
    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }

    /// The value of a digit or letter as a digit, up to 35.
    static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    static func radix(ofPrefix byte: UInt8) -> Int? {
        switch byte | 0x20 {
        case UInt8(ascii: "b"): 2
        case UInt8(ascii: "o"): 8
        case UInt8(ascii: "x"): 16
        default: nil
        }
    }

    /// The scalar that begins at `offset` of valid UTF-8, and its length in bytes.
    static func scalar(in bytes: [UInt8], at offset: Int) -> (Unicode.Scalar, Int) {
        let first = bytes[offset]
        if first < 0x80 { return (Unicode.Scalar(first), 1) }
        let count = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
        var value = UInt32(first) & (0x7f >> UInt32(count))
        for index in 1..<count { value = value << 6 | UInt32(bytes[offset + index] & 0x3f) }
        return (Unicode.Scalar(value) ?? "\u{fffd}", count)
    }

    /// The scalar that ends before `offset` of valid UTF-8, and its length in bytes.
    static func scalar(in bytes: [UInt8], before offset: Int) -> (Unicode.Scalar, Int) {
        var start = offset - 1
        while bytes[start] & 0xc0 == 0x80 { start -= 1 }
        return scalar(in: bytes, at: start)
    }

    /// The start of the range without the white space that it begins with.
    static func trimmedStart(of bytes: [UInt8], in range: Range<Int>, where isTrimmed: (Unicode.Scalar) -> Bool = isSpace) -> Int {
        var start = range.lowerBound
        while start < range.upperBound {
            let (scalar, count) = scalar(in: bytes, at: start)
            guard isTrimmed(scalar) else { break }
            start += count
        }
        return start
    }

    /// The end of the range without the white space that it ends with.
    static func trimmedEnd(of bytes: [UInt8], in range: Range<Int>, where isTrimmed: (Unicode.Scalar) -> Bool = isSpace) -> Int {
        var end = range.upperBound
        while end > range.lowerBound {
            let (scalar, count) = scalar(in: bytes, before: end)
            guard isTrimmed(scalar) else { break }
            end -= count
        }
        return end
    }
}
