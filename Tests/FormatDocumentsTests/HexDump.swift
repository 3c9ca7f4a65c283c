import TestSupport

/// The example of a document under `formats/`: the fenced block marked `hexdump`, as `hexdump -C` and `xxd` users know it.
///
///     00000000  40 00 00 00 00 00 00 00  7b 22 ...  |@.......{"..|
enum HexDump {
    /// Bytes of the first block marked `hexdump` in `formats/NAME`.
    ///
    /// - Parameter label: what stands after `hexdump`, where there are several.
    static func example(inDocument name: String, label: String = "") throws -> [UInt8] {
        let lines = try Fixture.document(name).split(separator: "\n", omittingEmptySubsequences: false)
        let fence = label.isEmpty ? "```hexdump" : "```hexdump \(label)"
        guard let start = lines.firstIndex(where: { $0 == fence }), let end = lines[(start + 1)...].firstIndex(of: "```") else {
            throw Missing(document: name)
        }
        return lines[(start + 1)..<end].flatMap(bytes)
    }

    /// The same form again, to show what the document should say.
    static func text(_ bytes: [UInt8]) -> String {
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let row = bytes[start..<min(start + 16, bytes.count)]
            let digits = row.enumerated().map { ($0 == 8 ? " " : "") + hexadecimal(Int($1), count: 2) + " " }.joined()
            let shown = String(decoding: row.map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
            let padding = String(repeating: " ", count: 49 - digits.count)
            text += "\(hexadecimal(start, count: 8))  \(digits)\(padding) |\(shown)|\n"
        }
        return text
    }

    struct Missing: Error {
        let document: String
    }

    private static func bytes(_ line: Substring) -> [UInt8] {
        let digits = line.split(separator: "|")[0].split(separator: " ").dropFirst()
        return digits.compactMap { UInt8($0, radix: 16) }
    }

    private static func hexadecimal(_ value: Int, count: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
