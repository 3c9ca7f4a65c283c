import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// What PEFT 0.21.2 makes of the same adapters and bases (Tests/Fixtures/merge).
struct ReferenceMergeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let adapter: String
        let base: String
        /// Type, shape and checksum by name.
        var tensors: [String: [String]] = [:]

        var testDescription: String { "\(adapter) on \(base)" }
    }

    static let cases: [Case] = {
        var cases: [Case] = []
        for line in (try? Fixture.table("merge/merged.tsv")) ?? [] {
            if cases.last?.adapter != line[0] || cases.last?.base != line[1] { cases.append(Case(adapter: line[0], base: line[1])) }
            cases[cases.count - 1].tensors[line[5]] = Array(line[2...4])
        }
        return cases
    }()

    private static func fields(_ tensor: StoredTensor) -> [String] {
        [tensor.scalarType.rawValue, tensor.dimensions.description, CRC32C(of: tensor.bytes).description]
    }

    @Test func everyCaseIsThere() { #expect(Self.cases.count == 20) }

    @Test(arguments: cases.filter { !$0.base.contains("nf4") })
    func denseMergesAreThoseOfPEFT(_ reference: Case) throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint(reference.base)
        try merge(base, Fixture.adapter(reference.adapter), to: folder.path("merged"))
        let before = try storedWeights(base), after = try storedWeights(folder.path("merged"))
        for (name, fields) in reference.tensors {
            let tensor = try #require(after[name])
            #expect(Self.fields(tensor) == fields, "\(name)")
        }
        // Everything else is what it was, but for embeddings that the table leaves out; a head that was tied to a changed embedding has become one of its own.
        let isLeftOut = { (name: String) in
            reference.base.hasSuffix("bf16") && reference.adapter.contains("embedding")
                && (name.hasSuffix("wte.weight") || name.contains("embed_tokens"))
        }
        for (name, tensor) in after where reference.tensors[name] == nil && !isLeftOut(name) {
            let original = name == "lm_head.weight" ? before[name] ?? before["transformer.wte.weight"] : before[name]
            #expect(tensor.bytes == original?.bytes, "\(name)")
        }
    }

    @Test(arguments: ["gpt2", "llama"])
    func fourBitMergesAreThoseOfPEFT(_ family: String) throws {
        let reference = try #require(Self.cases.first { $0.base == "\(family)/nf4-f32" })
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint(reference.base), to: folder.path("base.qnf"))
        try merge(folder.path("base.qnf"), Fixture.adapter(reference.adapter), to: folder.path("merged.qnf"))
        let after = try weights(at: folder.path("merged.qnf"))
        for (name, fields) in reference.tensors {
            let tensor = try #require(after[name])
            #expect(Self.fields(tensor) == fields, "\(name)")
        }
    }

    @Test(arguments: ["gpt2-dora", "llama-dora"])
    func doraMergesAgreeWithPEFT(_ adapter: String) throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint(adapter.hasPrefix("gpt2") ? "gpt2/dense-f32" : "llama/dense-f32")
        try merge(base, Fixture.adapter(adapter), to: folder.path("merged"))
        let after = try storedWeights(folder.path("merged"))
        for (name, expected) in try storedTensors(at: Fixture.checkpoint("../merge/\(adapter).safetensors")) {
            let found = try #require(after[name]).floats
            let largest = expected.floats.map(\.magnitude).max() ?? 0
            #expect(zip(found, expected.floats).allSatisfy { abs($0 - $1) <= 1e-6 * largest }, "\(name)")
        }
    }
}
