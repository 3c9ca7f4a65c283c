package import ByteIO
package import JSONText
import SafetensorsFormat
import TensorCore

/// What a .qnf file says about itself in `__metadata__`, beside `format: pt` (formats/qnf.md has the rules).
package struct QNFMetadata: Sendable {
    /// CRC-32C of each tensor, in the order of the data.
    package let checksums: [CRC32C]
    /// Of the weights: all tensors but the companion files.
    package let fingerprint: Fingerprint
    /// Quantizer, type, block size, names of transposed weights.
    package let settings: JSONValue

    /// What chose the codes, where the settings say so.
    package var quantizer: String? { settings["quantizer"]?.string }

    /// Names of the weights that are [in, out] when dense but quantized as [out, in].
    let transposed: Set<ByteKey>
    /// What was done to arrive at this file, oldest first.
    package let lineage: JSONValue
    package let headerChecksum: CRC32C

    package static let version = 1

    enum Key {
        /// All of our keys begin with this.
        static let prefix = "qnf."
        static let format = "format"
        static let version = "qnf.version"
        static let headerChecksum = "qnf.header_crc32c"
        static let checksums = "qnf.crc32c"
        static let fingerprint = "qnf.fingerprint"
        static let settings = "qnf.settings"
        static let lineage = "qnf.lineage"
    }

    /// Tensors with this prefix are companion files: `qnf.file/config.json`.
    package static let filePrefix = "qnf.file/"
    /// Tensors with this prefix undo merges, the highest number the last: `qnf.undo/1`. Dense files may hold them, too.
    package static let undoPrefix = "qnf.undo/"

    /// Whether a tensor of this name is a part of the model's weights, and counts in its fingerprint.
    package static func isWeight(_ name: String) -> Bool { !name.hasPrefix(filePrefix) && !name.hasPrefix(undoPrefix) }

    /// Whether a safetensors file says that it is a .qnf: by any of our keys, so that damage to one is not taken for none.
    static func isPresent(in file: SafetensorsFile) -> Bool {
        file.header.metadata.contains { $0.key.hasPrefix(Key.prefix) }
    }

    /// Reads and checks the metadata, including the header's own checksum.
    init(of file: SafetensorsFile) throws(FileError) {
        let path = file.path
        func value(_ key: String) throws(FileError) -> String {
            guard let value = file.metadata(key) else { throw Self.damage(path, "'\(key)' is missing") }
            return value
        }
        let stated = try value(Key.version)
        guard stated == String(Self.version) else {
            throw FileError(
                path, at: "__metadata__", "'\(Key.version)' is '\(stated)', but this program reads version \(Self.version)",
                hint: "a newer version of the tools may have written it")
        }
        headerChecksum = try file.checkHeader(key: Key.headerChecksum, stated: try value(Key.headerChecksum), hint: Self.damageHint)
        let digits = Array(try value(Key.checksums).utf8)
        guard digits.count == 8 * file.tensors.count else {
            throw Self.damage(
                path, "'\(Key.checksums)' has \(digits.count) digits, but \(file.tensors.count) tensors need \(8 * file.tensors.count)")
        }
        var checksums: [CRC32C] = []
        for start in stride(from: 0, to: digits.count, by: 8) {
            guard let checksum = CRC32C(hexadecimal: String(decoding: digits[start..<start + 8], as: UTF8.self)) else {
                throw Self.damage(path, "'\(Key.checksums)' is no list of checksums at digit \(start)")
            }
            checksums.append(checksum)
        }
        self.checksums = checksums
        let statedFingerprint = try value(Key.fingerprint)
        guard let fingerprint = Fingerprint(statedFingerprint) else {
            throw Self.damage(
                path,
                "'\(Key.fingerprint)' is '\(JSONError.excerpt(statedFingerprint))', "
                    + "but 'sha256:' and 64 lower-case hexadecimal digits are expected")
        }
        let computed = Fingerprint(of: file.tensors, checksums: checksums, where: Self.isWeight)
        guard computed == fingerprint else {
            throw Self.damage(path, "'\(Key.fingerprint)' is \(fingerprint), but the checksums give \(computed)")
        }
        self.fingerprint = fingerprint
        settings = try Self.json(try value(Key.settings), key: Key.settings, path: path)
        guard let names = settings["transposed"]?.array?.map(\.string), !names.contains(nil) else {
            throw Self.damage(path, "'\(Key.settings)' has no list of names 'transposed'")
        }
        transposed = Set(names.compactMap { $0.map(ByteKey.init) })
        lineage = try Self.json(try value(Key.lineage), key: Key.lineage, path: path)
        guard lineage.array != nil else { throw Self.damage(path, "'\(Key.lineage)' is no list of steps") }
    }

    /// Members of `__metadata__`; every value has its final length even while the checksums are not known.
    static func members(
        checksums: [CRC32C], fingerprint: String, settings: JSONValue, lineage: JSONValue
    ) -> [(key: String, value: String)] {
        [
            (Key.format, "pt"), (Key.version, String(version)), (Key.headerChecksum, CRC32C().description),
            (Key.fingerprint, fingerprint), (Key.settings, settings.text(.compact)), (Key.lineage, lineage.text(.compact)),
            (Key.checksums, checksums.map(\.description).joined()),
        ]
    }

    private static let damageHint = "the file is damaged, or another program has changed it; fetch or convert it again"

    private static func damage(_ path: String, _ message: String) -> FileError {
        FileError(path, at: "__metadata__", message, hint: damageHint)
    }

    private static func json(_ text: String, key: String, path: String) throws(FileError) -> JSONValue {
        do { return try JSONValue(parsing: Array(text.utf8)) } catch {
            throw Self.damage(path, "'\(key)' is no JSON: \(error.description)")
        }
    }
}
