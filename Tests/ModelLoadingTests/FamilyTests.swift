import Architectures
import Checkpoints
import JSONText
import ModelLoading
import TensorCore
import TestSupport
import Testing
import Transformer

/// Families by configuration alone: models of `Tests/Fixtures/families` beside what transformers computes of them.
@Suite struct FamilyTests {
    /// Float32 throughout agrees to this share of the largest value; 1e-4 is what is promised.
    private static let tolerance: Float = 2e-5

    static let names = [
        "llama-yarn", "llama-yarn-scales", "llama-dynamic", "phi3", "phi3-short", "phi", "phi-norms", "smollm3", "smollm3-windows",
        "granite", "granite4", "ministral", "ministral3", "olmo", "olmo2", "olmo3", "exaone4", "exaone4-full", "glm", "glm4", "cohere",
        "cohere-biased", "cohere2", "stablelm", "stablelm-parallel", "stablelm-norms", "starcoder2", "seed_oss", "seed_oss-biased", "arcee",
        "nemotron",
        "gpt_neox", "gpt_neox-sequential", "gptj", "opt", "opt-sums", "bloom", "bloom-normed", "falcon", "falcon-sequential",
        "falcon-groups",
        "falcon-groups-one-norm",
    ]

    @Test(arguments: names)
    func logitsAreThoseOfTransformers(name: String) throws {
        let reference = try Reference(file: Fixture.family("\(name)/reference.safetensors"))
        let model = try LoadedModel.open(Fixture.family(name))
        #expect(model.warnings.isEmpty, "every member of config.json is understood, and every tensor used: \(model.warnings)")
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < Self.tolerance)
    }

    @Test(arguments: names)
    func configurationsOfTransformers4AreTheSameModel(name: String) throws {
        let older = try JSONValue(parsing: Fixture.bytes(Fixture.family("\(name)/config-4.json")))
        let newer = try JSONValue(parsing: Fixture.bytes(Fixture.family("\(name)/config.json")))
        #expect(try ModelDescription(config: older) == ModelDescription(config: newer))
    }

    /// Token by token, in pieces, and at once: where the length decides about the angles, the last token's logits are those of one
    /// pass all the same.
    @Test(arguments: names)
    func theCacheChangesNothing(name: String) throws {
        let model = try LoadedModel.open(Fixture.family(name)),
            ids = try Reference(file: Fixture.family("\(name)/reference.safetensors")).ids
        for count in [11, 20] {
            let expected = try model.exactSession().append(Array(ids[..<count]))
            for piece in [1, 7] {
                let session = model.exactSession()
                var logits: [Float] = []
                for start in stride(from: 0, to: count, by: piece) {
                    logits = try session.append(Array(ids[start..<min(count, start + piece)]))
                }
                #expect(relativeDifference(logits, expected) < Self.tolerance, "\(count) tokens, \(piece) at a time")
            }
        }
    }

    @Test(arguments: ["llama-dynamic", "phi3"])
    func shorterTextsAreReadAgainToo(name: String) throws {
        let model = try LoadedModel.open(Fixture.family(name)),
            ids = try Reference(file: Fixture.family("\(name)/reference.safetensors")).ids
        let session = model.exactSession()
        _ = try session.append(ids)
        session.truncate(to: 5)
        let expected = try model.exactSession().append(Array(ids[..<8]))
        #expect(relativeDifference(try session.append(Array(ids[5..<8])), expected) < Self.tolerance && session.count == 8)
    }

    /// Layers that slide keep their window and one pass, here of five positions: every sum is the same.
    @Test(arguments: ["olmo3", "cohere2", "ministral", "starcoder2", "phi3"])
    func slidingLayersKeepTheirWindowAlone(name: String) throws {
        let model = try LoadedModel.open(Fixture.family(name)),
            ids = try Reference(file: Fixture.family("\(name)/reference.safetensors")).ids
        let engine = model.exactSession().engine
        func session(_ passLength: Int?) -> InferenceSession {
            InferenceSession(model.configuration, model.weights, engine: engine, contextLength: 32, passLength: passLength)
        }
        let expected = try session(nil).allLogits(ids)
        let short = session(5)
        #expect(try short.allLogits(ids).map(\.bitPattern) == expected.map(\.bitPattern))
        // What the window has lost is read again.
        for count in [18, 4, 0] {
            short.truncate(to: count)
            #expect(short.count == count)
            let last = try short.append(Array(ids[count..<20]))
            #expect(relativeDifference(last, Array(expected.suffix(last.count))) < Self.tolerance)
        }
        let window = try #require(model.configuration.layers.compactMap(\.attention.window).first)
        let held = KeyValueCache.heldCount(model.configuration.layers[1].attention, capacity: 32, passLength: 5)
        #expect(held == (model.configuration.layers[1].attention.window == nil ? 32 : window + 9))
    }

    @Test(arguments: ["phi3", "glm4", "gpt_neox", "bloom", "opt", "opt-sums", "cohere", "gptj", "granite4"])
    func fourBitTwinsHaveTheirLogits(name: String) throws {
        let reference = try Reference(file: Fixture.family("\(name)/nf4/reference.safetensors"))
        let logits = try LoadedModel.open(Fixture.family(name + "/nf4")).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) < Self.tolerance)
    }

    @Test(arguments: ["bloom", "falcon-groups", "cohere", "phi3", "olmo"])
    func threadsChangeNothing(name: String) throws {
        let model = try LoadedModel.open(Fixture.family(name)),
            ids = try Reference(file: Fixture.family("\(name)/reference.safetensors")).ids
        let expected = try model.exactSession(threadCount: 1).allLogits(ids).map(\.bitPattern)
        #expect(try model.exactSession(threadCount: 3).allLogits(ids).map(\.bitPattern) == expected)
    }

    /// Without one of these members it would be another model.
    @Test(arguments: [
        ("granite", "embedding_multiplier"), ("granite", "logits_scaling"), ("granite", "residual_multiplier"),
        ("granite", "attention_multiplier"), ("olmo", "clip_qkv"), ("cohere", "logit_scale"), ("phi3", "sliding_window"),
        ("starcoder2", "sliding_window"), ("bloom-normed", "apply_residual_connection_post_layernorm"),
        ("gpt_neox-sequential", "use_parallel_residual"), ("smollm3-windows", "no_rope_layers"), ("llama-yarn", "rope_parameters"),
        ("ministral3", "rope_parameters"), ("falcon-sequential", "alibi"),
    ])
    func everyMemberCounts(name: String, member: String) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.family("\(name)/model.safetensors"))
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.family("\(name)/config.json"))).object)
        config[member] = member == "logit_scale" ? .double(1) : member == "use_parallel_residual" ? .bool(true) : .null
        try folder.write(JSONValue.object(config).text(.compact), to: "config.json")
        let reference = try Reference(file: Fixture.family("\(name)/reference.safetensors"))
        let logits = try LoadedModel.open(folder.path).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) > 1e-4)
    }
}
