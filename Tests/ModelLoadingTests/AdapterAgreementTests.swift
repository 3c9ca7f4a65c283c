import Adapters
import ByteIO
import Checkpoints
import ModelLoading
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Conversion
@testable import Merging
@testable import Streaming

/// Whatever an adapter is, merging it and running it beside the base are the same model, that of PEFT.
@Suite struct AdapterAgreementTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let adapter: String
        let base: String
        let expected: String

        var testDescription: String { name }
    }

    private static let tolerance: Float = 2e-5

    /// Adapters of embeddings, heads and tied weights, and all others of the fixtures.
    static let cases: [Case] = {
        let bound = Fixture.bound("")
        let names = ((try? FilePath.entries(of: bound)) ?? []).filter { $0 != "tied" && $0 != "untied" }
        let others = ((try? FilePath.entries(of: Fixture.adapter(""))) ?? []).filter { FilePath.kind(of: Fixture.adapter($0)) == .folder }
        return names.map { name in
            Case(
                name: name, adapter: Fixture.bound(name), base: Fixture.bound(name.hasSuffix("-tied") ? "tied" : "untied"),
                expected: Fixture.bound("\(name)/expected.safetensors"))
        }
            + others.map { name in
                Case(
                    name: name, adapter: Fixture.adapter(name), base: Fixture.checkpoint("\(name.prefix { $0 != "-" })/dense-f32"),
                    expected: Fixture.transformer("adapted/\(name).safetensors"))
            }
            // One pair of factors for a matrix that holds several projections.
            + ["phi3", "bloom", "falcon-groups"].map { name in
                Case(
                    name: name, adapter: Fixture.family("\(name)/adapter"), base: Fixture.family(name),
                    expected: Fixture.family("\(name)/adapter-reference.safetensors"))
            }
            // Experts, which transformers has in one parameter and files one by one.
            + ["mixtral", "qwen3_moe"].map { name in
                Case(
                    name: name, adapter: Fixture.path("experts/\(name)"), base: Fixture.mixture(name),
                    expected: Fixture.path("experts/\(name)/logits.safetensors"))
            }
    }()

    /// PEFT refuses to merge biases of factors into layers that have none. We do so only where the family has no place for one.
    private static let unmergeable = ["bias-head-untied"]

    @Test func everyAdapterIsThere() { #expect(Self.cases.count == 26 + 11 + 3 + 2) }

    @Test(arguments: cases) func besideTheBaseItIsPEFTs(_ adapted: Case) throws {
        let reference = try Reference(file: adapted.expected)
        let found = try Self.logits(adapted.base, adapted.adapter, reference.ids)
        #expect(relativeDifference(found, reference.logits) < Self.tolerance)
    }

    @Test(arguments: cases.filter { !unmergeable.contains($0.name) }) func mergedItIsTheSameModel(_ adapted: Case) throws {
        let folder = try TemporaryFolder()
        let reference = try Reference(file: adapted.expected)
        try Self.merge(adapted.base, adapted.adapter, to: folder.path("merged"), form: .sameFiles)
        #expect(relativeDifference(try Self.logits(folder.path("merged"), nil, reference.ids), reference.logits) < Self.tolerance)
        try Self.unmerge(folder.path("merged"), to: folder.path("base"))
        for name in try FilePath.entries(of: folder.path("base")) {
            #expect(try Self.bytes(folder.path("base/\(name)")) == Self.bytes(FilePath.join(adapted.base, name)), "\(name)")
        }
        #expect(try Self.names(folder.path("base")) == Self.names(adapted.base))
    }

    /// On a 4-bit base: a dense merge is what runs beside it; one in 4 bits runs, and leads back.
    @Test(arguments: cases.filter { !unmergeable.contains($0.name) }) func fourBitBasesTakeTheSame(_ adapted: Case) throws {
        let folder = try TemporaryFolder()
        let ids = try Reference(file: adapted.expected).ids
        let base = folder.path("base.qnf")
        let plan = try ConversionPlan(
            try Checkpoint.open(adapted.base), settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "0.1.0", options: [])
        _ = try Conversion(plan, resources: Self.resources, allowsNonfinite: false).run(path: base, replaces: false)
        let beside = try Self.logits(base, adapted.adapter, ids)
        try Self.merge(base, adapted.adapter, to: folder.path("dense"), form: .export(.f32))
        #expect(relativeDifference(try Self.logits(folder.path("dense"), nil, ids), beside) < Self.tolerance)
        try Self.merge(base, adapted.adapter, to: folder.path("merged.qnf"), form: .qnf)
        #expect(try Self.logits(folder.path("merged.qnf"), nil, ids).count == beside.count)
        try Self.unmerge(folder.path("merged.qnf"), to: folder.path("again.qnf"))
        #expect(try Self.bytes(folder.path("again.qnf")) == Self.bytes(base))
    }

    /// The whole weight of a layer that lies as [in, out] in the adapter, and as [out, in] in 4 bits.
    @Test func replacesAConv1DWeightOfAFourBitBase() throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint("gpt2/nf4-f32"), name = "transformer.h.0.mlp.c_fc.weight"
        let tensor = try #require(try Checkpoint.open(base).tensors.first { $0.name == name })
        var random = SeededGenerator(seed: 5)
        let values = random.normals(count: tensor.elementCount, scale: 0.3)
        try folder.write(
            [StoredTensor("base_model.model.\(name)", tensor.shape.dimensions, values)].safetensors(), to: "adapter_model.safetensors")
        try folder.write(#"{"peft_type": "LORA", "modules_to_save": ["h.0.mlp.c_fc"]}"#, to: "adapter_config.json")
        let ids: [Int32] = [1, 2, 3, 4]
        let beside = try Self.logits(base, folder.path, ids)
        #expect(relativeDifference(try Self.logits(base, nil, ids), beside) > 0.01)
        try Self.merge(base, folder.path, to: folder.path("dense"), form: .export(.f32))
        #expect(relativeDifference(try Self.logits(folder.path("dense"), nil, ids), beside) < Self.tolerance)
        let plan = try ConversionPlan(
            try Checkpoint.open(base), settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "0.1.0", options: [])
        _ = try Conversion(plan, resources: Self.resources, allowsNonfinite: false).run(path: folder.path("base.qnf"), replaces: false)
        try Self.merge(folder.path("base.qnf"), folder.path, to: folder.path("merged.qnf"), form: .qnf)
        // What four bits keep of it; a weight that was not turned would have nothing to do with it.
        #expect(relativeDifference(try Self.logits(folder.path("merged.qnf"), nil, ids), beside) < 0.2)
    }

    @Test func aMergeSaysWhereABiasHasNoPlace() throws {
        let adapter = Fixture.bound("bias-head-untied"), base = Fixture.bound("untied")
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) { try Self.merge(base, adapter, to: folder.path("m"), form: .sameFiles) }
        #expect(
            error
                == FileError(
                    adapter,
                    "has 'lora_bias', which adds a bias to 'lm_head', but the layer has none in \(base), and a llama has no place for one "
                        + "there", hint: "use it beside the base, which `AdapterApplication` does"))
    }

    /// Two at once: what cannot be merged cannot be run either, with the same words.
    @Test(arguments: [
        (["llama-modules-to-save", "llama-modules-to-save"], [1.0, 1], "(replaced): the two cannot be added up"),
        (["llama-dora", "llama-plain"], [1, 1], "(DoRA, rank 4): the two cannot be added up"),
        (["llama-modules-to-save", "llama-plain"], [0.5, 1], "which it replaces as a whole, cannot be weighted by 0.5"),
        (["llama-dora"], [2], "a DoRA adapter of 'model.layers.0.mlp.down_proj' cannot be weighted by 2.0"),
    ])
    func bothRefuseTheSame(_ names: [String], _ weights: [Double], _ message: String) throws {
        let base = try Checkpoint.open(Fixture.checkpoint("llama/dense-f32"))
        let adapters = try zip(names, weights).map { WeightedAdapter(try Adapter.open(Fixture.adapter($0)), weight: $1) }
        let merging = #expect(throws: FileError.self) { try MergePlan(base: base, adapters: adapters, form: .sameFiles) }
        let model = try LoadedModel(base)
        let running = #expect(throws: FileError.self) {
            try model.weights(with: adapters.map { ($0.adapter, Float($0.weight)) }, engine: model.exactSession().engine)
        }
        #expect(merging == running)
        #expect(merging?.message.hasSuffix(message) == true, "\(merging?.message ?? "")")
    }

    // MARK: - Tools

    /// A pool of its own for each use: tests run at the same time.
    private static var resources: Resources { Resources(threadCount: 2, chunkElementCount: 1 << 19) }

    private static func logits(_ base: String, _ adapter: String?, _ ids: [Int32]) throws -> [Float] {
        let model = try LoadedModel.open(base)
        let session = model.exactSession()
        if let adapter { session.weights = try model.weights(with: [(try Adapter.open(adapter), 1)], engine: session.engine) }
        return try session.allLogits(ids)
    }

    private static func merge(_ base: String, _ adapter: String, to path: String, form: MergePlan.Form) throws {
        let plan = try MergePlan(
            base: try Checkpoint.open(base), adapters: [WeightedAdapter(try Adapter.open(adapter))], form: form)
        _ = try Merge(plan, resources: resources, toolVersion: "0.1.0", options: [])
            .run(path: path, isFolder: form != .qnf, replaces: false)
    }

    private static func unmerge(_ path: String, to output: String) throws {
        try Unmerge(Checkpoint.open(path), all: false).run(path: output, replaces: false, resources: resources)
    }

    private static func bytes(_ path: String) throws -> [UInt8] { try InputFile(path: path).allBytes(limit: 1 << 26) }

    private static func names(_ folder: String) throws -> [String] {
        // What lies beside a model in the fixtures of families is no part of it.
        let others = ["adapter", "adapter-reference.safetensors", "config-4.json", "nf4", "reference.safetensors"]
        return try FilePath.entries(of: folder).filter { !others.contains($0) }.sorted()
    }
}
