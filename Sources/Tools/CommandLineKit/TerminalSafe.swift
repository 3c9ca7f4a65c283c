extension String {
    /// With control characters written out (`\n`, `\u{1b}`): names come from files, and a file must not be able to
    /// move the cursor, change the window title, or reverse the reading order of the line that reports it.
    ///
    /// Backslashes stay as they are; names read naturally and the output is for people, not for parsing back.
    package var terminalSafe: String {
        if utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return self }
        var safe = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": safe += "\\n"
            case "\r": safe += "\\r"
            case "\t": safe += "\\t"
            case _ where scalar.isUnsafeInTerminal: safe += "\\u{\(String(scalar.value, radix: 16))}"
            default: safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }
}

extension Unicode.Scalar {
    /// C0 and C1 controls, line and paragraph separators, and the characters that override text direction.
    fileprivate var isUnsafeInTerminal: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
