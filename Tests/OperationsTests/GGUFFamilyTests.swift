import Architectures
import ByteIO
import Checkpoints
import GGUFFormat
import JSONText
import Streaming
import TensorCore
import TestSupport
import Testing

@testable import Conversion

/// Models of all families become GGUF files and come back: every tensor byte for byte, under its name, and a configuration that means
/// the same.
@Suite struct GGUFFamilyTests {
    /// A tiny model, some of whose settings a GGUF file of its family has no place for.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        /// Members of config.json that differ.
        var changes = JSONObject()
        /// Tensors that go with them, by what their names hold.
        var leavesOut: [String] = []

        init(_ name: String, _ changes: JSONObject = JSONObject(), without leavesOut: [String] = []) {
            self.name = name
            self.changes = changes
            self.leavesOut = leavesOut
        }

        var testDescription: String { name }
        var path: String {
            let family = Fixture.family(name)
            return (try? InputFile(path: family + "/config.json")) != nil ? family : Fixture.mixture(name)
        }

        /// Writes the model into a folder.
        func write(to folder: TemporaryFolder) throws -> JSONObject {
            var config = try #require(try JSONValue(parsing: Fixture.bytes(path + "/config.json")).object)
            for member in changes.members { config[member.key] = member.value }
            let tensors = try storedTensors(at: path + "/model.safetensors").values.filter { tensor in
                !leavesOut.contains { tensor.name.contains($0) }
            }
            try folder.makeFolder("model")
            try folder.write(tensors.safetensors(), to: "model/model.safetensors")
            try folder.write(JSONValue.object(config).text(.compact), to: "model/config.json")
            return config
        }
    }

    static let noBias = JSONObject(["attention_bias": .bool(false)])
    static let noWindow = JSONObject(["sliding_window": .null])
    static let allTurn = JSONObject(["no_rope_layers": .null, "no_rope_layer_interval": .integer(4)])
    /// The fixture has another magnitude than that of its factor.
    static let usualYarn = yarn(slidingBase: 500_000)
    static func yarn(slidingBase: Double) -> JSONObject {
        JSONObject([
            "rope_parameters": .object([
                "full_attention": .object([
                    "rope_type": .string("yarn"), "rope_theta": .double(500_000), "factor": .double(4),
                    "original_max_position_embeddings": .integer(16),
                ]), "sliding_attention": .object(["rope_type": .string("default"), "rope_theta": .double(slidingBase)]),
            ])
        ])
    }
    static let usualGates = JSONObject(["swiglu_limit": .double(7)])
    static let usualChunks = JSONObject([
        "attention_chunk_size": .integer(8192), "attn_scale": .double(0.1), "floor_scale": .integer(8192),
    ])
    static let cases: [Case] = [
        Case("arcee", JSONObject(["mlp_bias": .bool(false)]), without: ["mlp.up_proj.bias", "mlp.down_proj.bias"]),
        Case("bloom"),
        Case("cohere-biased", noBias, without: ["self_attn.q_proj.bias", "_proj.bias"]),
        Case("cohere2"),
        Case("exaone4-full"),
        Case("falcon"), Case("falcon-groups"),
        Case(
            "falcon-groups-one-norm", JSONObject(["bias": .bool(false)]),
            without: ["query_key_value.bias", "dense.bias", "4h.bias", "_h.bias"]),
        Case("glm4"),
        Case("gpt_neox"),
        Case("granite"),
        Case("llama-yarn"),
        Case("ministral3", noWindow),
        Case("nemotron"),
        Case("olmo"),
        Case("olmo2", noBias, without: ["_proj.bias"]),
        Case("olmo3", usualYarn),
        Case("phi"),
        Case("phi3"), Case("phi3-short"),
        Case("seed_oss"),
        Case("smollm3", allTurn),
        Case("stablelm"), Case("stablelm-norms"), Case("stablelm-parallel"),
        Case("starcoder2", noWindow),
        Case("granitemoe"),
        Case("gpt_oss", usualGates), Case("gpt_oss-mxfp4", usualGates),
        Case("llama4", usualChunks),
    ]

    static func export(_ folder: TemporaryFolder, _ config: JSONObject) throws -> (Checkpoint, ModelDescription, Checkpoint) {
        let source = try Checkpoint.open(folder.path("model")), description = try source.describedModel()
        let mixture = try #require(GGUFMixture(named: "F32"))
        let keys = try GGUFModelKeys(description, config: config, name: "x", fileType: mixture.fileType, path: "model")
        let plan = try GGUFExportPlan(source, description, mixture, factors: keys.factors)
        _ = try GGUFExport(plan, metadata: keys.entries, resources: Resources(threadCount: 2))
            .run(path: folder.path("model.gguf"), byteCountLimit: nil, replaces: false)
        return (source, description, try Checkpoint.open(folder.path("model.gguf")))
    }

    @Test(arguments: cases) func modelsComeBack(_ model: Case) throws {
        let folder = try TemporaryFolder()
        let (source, description, read) = try Self.export(folder, model.write(to: folder))
        #expect(read.warnings == ["the file has no tokenizer"])
        let back = try read.describedModel()
        #expect(back.modelType == description.modelType && back.layers.count == description.layers.count)
        for (own, other) in zip(description.layers, back.layers) {
            #expect(own.norm == other.norm && own.feedForward == other.feedForward && own.wiring == other.wiring)
            #expect(own.attention.window == other.attention.window && own.attention.scale == other.attention.scale)
        }
        #expect(Set(read.tensors.map(\.name)) == Set(source.tensors.map(\.name)))
        for tensor in source.tensors {
            let other = try #require(read.tensors.first { $0.name == tensor.name })
            #expect(other.shape == tensor.shape && other.orientation == tensor.orientation, "\(tensor.name)")
            let values = try read.reader(of: other, order: .outputsByInputs).allElements()
            let expected = try source.reader(of: tensor, order: .outputsByInputs).allElements()
            let addsOne = description.finalNorm.addsOne && tensor.name.hasSuffix("norm.weight")
            let isSame = zip(values, expected).allSatisfy { value, expected in
                // Zeros of MXFP4 have no sign there.
                addsOne ? abs(value - expected) < 3e-7 : value.bitPattern == expected.bitPattern || value == 0 && expected == 0
            }
            #expect(isSame && values.count == expected.count, "\(tensor.name)")
        }
    }

    // MARK: - Refusals

    static let hint = "\nhint: a .qnf or a Hugging Face folder keeps it"
    static let refusals: [(Case, String)] = [
        (
            Case("arcee"), "has the tensor 'model.layers.0.mlp.up_proj.bias', but a GGUF file of 'arcee' has no bias of 'ffn_up'"
        ),
        (
            Case("bloom-normed"),
            "how branches are tied to the residual stream: is normedStream in layer 0, but read from a GGUF file of 'bloom' it would be "
                + "sequential"
        ),
        (
            Case("cohere"),
            "has 2 layers with norms of heads, but programs that run GGUF files of 'command-r' look for them from 64 layers on, and nowhere "
                + "else"
        ),
        (
            Case("exaone4"),
            "has 3 layers, some of which slide, but programs that run GGUF files of 'exaone4' let layers slide where there are 64"
        ),
        (
            Case("falcon-sequential"),
            "has the tensor 'transformer.h.0.self_attention.query_key_value.bias', but a GGUF file of 'falcon' has no bias of 'attn_qkv'"
        ),
        (
            Case("glm"),
            "'head_dim': is 12, which for 4 heads is 48, but programs that run GGUF files of 'chatglm' take the width of the model, 32"
        ),
        (
            Case("gpt_neox-sequential"),
            "has no bias beside 'gpt_neox.layers.0.attention.query_key_value.weight', but programs that run GGUF files of 'gptneox' expect one"
        ),
        (
            Case("ministral3"),
            "the window ('sliding_window', 'layer_types'): is 9 in layer 0, but read from a GGUF file of 'mistral3' it would be none"
        ),
        (
            Case("olmo2"),
            "has the tensor 'model.layers.0.self_attn.o_proj.bias', but a GGUF file of 'olmo2' has no bias of 'attn_output'"
        ),
        (
            Case(
                "olmo2", JSONObject(["attention_bias": .bool(false), "tie_word_embeddings": .bool(true)]),
                without: ["_proj.bias", "lm_head"]),
            "has no head of its own, but programs that run GGUF files of 'olmo2' do not take the embedding for it"
        ),
        (
            Case("olmo3"),
            "'rope_theta' and 'rope_scaling': are 500000.0 scaled by 4.0 beyond 16.0 (YaRN), cosines and sines times 1.2 in layer 3, but read "
                + "from a GGUF file of 'olmo2' they would be 500000.0 scaled by 4.0 beyond 16.0 (YaRN), cosines and sines times 1.1386294"
        ),
        (
            Case("olmo3", yarn(slidingBase: 10_000)),
            "has layers that slide with a rotation of base 10000.0, but programs that run GGUF files of 'olmo2' take that of the others, 500000.0"
        ),
        (
            Case("phi-norms"),
            "the norm of heads: is layer norm with epsilon 1e-05, head in layer 0, but read from a GGUF file of 'phi2' it would be none"
        ),
        (
            Case("smollm3"),
            "'rope_theta' and 'rope_scaling': are none in layer 1, but read from a GGUF file of 'smollm3' they would be 2000000.0 unscaled"
        ),
        (
            Case("starcoder2"),
            "the window ('sliding_window', 'layer_types'): is 9 in layer 0, but read from a GGUF file of 'starcoder2' it would be none"
        ),
        (
            Case("gpt_oss"),
            "the bounds of gates ('swiglu_limit', 'swiglu_alpha'): is 0.8 and 1.702 in layer 0, but read from a GGUF file of 'gpt-oss' it "
                + "would be 7.0 and 1.702"
        ),
        (
            Case("llama4"),
            "the chunks ('attention_chunk_size'): is 6 in layer 0, but read from a GGUF file of 'llama4' it would be 8192"
        ),
        (
            Case("llama-yarn-scales"),
            "'beta_fast' and 'beta_slow': are"
        ),
    ]

    @Test(arguments: refusals) func refusesWhatAFileCannotSay(_ model: Case, _ message: String) throws {
        let folder = try TemporaryFolder(), config = try model.write(to: folder)
        let description = try Checkpoint.open(folder.path("model")).describedModel()
        let error = #expect(throws: FileError.self) {
            try GGUFModelKeys(description, config: config, name: "x", fileType: 0, path: "model")
        }
        let report = try #require(error?.report)
        #expect(message.hasSuffix("are") ? report.contains(message) : report == "model: \(message)\(Self.hint)", "\(report)")
    }
}
