import ByteIO

/// Files written by the reference library, and what it reads from them.
enum ReferenceFile {
    private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Fixtures"

    static let typesPath = root + "/safetensors/types.safetensors"
    static let llamaPath = root + "/checkpoints/llama/dense-bf16/model.safetensors"

    static func types() throws -> [UInt8] { try InputFile(path: typesPath).allBytes(limit: 1 << 20) }

    /// Type, shape, checksum and name of every tensor, sorted by name.
    static func expected(_ name: String) throws -> [[String]] {
        let bytes = try InputFile(path: "\(root)/safetensors/\(name).tsv").allBytes(limit: 1 << 20)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
    }
}
