import ByteIO

/// The small text file `checkpoint` that a `Saver` keeps beside its bundles: which of them is the latest.
///
///     model_checkpoint_path: "model.ckpt-200"
///     all_model_checkpoint_paths: "model.ckpt-100"
///     all_model_checkpoint_timestamps: 1571234567.5
///
/// A protobuf message in text form; only `model_checkpoint_path` matters here. The path may be of another machine.
struct CheckpointState: Hashable, Sendable {
    static let fileName = "checkpoint"
    static let fileByteCount = 1 << 20

    /// `model_checkpoint_path` as it is written.
    let latestPath: String

    /// The last component of the path, whichever kind of machine it was written on.
    var latestName: String {
        String(latestPath.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last ?? "")
    }

    init(_ bytes: [UInt8]) throws(ByteReader.Failure) {
        var reader = TextReader(bytes)
        var latest: String?
        while let name = try reader.fieldName() {
            let start = reader.offset
            let value = try reader.value()
            guard name == "model_checkpoint_path" else { continue }
            guard latest == nil else { throw ByteReader.Failure(offset: start, "model_checkpoint_path appears twice") }
            guard case .text(let text) = value, let path = String(validating: text, as: UTF8.self) else {
                throw ByteReader.Failure(offset: start, "model_checkpoint_path is no string of UTF-8")
            }
            latest = path
        }
        guard let latest else { throw ByteReader.Failure(offset: 0, "model_checkpoint_path is missing") }
        latestPath = latest
    }

    /// Fields of a flat message in protobuf's text form.
    private struct TextReader {
        enum Value {
            case text([UInt8])
            /// A number or a word: nothing that is needed.
            case other
        }

        private let bytes: [UInt8]
        private(set) var offset = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

        private func failure(_ message: String) -> ByteReader.Failure { ByteReader.Failure(offset: offset, message) }

        private mutating func skipBlanks() {
            while let byte = next {
                if byte == UInt8(ascii: "#") {
                    while let byte = next, byte != UInt8(ascii: "\n") { offset += 1 }
                } else if byte == 0x20 || (0x09...0x0d).contains(byte) {
                    offset += 1
                } else {
                    return
                }
            }
        }

        /// A name and the colon after it; nil at the end.
        mutating func fieldName() throws(ByteReader.Failure) -> String? {
            skipBlanks()
            guard next != nil else { return nil }
            let name = word()
            guard !name.isEmpty else { throw failure("a field's name is expected here") }
            skipBlanks()
            guard next == UInt8(ascii: ":") else { throw failure("a colon is expected here, after '\(name)'") }
            offset += 1
            return name
        }

        mutating func value() throws(ByteReader.Failure) -> Value {
            skipBlanks()
            var result = Value.other
            if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
                var text: [UInt8] = []
                // Strings side by side are one string.
                while let quote = next, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
                    try appendString(endingIn: quote, to: &text)
                    skipBlanks()
                }
                result = .text(text)
            } else if word().isEmpty {
                throw failure("a value is expected here")
            }
            skipBlanks()
            if next == UInt8(ascii: ",") || next == UInt8(ascii: ";") { offset += 1 }
            return result
        }

        private mutating func word() -> String {
            let start = offset
            while let byte = next, Character(UnicodeScalar(byte)).isASCIIWord { offset += 1 }
            return String(decoding: bytes[start..<offset], as: UTF8.self)
        }

        private mutating func appendString(endingIn quote: UInt8, to text: inout [UInt8]) throws(ByteReader.Failure) {
            offset += 1
            while let byte = next, byte != quote {
                guard byte != UInt8(ascii: "\n") else { break }
                offset += 1
                text.append(byte == UInt8(ascii: "\\") ? try escape() : byte)
            }
            guard next == quote else { throw failure("a string is not closed") }
            offset += 1
        }

        private mutating func escape() throws(ByteReader.Failure) -> UInt8 {
            guard let code = next else { throw failure("a string is not closed") }
            let simple: [UInt8: UInt8] = [
                UInt8(ascii: "n"): 0x0a, UInt8(ascii: "r"): 0x0d, UInt8(ascii: "t"): 0x09, UInt8(ascii: "a"): 0x07,
                UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0c, UInt8(ascii: "v"): 0x0b, UInt8(ascii: "?"): UInt8(ascii: "?"),
                UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "'"): UInt8(ascii: "'"),
                UInt8(ascii: "\""): UInt8(ascii: "\""),
            ]
            if let byte = simple[code] {
                offset += 1
                return byte
            }
            if code == UInt8(ascii: "x") {
                offset += 1
                return try number(radix: 16, digitCount: 2)
            }
            return try number(radix: 8, digitCount: 3)
        }

        private mutating func number(radix: Int, digitCount: Int) throws(ByteReader.Failure) -> UInt8 {
            var value = 0
            var count = 0
            while count < digitCount, let byte = next, let digit = Character(UnicodeScalar(byte)).hexDigitValue, digit < radix {
                value = value * radix + digit
                count += 1
                offset += 1
            }
            guard count > 0, let byte = UInt8(exactly: value) else { throw failure("an escape here is not understood") }
            return byte
        }
    }
}

extension Character {
    /// A letter, a digit, or what else numbers and names of protobuf's text form contain.
    fileprivate var isASCIIWord: Bool {
        isASCII && (isLetter || isNumber || self == "_" || self == "." || self == "-" || self == "+")
    }
}
