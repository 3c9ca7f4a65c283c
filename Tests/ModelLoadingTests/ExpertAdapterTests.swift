import Adapters
import Architectures
import ByteIO
import Checkpoints
import JSONText
import ModelLoading
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Merging
@testable import Streaming

/// Adapters of experts as PEFT makes them of parameters that hold all of a layer (`target_parameters`).
@Suite struct ExpertAdapterTests {
    private static func logits(_ base: String, _ adapter: String?, _ ids: [Int32], oneByOne: Bool = false) throws -> [Float] {
        let model = try LoadedModel.open(base), session = model.exactSession()
        if let adapter { session.weights = try model.weights(with: [(try Adapter.open(adapter), 1)], engine: session.engine) }
        return oneByOne ? try ids.flatMap { try session.append([$0]) } : try session.allLogits(ids)
    }

    private static func merge(_ base: String, _ adapter: String, to path: String) throws {
        let plan = try MergePlan(
            base: try Checkpoint.open(base), adapters: [WeightedAdapter(try Adapter.open(adapter))], form: .sameFiles)
        _ = try Merge(plan, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: [])
            .run(path: path, isFolder: true, replaces: false)
    }

    /// Those that lie in one tensor, too, with gates before ups, in turn, and as [in, out].
    @Test(arguments: ["mixtral", "qwen3_moe", "granitemoe", "gpt_oss", "llama4"])
    func besideTheBaseTheyArePEFTs(_ name: String) throws {
        let adapter = Fixture.path("experts/\(name)"), reference = try Reference(file: adapter + "/logits.safetensors")
        let found = try Self.logits(Fixture.mixture(name), adapter, reference.ids)
        #expect(relativeDifference(found, reference.logits) < 2e-5)
        let oneByOne = try Self.logits(Fixture.mixture(name), adapter, reference.ids, oneByOne: true)
        #expect(relativeDifference(oneByOne, reference.logits) < 2e-5)
        #expect(relativeDifference(try Self.logits(Fixture.mixture(name), nil, reference.ids), reference.logits) > 1e-2)
    }

    /// Every changed tensor has the bytes of PEFT's own merge, and no other is changed.
    @Test(arguments: ["mixtral", "qwen3_moe", "granitemoe", "gpt_oss", "llama4"])
    func mergedTheyHaveTheBytesOfPEFT(_ name: String) throws {
        let folder = try TemporaryFolder(), path = folder.path("merged"), adapter = Fixture.path("experts/\(name)")
        try Self.merge(Fixture.mixture(name), adapter, to: path)
        let before = try storedTensors(at: Fixture.mixture(name + "/model.safetensors"))
        let after = try storedTensors(at: path + "/model.safetensors")
        let changed = after.values.filter { $0.bytes != before[$0.name]?.bytes }
        let found = changed.map { "\(CRC32C(of: $0.bytes))\t\($0.name)" }.sorted()
        let expected = try Fixture.table("experts/\(name)/merged.tsv").map { $0.joined(separator: "\t") }.sorted()
        #expect(found == expected)
    }

    /// Adapters of attention alone merge into any mixture, and lead back.
    @Test(arguments: ["granitemoe", "gpt_oss", "llama4", "olmoe", "qwen2_moe"])
    func attentionOfMixturesIsMerged(_ name: String) throws {
        let folder = try TemporaryFolder(), base = Fixture.mixture(name), ids = (0..<20).map { Int32($0 * 7 % 90) }
        var random = SeededGenerator(seed: 8), factors: [StoredTensor] = []
        for module in ["q_proj", "v_proj", "o_proj"] {
            let weight = try #require(try storedTensors(at: base + "/model.safetensors")["model.layers.1.self_attn.\(module).weight"])
            let name = "base_model.model.model.layers.1.self_attn.\(module)"
            let (outputs, inputs) = (weight.dimensions[0], weight.dimensions[1])
            factors.append(StoredTensor("\(name).lora_A.weight", [2, inputs], random.normals(count: 2 * inputs, scale: 0.3)))
            factors.append(StoredTensor("\(name).lora_B.weight", [outputs, 2], random.normals(count: 2 * outputs, scale: 0.3)))
        }
        try folder.makeFolder("adapter")
        try folder.write(#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4}"#, to: "adapter/adapter_config.json")
        try folder.write(factors.safetensors(), to: "adapter/adapter_model.safetensors")
        try Self.merge(base, folder.path("adapter"), to: folder.path("merged"))
        let beside = try Self.logits(base, folder.path("adapter"), ids)
        #expect(relativeDifference(try Self.logits(folder.path("merged"), nil, ids), beside) < 2e-5)
        #expect(relativeDifference(try Self.logits(base, nil, ids), beside) > 1e-3)
        try Unmerge(Checkpoint.open(folder.path("merged")), all: false)
            .run(path: folder.path("again"), replaces: false, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19))
        #expect(try Fixture.bytes(folder.path("again/model.safetensors")) == Fixture.bytes(base + "/model.safetensors"))
    }

    // MARK: - What does not fit

    private static func refusal(_ change: (inout JSONObject) -> Void) throws -> String {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("experts/mixtral/adapter_model.safetensors"))
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.path("experts/mixtral/adapter_config.json"))).object)
        change(&config)
        try folder.write(JSONValue.object(config).text(.compact), to: "adapter_config.json")
        let model = try LoadedModel.open(Fixture.mixture("mixtral"))
        let error = try #require(throws: FileError.self) {
            try model.weights(with: [(try Adapter.open(folder.path), 1)], engine: model.exactSession().engine)
        }
        return error.message
    }

    @Test func saysWhichFactorsDoNotFit() throws {
        let names = try Self.refusal { $0["target_parameters"] = .array([.string("experts.down_proj")]) }
        #expect(
            names
                == "has factors of 2 parameters of 'model.layers.0.mlp.experts', but 'target_parameters' names 1 of those that can be "
                + "adapted, gate_up_proj and down_proj")
        let rank = try Self.refusal { $0["rank_pattern"] = .object([:]) }
        #expect(
            rank
                == "has factors [12, 32] and [48, 12] of 'model.layers.0.mlp.experts.gate_up_proj', but for 4 experts with rank 2 in "
                + "\(Fixture.mixture("mixtral")) they are [8, 32] and [48, 8]")
        let plain = try Self.refusal { $0["target_parameters"] = .null }
        #expect(plain.contains("has rank 8, but the configuration says 2"), "\(plain)")
    }

    @Test func aModelWithoutExpertsHasNoPlaceForThem() throws {
        let model = try LoadedModel.open(Fixture.transformer("llama3"))
        let error = try #require(throws: FileError.self) {
            try model.weights(with: [(try Adapter.open(Fixture.path("experts/mixtral")), 1)], engine: model.exactSession().engine)
        }
        #expect(error.message.contains("adapts 'model.layers.0.mlp.experts', but") && error.message.contains("has no experts there"))
    }
}
