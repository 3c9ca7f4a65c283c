import Architectures
import ByteIO
import Checkpoints
import Conversion
import JSONText
import ModelLoading
import Parallelism
import Quantization
import Streaming
import TensorCore
import TestSupport
import Testing
import Transformer

/// Models with experts, against transformers and against themselves.
@Suite struct MixtureTests {
    private static let tolerance: Float = 2e-5
    private static let families = ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "granitemoehybrid", "gpt_oss", "llama4"]

    private static func reference(_ name: String) throws -> Reference {
        try Reference(file: Fixture.mixture(name) + "/reference.safetensors")
    }

    @Test(arguments: families + ["gpt_oss-mxfp4"])
    func logitsAndStatesAreThoseOfTransformers(name: String) throws {
        let reference = try Self.reference(name)
        let model = try LoadedModel.open(Fixture.mixture(name)), session = model.exactSession()
        #expect(model.warnings.isEmpty)
        var hidden: [Int: [Float]] = [:]
        session.observer = { hidden[$0] = $1 }
        #expect(relativeDifference(try session.allLogits(reference.ids), reference.logits) < Self.tolerance)
        for index in 0..<reference.hidden.count - 1 {
            #expect(relativeDifference(hidden[index] ?? [], reference.hidden[index]) < Self.tolerance)
        }
    }

    /// As transformers 4 spelled the same configuration.
    @Test(arguments: families)
    func olderConfigurationsMeanTheSame(name: String) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.mixture(name + "/model.safetensors"))
        try folder.copy(Fixture.mixture(name + "/config-4.json"), as: "config.json")
        let reference = try Self.reference(name)
        let logits = try LoadedModel.open(folder.path).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) < Self.tolerance)
    }

    @Test(arguments: ["mixtral", "qwen2_moe", "granitemoe"])
    func fourBitTwinsHaveTheirLogits(name: String) throws {
        let reference = try Self.reference(name + "/nf4")
        let logits = try LoadedModel.open(Fixture.mixture(name + "/nf4")).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) < Self.tolerance)
    }

    /// Token by token, in pieces, and at once.
    @Test(arguments: families)
    func theCacheChangesNothing(name: String) throws {
        let reference = try Self.reference(name)
        let model = try LoadedModel.open(Fixture.mixture(name))
        let vocabularySize = model.configuration.vocabularySize
        for pieces in [[1, 19], [7, 13], Array(repeating: 1, count: 20)] {
            let session = model.exactSession()
            var start = 0
            for piece in pieces {
                let logits = try session.append(Array(reference.ids[start..<start + piece]))
                start += piece
                let expected = Array(reference.logits[(start - 1) * vocabularySize..<start * vocabularySize])
                #expect(relativeDifference(logits, expected) < Self.tolerance)
            }
        }
    }

    @Test(arguments: families)
    func threadsChangeNoBits(name: String) throws {
        let ids = try Self.reference(name).ids
        let model = try LoadedModel.open(Fixture.mixture(name))
        let logits = try [1, 2, 5].map { try model.exactSession(threadCount: $0).allLogits(ids).map(\.bitPattern) }
        #expect(logits[1] == logits[0] && logits[2] == logits[0])
    }

    /// Each of these members makes another model of it.
    @Test(arguments: [
        ("qwen3_moe", "norm_topk_prob", JSONValue.bool(false)), ("qwen3_moe", "num_experts_per_tok", .integer(3)),
        ("qwen2_moe", "norm_topk_prob", .bool(true)), ("qwen2_moe", "max_window_layers", .integer(0)),
        ("mixtral", "sliding_window", .null), ("olmoe", "clip_qkv", .null), ("granitemoehybrid", "position_embedding_type", .null),
        ("granitemoe", "residual_multiplier", .null), ("gpt_oss", "swiglu_limit", .null), ("gpt_oss", "swiglu_alpha", .double(1.6)),
        ("llama4", "attention_chunk_size", .integer(7)), ("llama4", "attention_chunk_size", .integer(64)),
        ("llama4", "use_qk_norm", .bool(false)), ("llama4", "attn_temperature_tuning", .integer(0)), ("llama4", "floor_scale", .null),
        ("llama4", "attn_scale", .null), ("llama4", "layer_types", .array(Array(repeating: .string("full_attention"), count: 4))),
        ("llama4", "no_rope_layers", .array([.integer(1), .integer(0), .integer(1), .integer(0)])),
    ])
    func everyMemberCounts(name: String, member: String, value: JSONValue) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.mixture(name + "/model.safetensors"))
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.mixture(name + "/config.json"))).object)
        config[member] = value
        if member == "max_window_layers" { config["layer_types"] = nil }
        try folder.write(JSONValue.object(config).text(.compact), to: "config.json")
        let reference = try Self.reference(name)
        let logits = try LoadedModel.open(folder.path).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) > 1e-4)
    }

    /// Layers of chunks keep a chunk and one pass, here of five positions: every sum is the same.
    @Test func chunksKeepThemselvesAlone() throws {
        let ids = try Self.reference("llama4").ids, model = try LoadedModel.open(Fixture.mixture("llama4"))
        let engine = model.exactSession().engine
        func session(_ passLength: Int?) -> InferenceSession {
            InferenceSession(model.configuration, model.weights, engine: engine, contextLength: 32, passLength: passLength)
        }
        let expected = try session(nil).allLogits(ids)
        let short = session(5)
        #expect(try short.allLogits(ids).map(\.bitPattern) == expected.map(\.bitPattern))
        // What is lost of a chunk is read again.
        for count in [18, 4, 0] {
            short.truncate(to: count)
            let last = try short.append(Array(ids[count..<20]))
            #expect(relativeDifference(last, Array(expected.suffix(last.count))) < Self.tolerance)
        }
        let held = model.configuration.layers.map { KeyValueCache.heldCount($0.attention, capacity: 32, passLength: 5) }
        #expect(held == [15, 15, 15, 32])
    }

    /// A list without entries, and a number for true: as the first released configurations have it.
    @Test func releasedConfigurationsOfLlama4MeanTheSame() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.mixture("llama4/model.safetensors"))
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.mixture("llama4/config.json"))).object)
        for key in ["layer_types", "moe_layers"] { config[key] = nil }
        config["no_rope_layers"] = .array([])
        config["attn_temperature_tuning"] = .integer(4)
        try folder.write(JSONValue.object(config).text(.compact), to: "config.json")
        let reference = try Self.reference("llama4"), model = try LoadedModel.open(folder.path)
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < Self.tolerance)
        #expect(model.warnings.isEmpty)
    }

    /// With a model of images around it: a head of its own inside of the larger one.
    @Test func theTextPartOfLlama4Runs() throws {
        let folder = try TemporaryFolder()
        let text = try JSONValue(parsing: Fixture.bytes(Fixture.mixture("llama4/config.json")))
        let config = JSONValue.object([
            "model_type": .string("llama4"), "text_config": text, "vision_config": .object(["hidden_size": .integer(8)]),
            "image_token_index": .integer(5),
        ])
        try folder.write(config.text(.compact), to: "config.json")
        var tensors = try storedTensors(at: Fixture.mixture("llama4/model.safetensors")).values.sorted { $0.name < $1.name }
        for index in tensors.indices { tensors[index].name = "language_model." + tensors[index].name }
        tensors.append(StoredTensor("vision_model.class_embedding", [2], [1, 2]))
        try folder.write(tensors.safetensors(metadata: ["format": "pt"]), to: "model.safetensors")
        let model = try LoadedModel.open(folder.path), reference = try Self.reference("llama4")
        #expect(model.warnings == ["1 tensors are not used by the model: vision_model.class_embedding"])
        #expect(model.weights.layers[1].linearLayers[0].name == "language_model.model.layers.1.self_attn.q_proj")
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < Self.tolerance)
    }

    /// The layers that transformers and bitsandbytes make 4-bit, beside the dense rest: its library does not load such a folder again.
    @Test func theFourBitTwinOfLlama4HasItsLogits() throws {
        let folder = try TemporaryFolder(), twin = try storedTensors(at: Fixture.mixture("llama4/nf4/model.safetensors"))
        let dense = try storedTensors(at: Fixture.mixture("llama4/model.safetensors")).values.filter { twin[$0.name] == nil }
        try folder.write((dense + twin.values).safetensors(metadata: ["format": "pt"]), to: "model.safetensors")
        try folder.copy(Fixture.mixture("llama4/nf4/config.json"))
        let reference = try Self.reference("llama4/nf4"), model = try LoadedModel.open(folder.path)
        #expect(model.weights.layers[0].linearLayers.allSatisfy { !$0.matrix.isDense })
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < Self.tolerance)
    }

    // MARK: - Forms

    /// A Mixtral whose rows are whole groups, drawn, and converted: its products are in integers.
    private static func convertedModel(_ folder: TemporaryFolder) throws -> LoadedModel {
        let (width, inner, experts) = (64, 128, 6)
        var random = SeededGenerator(seed: 21)
        func matrix(_ name: String, _ dimensions: [Int]) -> StoredTensor {
            StoredTensor(
                "model.\(name).weight", dimensions, random.normals(count: dimensions.reduce(1, *), scale: dimensions.count == 1 ? 1 : 0.3))
        }
        var tensors = [matrix("embed_tokens", [48, width]), matrix("norm", [width])]
        for layer in 0..<2 {
            let prefix = "layers.\(layer)."
            for name in ["input_layernorm", "post_attention_layernorm"] { tensors.append(matrix(prefix + name, [width])) }
            for name in ["q_proj", "k_proj", "v_proj", "o_proj"] { tensors.append(matrix("\(prefix)self_attn.\(name)", [width, width])) }
            tensors.append(matrix(prefix + "block_sparse_moe.gate", [experts, width]))
            for expert in 0..<experts {
                let name = "\(prefix)block_sparse_moe.experts.\(expert)."
                tensors += [
                    matrix(name + "w1", [inner, width]), matrix(name + "w2", [width, inner]), matrix(name + "w3", [inner, width]),
                ]
            }
        }
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        try folder.write(
            """
            {"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 4, "num_local_experts": 6, "num_experts_per_tok": 2, "vocab_size": 48, "tie_word_embeddings": true,
             "max_position_embeddings": 64}
            """, to: "config.json")
        let plan = try ConversionPlan(
            try Checkpoint.open(folder.path), settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "1", options: [])
        _ = try Conversion(plan, resources: Resources(threadCount: 2), allowsNonfinite: false)
            .run(path: folder.path("model.qnf"), replaces: false)
        return try LoadedModel.open(folder.path("model.qnf"))
    }

    /// Experts that lie in one tensor are multiplied by where they lie, each by its own codes and constants.
    @Test(arguments: ["granitemoe", "granitemoehybrid", "gpt_oss", "gpt_oss-mxfp4", "qwen2_moe", "llama4"])
    func fourBitExpertsComputeTheirValues(_ name: String) throws {
        let folder = try TemporaryFolder(), source = try Checkpoint.open(Fixture.mixture(name)), path = folder.path("model.qnf")
        // In blocks of 32 every matrix of these is whole blocks.
        let settings = try QuantizationSettings(quantType: .nf4, blockSize: 32, isDoubleQuantized: true)
        let plan = try ConversionPlan(
            source, settings: settings, rules: ConversionRules(), castingTo: nil, toolVersion: "1", options: [])
        _ = try Conversion(plan, resources: Resources(threadCount: 2), allowsNonfinite: false).run(path: path, replaces: false)
        let converted = try Checkpoint.open(path)
        _ = try Export(ExportPlan(converted, form: .dense(.f32)), resources: Resources(threadCount: 2))
            .run(folder: folder.path("dense"), maximumShardByteCount: .max, replaces: false)
        let ids = try Self.reference(name).ids, model = try LoadedModel(converted)
        let down = model.weights.layers[1].linearLayers.last
        #expect(down?.matrix.isDense == false)
        let logits = try model.exactSession().allLogits(ids)
        let expected = try LoadedModel.open(folder.path("dense")).exactSession().allLogits(ids)
        #expect(relativeDifference(logits, expected) < Self.tolerance)
    }

    /// Whatever else is in a batch, and on any number of threads, a position gets the same bits.
    @Test func batchesChangeNoBits() throws {
        let folder = try TemporaryFolder(), model = try Self.convertedModel(folder)
        #expect(model.weights.layers[0].linearLayers.filter { !$0.name.hasSuffix(".gate") }.allSatisfy { $0.matrix.hasIntegerProducts })
        let ids = (0..<40).map { Int32($0 * 7 % 48) }
        func logits(_ pieces: [Int], threadCount: Int, _ precision: MatrixEngine.Precision = .balanced) throws -> [UInt32] {
            let session = InferenceSession(
                model.configuration, model.weights, engine: MatrixEngine(pool: WorkerPool(threadCount: threadCount)), contextLength: 40,
                precision: precision, cacheType: .f32)
            var start = 0, last: [Float] = []
            for piece in pieces {
                last = try session.append(Array(ids[start..<start + piece]))
                start += piece
            }
            return last.map(\.bitPattern)
        }
        let expected = try logits(Array(repeating: 1, count: 40), threadCount: 1)
        for pieces in [[40], [1, 39], [25, 15], [13, 13, 13, 1]] {
            for threadCount in [2, 3] {
                let bits = try logits(pieces, threadCount: threadCount)
                #expect(bits == expected, "\(pieces)")
            }
        }
        // In bytes, as long as there are few.
        let alone = try logits(Array(repeating: 1, count: 40), threadCount: 1, .fast)
        #expect(alone != expected)
        for threadCount in [1, 3] { #expect(try logits([8, 1, 7, 8, 8, 1, 7], threadCount: threadCount, .fast) == alone) }
    }

    /// Settings for which such files have no place, as they are of all released models.
    private static let changesForGGUF: [String: JSONObject] = [
        "gpt_oss": JSONObject(["swiglu_limit": .double(7)]), "gpt_oss-mxfp4": JSONObject(["swiglu_limit": .double(7)]),
        "granitemoe": JSONObject([:]),
        "llama4": JSONObject([
            "attention_chunk_size": .integer(8192), "attn_scale": .double(0.1), "floor_scale": .integer(8192),
        ]),
        "mixtral": JSONObject(["sliding_window": .null]),
        "qwen3_moe": JSONObject(["sliding_window": .null, "attention_bias": .bool(false)]),
    ]

    @Test(arguments: ["mixtral", "qwen3_moe", "granitemoe", "gpt_oss", "gpt_oss-mxfp4", "llama4"], ["F32", "Q8_0"])
    func filesOfGGUFComputeTheSame(_ name: String, _ type: String) throws {
        let folder = try TemporaryFolder(), path = folder.path("model.gguf")
        let isStacked = !["mixtral", "qwen3_moe"].contains(name)
        // Files of some have no place for all of the biases.
        let tensors = try storedTensors(at: Fixture.mixture(name + "/model.safetensors")).values.filter {
            isStacked || !$0.name.hasSuffix(".bias")
        }
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.mixture(name + "/config.json"))).object)
        for member in try #require(Self.changesForGGUF[name]).members { config[member.key] = member.value }
        try folder.makeFolder("model")
        try folder.write(tensors.safetensors(), to: "model/model.safetensors")
        try folder.write(JSONValue.object(config).text(.compact), to: "model/config.json")
        let source = try Checkpoint.open(folder.path("model")), description = try source.describedModel()
        let mixture = try #require(GGUFMixture(named: type))
        let keys = try GGUFModelKeys(description, config: config, name: "x", fileType: mixture.fileType, path: source.path)
        let plan = try GGUFExportPlan(source, description, mixture, factors: keys.factors)
        _ = try GGUFExport(plan, metadata: keys.entries, resources: Resources(threadCount: 2))
            .run(path: path, byteCountLimit: nil, replaces: false)
        let model = try LoadedModel.open(path)
        #expect(model.configuration.modelType == description.modelType && model.warnings.isEmpty)
        if !isStacked { #expect(model.weights.layers[1].linearLayers.count == 5 + 3 * (try #require(description.mixture).expertCount)) }
        let ids = try Self.reference(name).ids
        let (logits, expected) = (try model.exactSession().allLogits(ids), try LoadedModel(source).exactSession().allLogits(ids))
        let difference = relativeDifference(logits, expected)
        // Rounded weights may choose another expert.
        #expect(type == "F32" ? difference < 1e-6 : difference > 1e-6 && difference < (isStacked ? 0.5 : 5e-2), "\(difference)")
    }

    // MARK: - What does not fit

    private static func refusal(_ name: String, _ change: (inout JSONObject) -> Void) throws -> String {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.mixture(name + "/model.safetensors"))
        var config = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.mixture(name + "/config.json"))).object)
        change(&config)
        try folder.write(JSONValue.object(config).text(.compact), to: "config.json")
        return folder.report(try #require(throws: FileError.self) { try LoadedModel.open(folder.path) })
    }

    @Test func namesExpertsThatAreMissing() throws {
        let folder = try TemporaryFolder(), lost = "model.layers.1.block_sparse_moe.experts.2.w3.weight"
        try folder.copy(Fixture.mixture("mixtral/config.json"))
        let tensors = try storedTensors(at: Fixture.mixture("mixtral/model.safetensors")).values.filter { $0.name != lost }
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        let message = folder.report(try #require(throws: FileError.self) { try LoadedModel.open(folder.path) })
        #expect(message.contains("1 of 41 tensors of a mixtral are missing: \(lost)"), "\(message)")
    }

    /// The router's scores are as many as the experts.
    @Test(arguments: [3, 6]) func namesTheTensorWhoseCountDiffers(_ count: Int) throws {
        let message = try Self.refusal("mixtral") { $0["num_local_experts"] = .integer(count) }
        #expect(
            message.contains(
                "tensor 'model.layers.0.block_sparse_moe.gate.weight': has shape [4, 32], but by config.json it is [\(count), 32]"))
    }

    @Test func namesTheTensorOfAllExpertsThatDoesNotFit() throws {
        let message = try Self.refusal("granitemoe") { $0["intermediate_size"] = .integer(20) }
        #expect(
            message.contains(
                "tensor 'model.layers.0.block_sparse_moe.input_linear.weight': has shape [4, 48, 32], but by config.json it is [4, 40, 32]"),
            "\(message)")
    }

    @Test(arguments: [
        ("num_experts_per_tok", JSONValue.integer(7), "num_experts_per_tok is 7, but there are 6 experts"),
        ("num_experts_per_tok", .integer(0), "'num_experts_per_tok' is 0, but a whole number from 1 to 1048576 is expected"),
        ("num_local_experts", .integer(1 << 20), "2 layers of 1048576 experts are more than 65536 experts, which is not read"),
        ("mlp_only_layers", .array([.integer(2)]), "'mlp_only_layers' has 2, but layers go from 0 to 1"),
        ("mlp_only_layers", .integer(1), "'mlp_only_layers' is 1, but a list is expected"),
    ])
    func refusesCountsThatCannotBe(_ member: String, _ value: JSONValue, _ message: String) throws {
        let report = try Self.refusal("qwen3_moe") { $0[member] = value }
        #expect(report.contains(message), "\(report)")
    }
}
