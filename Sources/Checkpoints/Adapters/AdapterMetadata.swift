import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

/// What an adapter file says of itself in `__metadata__`, beside `format: pt` (formats/lora.md has the rules).
struct AdapterMetadata: Sendable {
    enum Key {
        /// All of our keys begin with this.
        static let prefix = "lora."
        static let format = "format"
        static let version = "lora.version"
        static let headerChecksum = "lora.header_crc32c"
        static let tool = "lora.tool"
        static let baseFingerprint = "lora.base_fingerprint"
        static let configuration = "lora.config"
        static let sample = "lora.calibration_sample"
        static let checksums = "lora.crc32c"
    }

    static let version = 1

    let tool: String?
    let baseFingerprint: String?
    /// The text of `lora.config`; nil in a PEFT folder, where it is a file of its own.
    let configuration: String?
    /// Texts of training records that the trainer was asked to leave there; none in most.
    let sample: [String]
    /// CRC-32C of each tensor in the order of the data; nil where none of our tools wrote the file.
    let checksums: [CRC32C]?

    /// Members of `__metadata__` in their fixed order; the header's own checksum is put in last, in place of its zeros.
    static func members(
        tool: String, baseFingerprint: String?, configuration: String?, sample: [String], checksums: [CRC32C]
    ) -> [(key: String, value: String)] {
        var members = [(Key.format, "pt"), (Key.version, String(version)), (Key.headerChecksum, CRC32C().description), (Key.tool, tool)]
        if let baseFingerprint { members.append((Key.baseFingerprint, baseFingerprint)) }
        if let configuration { members.append((Key.configuration, configuration)) }
        if !sample.isEmpty { members.append((Key.sample, JSONValue.strings(sample).text(.compact))) }
        members.append((Key.checksums, checksums.map(\.description).joined()))
        return members.map { (key: $0.0, value: $0.1) }
    }

    init(of file: SafetensorsFile) throws(FileError) {
        guard file.header.metadata.contains(where: { $0.key.hasPrefix(Key.prefix) }) else {
            (tool, baseFingerprint, configuration, sample, checksums) = (nil, nil, nil, [], nil)
            return
        }
        let stated = file.metadata(Key.version)
        guard stated == String(Self.version) else {
            throw FileError(
                file.path, at: "__metadata__",
                "'\(Key.version)' is \(stated.map { "'\(JSONError.excerpt($0))'" } ?? "missing"), but this program reads version \(Self.version)",
                hint: "a newer version of the tools may have written it")
        }
        if let stated = file.metadata(Key.headerChecksum) {
            _ = try file.checkHeader(key: Key.headerChecksum, stated: stated, hint: Self.damageHint)
        }
        tool = file.metadata(Key.tool)
        baseFingerprint = file.metadata(Key.baseFingerprint)
        configuration = file.metadata(Key.configuration)
        if let baseFingerprint, !Self.isFingerprint(baseFingerprint) {
            throw Self.damage(
                file.path,
                "'\(Key.baseFingerprint)' is '\(JSONError.excerpt(baseFingerprint))', "
                    + "but 'sha256:' and 64 lower-case hexadecimal digits are expected")
        }
        sample = try file.metadata(Key.sample).map { (text) throws(FileError) in try Self.texts(text, path: file.path) } ?? []
        checksums = try file.metadata(Key.checksums).map { (text) throws(FileError) in
            try Self.checksums(text, count: file.tensors.count, path: file.path)
        }
    }

    static func isFingerprint(_ text: String) -> Bool {
        text.hasPrefix("sha256:") && text.utf8.count == 7 + 64
            && text.utf8.dropFirst(7).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func texts(_ text: String, path: String) throws(FileError) -> [String] {
        let values = (try? JSONValue(parsing: Array(text.utf8)))?.array, texts = values?.compactMap(\.string)
        guard let values, let texts, texts.count == values.count, !texts.isEmpty else {
            throw damage(path, "'\(Key.sample)' is no list of texts")
        }
        return texts
    }

    private static func checksums(_ text: String, count: Int, path: String) throws(FileError) -> [CRC32C] {
        let digits = Array(text.utf8)
        guard digits.count == 8 * count else {
            throw damage(path, "'\(Key.checksums)' has \(digits.count) digits, but \(count) tensors need \(8 * count)")
        }
        var checksums: [CRC32C] = []
        for start in stride(from: 0, to: digits.count, by: 8) {
            guard let checksum = CRC32C(hexadecimal: String(decoding: digits[start..<start + 8], as: UTF8.self)) else {
                throw damage(path, "'\(Key.checksums)' is no list of checksums at digit \(start)")
            }
            checksums.append(checksum)
        }
        return checksums
    }

    private static let damageHint = "the file is damaged, or another program has changed it; fetch or convert it again"

    private static func damage(_ path: String, _ message: String) -> FileError {
        FileError(path, at: "__metadata__", message, hint: damageHint)
    }
}
