import TestSupport

/// Files written by the reference library, and what it reads from them.
enum ReferenceFile {
    static let typesPath = Fixture.path("safetensors/types.safetensors")
    static let llamaPath = Fixture.checkpoint("llama/dense-bf16/model.safetensors")

    /// Type, shape, checksum and name of every tensor, sorted by name.
    static func expected(_ name: String) throws -> [[String]] { try Fixture.table("safetensors/\(name).tsv") }
}
