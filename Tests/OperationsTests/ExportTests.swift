import ByteIO
import Checkpoints
import Comparison
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// What leaves as a folder or a file is what the libraries hold, and what they load.
@Suite struct ExportTests {
    @discardableResult
    static func export(
        _ source: String, form: ExportPlan.Form, to path: String, shardByteCount: Int? = nil, threadCount: Int = 2,
        chunkElementCount: Int = 1 << 19
    ) throws -> ExportReport {
        let plan = try ExportPlan(try Checkpoint.open(source), form: form)
        let export = Export(plan, resources: Resources(threadCount: threadCount, chunkElementCount: chunkElementCount))
        guard let shardByteCount else { return try export.run(file: path, replaces: false) }
        return try export.run(folder: path, maximumShardByteCount: shardByteCount, replaces: false)
    }

    /// Lines of a table of types, shapes, checksums and names.
    static func summary(_ tensors: some Sequence<StoredTensor>) -> [String] {
        tensors.map { "\($0.scalarType.rawValue)\t\($0.dimensions)\t\(CRC32C(of: $0.bytes))\t\($0.name)" }.sorted()
    }

    static func config(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: try InputFile(path: path + "/config.json").allBytes(limit: 1 << 20))
    }

    // MARK: - What transformers loads

    /// What is 4-bit only here leaves dense, so that the folder loads there.
    @Test(arguments: [
        ("mixtral", "model.layers.0.block_sparse_moe.experts.3.w1.weight", true), ("falcon", "transformer.h.0.mlp.up.weight", true),
        ("llama", "model.layers.0.mlp.up_proj.weight", false),
    ]) func whatTransformersKeepsDenseLeavesDense(_ modelType: String, _ name: String, _ isExpanded: Bool) throws {
        let folder = try TemporaryFolder()
        try folder.write("{\"model_type\":\"\(modelType)\"}", to: "config.json")
        let tensors = [StoredTensor(name, [2, 64], (0..<128).map { Float($0) })]
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        try convert(folder.path, to: folder.path("model.qnf"))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        let plan = try ExportPlan(checkpoint, form: .quantized)
        #expect(plan.expanded == (isExpanded ? [name] : []) && plan.loadingObstacle == nil)
        try Self.export(folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max)
        #expect(try (Self.config(folder.path("hf"))["quantization_config"] == nil) == isExpanded)
        // Asked for the same as transformers, the .qnf itself keeps it.
        try convert(folder.path, to: folder.path("same.qnf"), rules: ConversionRules(matchesTransformers: true))
        let kept = try #require(try Checkpoint.open(folder.path("same.qnf")).tensors.first)
        #expect((kept.quantized == nil) == isExpanded)
    }

    @Test func saysWhatTransformersWillNotLoad() throws {
        let folder = try TemporaryFolder()
        try folder.write("{\"model_type\":\"llama4_text\"}", to: "config.json")
        try folder.write(
            [StoredTensor("model.layers.0.self_attn.q_proj.weight", [2, 64], (0..<128).map { Float($0) })].safetensors(),
            to: "model.safetensors")
        try convert(folder.path, to: folder.path("model.qnf"))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        #expect(try ExportPlan(checkpoint, form: .quantized).loadingObstacle?.contains("Llama 4") == true)
        #expect(try ExportPlan(checkpoint, form: .dense(nil)).loadingObstacle == nil)
    }

    // MARK: - Dense

    @Test(arguments: ["llama", "gpt2"]) func dequantizedIsWhatTheLibraryGives(_ name: String) throws {
        let folder = try TemporaryFolder()
        let expected = try Fixture.table("checkpoints/\(name)/dequantized.tsv").map { $0.joined(separator: "\t") }.sorted()
        try convert(Fixture.checkpoint("\(name)/nf4-f32"), to: folder.path("model.qnf"))
        for source in [Fixture.checkpoint("\(name)/nf4-f32"), folder.path("model.qnf")] {
            try Self.export(source, form: .dense(nil), to: folder.path("dense.safetensors"))
            #expect(Self.summary(try storedTensors(at: folder.path("dense.safetensors")).values) == expected)
            folder.remove("dense.safetensors")
        }
    }

    @Test func tensorFlowModelIsItsTwin() throws {
        let source = try Fixture.makeOpenAIFolder()
        let folder = try TemporaryFolder()
        try Self.export(source.path, form: .dense(nil), to: folder.path("hf"), shardByteCount: .max)
        let expected = try Fixture.table("checkpoints/gpt2-tensorflow/dense.tsv").map { $0.joined(separator: "\t") }.sorted()
        #expect(Self.summary(try storedTensors(at: folder.path("hf/model.safetensors")).values) == expected)
        let files = ["config.json", "generation_config.json", "merges.txt", "model.safetensors", "tokenizer_config.json", "vocab.json"]
        #expect(try FilePath.entries(of: folder.path("hf")) == files)
    }

    /// Narrower than f32: one rounding of the f32 value, as the types of the target are rounded.
    @Test(arguments: [ScalarType.bf16, .f16]) func dequantizedIsRoundedOnce(_ type: ScalarType) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("gpt2/nf4-f32")
        try Self.export(source, form: .dense(.f32), to: folder.path("wide.safetensors"))
        try Self.export(source, form: .dense(type), to: folder.path("narrow.safetensors"))
        let wide = try storedTensors(at: folder.path("wide.safetensors"))
        let narrow = try storedTensors(at: folder.path("narrow.safetensors"))
        #expect(wide.count == 28 && wide.keys == narrow.keys)
        for (name, tensor) in wide {
            let expected = tensor.floats.map { type == .bf16 ? Self.bfloat16($0) : Float16($0).bitPattern }
            #expect(narrow[name] == StoredTensor(name, type, tensor.dimensions, bitPatterns: expected))
        }
    }

    /// To nearest, ties to even; finite values only.
    private static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
    }

    @Test func bfloat16WeightsStayBfloat16() throws {
        let folder = try TemporaryFolder()
        try Self.export(Fixture.checkpoint("llama/fp4-plain-bf16"), form: .dense(nil), to: folder.path("dense.safetensors"))
        let tensors = try storedTensors(at: folder.path("dense.safetensors"))
        #expect(tensors.values.allSatisfy { $0.scalarType == .bf16 })
        let original = try storedTensors(at: Fixture.checkpoint("llama/dense-bf16/model.safetensors"))
        #expect(tensors.mapValues(\.dimensions) == original.mapValues(\.dimensions))
    }

    // MARK: - 4-bit

    static let quantizedFolders = [
        "llama/nf4-f32", "llama/nf4-bf16", "llama/fp4-plain-bf16", "gpt2/nf4-f32", "gpt2/nf4-bf16", "variants/block128", "variants/skipped",
        "variants/storage-bf16",
    ]

    @Test(arguments: quantizedFolders) func repackedFolderComesBack(_ name: String) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint(name)
        try convert(source, to: folder.path("model.qnf"))
        try Self.export(folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max)
        var expected = try storedTensors(at: source + "/model.safetensors")
        for (key, tensor) in expected where tensor.scalarType == .bf16 && expected[key + ".absmax"] != nil {
            expected[key] = StoredTensor(key, .u8, [tensor.bytes.count, 1], tensor.bytes)
        }
        #expect(try storedTensors(at: folder.path("hf/model.safetensors")) == expected)
        var method = try #require(try Self.config(source)["quantization_config"]?.object)
        method["bnb_4bit_quant_storage"] = .string("uint8")
        #expect(try Self.config(folder.path("hf"))["quantization_config"] == .object(method))
    }

    /// All but the quantization_config is the source's text, spelled as it was.
    @Test func configKeepsOrderAndNumbers() throws {
        let folder = try TemporaryFolder()
        let members = """
            "model_type": "llama",
              "rms_norm_eps": 1.0e-05,
              "rope_theta": 500000.00,
              "vocab_size": 256,
              "dtype": "float32",
              "big": 123456789012345678901234567890,
              "list": [
                1,
                2.50
              ],
              "empty": {},
              "name": "käse\\n"
            """
        try folder.makeFolder("source")
        try folder.copy(Fixture.checkpoint("variants/skipped/model.safetensors"), as: "source/model.safetensors")
        let method = "\"quantization_config\": {\n    \"quant_method\": \"bitsandbytes\",\n    \"load_in_4bit\": true\n  }"
        try folder.write("{\n  \(method),\n  \(members)\n}", to: "source/config.json")
        try Self.export(folder.path("source"), form: .dense(.f16), to: folder.path("dense"), shardByteCount: .max)
        let narrowed = members.replacing("\"dtype\": \"float32\"", with: "\"dtype\": \"float16\"")
        #expect(try folder.text("dense/config.json") == "{\n  \(narrowed)\n}\n")
        try Self.export(folder.path("source"), form: .quantized, to: folder.path("quantized"), shardByteCount: .max)
        let expected = """
            {
              "quantization_config": {
                "quant_method": "bitsandbytes",
                "load_in_4bit": true,
                "bnb_4bit_quant_storage": "uint8",
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": true,
                "llm_int8_skip_modules": [
                  "lm_head",
                  "model.layers.0.mlp.down_proj"
                ]
              },
              \(members)
            }

            """
        #expect(try folder.text("quantized/config.json") == expected)
    }

    @Test func convertedModelGetsTheConfigThatTransformersWrites() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/dense-bf16"), to: folder.path("model.qnf"))
        try Self.export(folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max)
        let expected = try Self.config(Fixture.checkpoint("llama/nf4-bf16"))
        let config = try Self.config(folder.path("hf"))
        #expect(config["quantization_config"] == expected["quantization_config"])
        let other = try #require(config.object).members.map(\.key).filter { $0 != "quantization_config" }
        #expect(try other == #require(try Self.config(Fixture.checkpoint("llama/dense-bf16")).object).members.map(\.key))
    }

    struct Skipping: Sendable, CustomTestStringConvertible {
        let source: String
        let rules: [(ConversionRules.Action, String)]
        let expected: [String]?

        var testDescription: String { "\(source) \(rules)" }
    }

    static let skipping = [
        Skipping(source: "llama/dense-bf16", rules: [], expected: nil),
        Skipping(
            source: "llama/dense-bf16", rules: [(.keep, "layers\\.1\\..*down")], expected: ["lm_head", "model.layers.1.mlp.down_proj"]),
        Skipping(source: "llama/dense-bf16", rules: [(.quantize, "lm_head")], expected: []),
        // The head of this one is tied and not stored: a list that did not name it would have it made 4-bit.
        Skipping(source: "gpt2/dense-bf16", rules: [(.keep, "h\\.0\\.mlp.c_fc")], expected: ["lm_head", "transformer.h.0.mlp.c_fc"]),
        Skipping(source: "gpt2/dense-bf16", rules: [], expected: nil),
    ]

    @Test(arguments: skipping) func denseLinearLayersAreListed(_ skipping: Skipping) throws {
        let folder = try TemporaryFolder()
        let rules = try skipping.rules.map { ConversionRules.Rule($0.0, try NamePattern($0.1)) }
        try convert(Fixture.checkpoint(skipping.source), to: folder.path("model.qnf"), rules: ConversionRules(rules: rules))
        try Self.export(folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max)
        let list = try Self.config(folder.path("hf"))["quantization_config"]?["llm_int8_skip_modules"]
        #expect(list == (skipping.expected.map { .strings($0) } ?? .null))
    }

    /// transformers has no 4-bit embedding: such a weight leaves as what its codes stand for.
    @Test func quantizedEmbeddingsLeaveDense() throws {
        let folder = try TemporaryFolder()
        try convert(
            Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("model.qnf"), rules: ConversionRules(quantizesEmbeddings: true))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        let embeddings = ["transformer.wpe.weight", "transformer.wte.weight"]
        let plan = try ExportPlan(checkpoint, form: .quantized)
        #expect(plan.expanded == embeddings)
        _ = try Export(plan, resources: Resources(threadCount: 2)).run(
            folder: folder.path("hf"), maximumShardByteCount: .max, replaces: false)
        let tensors = try storedTensors(at: folder.path("hf/model.safetensors"))
        let expected = try storedTensors(at: Fixture.checkpoint("gpt2/nf4-f32/model.safetensors"))
        #expect(tensors.keys == expected.keys)
        for (name, tensor) in tensors where !embeddings.contains(name) { #expect(tensor == expected[name]) }
        let report = try RoundtripTests.compare(folder.path("model.qnf"), folder.path("hf"))
        for name in embeddings { #expect(report.rows.first { $0.name == name }?.isBitExact == true) }
        #expect(try Self.config(folder.path("hf"))["quantization_config"]?["llm_int8_skip_modules"] == .null)
    }

    @Test(arguments: ["gptq", "fp8"]) func whatAnotherQuantizerMadeIsRefused(_ method: String) throws {
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("a.weight", [2], [1, 2])].safetensors(), to: "model.safetensors")
        try folder.write("{\"quantization_config\": {\"quant_method\": \"\(method)\"}}", to: "config.json")
        let error = try #require(throws: FileError.self) { try ExportPlan(try Checkpoint.open(folder.path), form: .dense(nil)) }
        #expect(error.description.hasSuffix("config.json: says that the weights are quantized with '\(method)', but no tensor shows it"))
    }

    // MARK: - Shards

    @Test(arguments: [1, 20_000, 60_000, 150_000]) func shardsAreAWholeModel(_ limit: Int) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("llama/nf4-bf16")
        let report = try Self.export(source, form: .quantized, to: folder.path("hf"), shardByteCount: limit)
        let expected = try storedTensors(at: source + "/model.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("hf"))
        #expect(checkpoint.warnings == [])
        let tensors = try checkpoint.source.storedTensors()
        #expect(Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) }) == expected)
        let weights = report.files.filter { $0.name.hasSuffix(".safetensors") }
        if weights.count > 1 { #expect(report.files.contains { $0.name == "model.safetensors.index.json" }) }
        for (number, file) in weights.enumerated() {
            let digits = ["0000\(number + 1)", "0000\(weights.count)"].map { $0.suffix(5) }
            if weights.count > 1 { #expect(file.name == "model-\(digits[0])-of-\(digits[1]).safetensors") }
            let tensors = try storedTensors(at: folder.path("hf/\(file.name)"))
            // The parts of a weight are together; a shard is larger only where it holds nothing else.
            let owners = Set(
                tensors.keys.map { name in expected.keys.first { name.hasPrefix($0 + ".") && expected[$0 + ".absmax"] != nil } ?? name })
            for owner in owners {
                #expect(expected.keys.filter { $0 == owner || $0.hasPrefix(owner + ".") }.allSatisfy { tensors[$0] != nil })
            }
            #expect(tensors.values.reduce(0) { $0 + $1.bytes.count } <= limit || owners.count == 1)
        }
        #expect(weights.count == [1: 21, 20_000: 5, 60_000: 3, 150_000: 1][limit])
    }

    @Test func shardingWithoutQuantizedWeightsIsValidToo() throws {
        let folder = try TemporaryFolder()
        try Self.export(Fixture.checkpoint("gpt2/nf4-f32"), form: .dense(nil), to: folder.path("hf"), shardByteCount: 50_000)
        let tensors = try Checkpoint.open(folder.path("hf")).source.storedTensors()
        let expected = try Fixture.table("checkpoints/gpt2/dequantized.tsv").map { $0.joined(separator: "\t") }.sorted()
        #expect(Self.summary(tensors) == expected)
        let index = try JSONValue(parsing: try folder.bytes("hf/model.safetensors.index.json"))
        #expect(index["metadata"]?["total_size"]?.integer == tensors.reduce(0) { $0 + $1.bytes.count })
        #expect(index["weight_map"]?.object?.members.count == tensors.count)
        #expect(try Self.config(folder.path("hf"))["quantization_config"] == nil)
    }

    // MARK: - Always the same

    @Test func bytesDoNotDependOnThreadsOrChunks() throws {
        let folder = try TemporaryFolder()
        for (name, form) in [("gpt2/nf4-f32", ExportPlan.Form.dense(.bf16)), ("llama/nf4-bf16", .quantized)] {
            var expected: [[UInt8]]?
            for (threadCount, chunkElementCount) in [(1, 1 << 19), (2, 64), (3, 1000), (8, 5000), (2, 1 << 19)] {
                try Self.export(
                    Fixture.checkpoint(name), form: form, to: folder.path("hf"), shardByteCount: 60_000, threadCount: threadCount,
                    chunkElementCount: chunkElementCount)
                let files = try FilePath.entries(of: folder.path("hf")).map { try folder.bytes("hf/\($0)") }
                #expect(files.count > 3)
                if let expected { #expect(files == expected) } else { expected = files }
                folder.remove("hf")
            }
        }
    }

    @Test func progressAddsUpToWhatWasAnnounced() throws {
        let folder = try TemporaryFolder()
        for (name, form) in [
            ("gpt2/nf4-f32", ExportPlan.Form.dense(.bf16)), ("gpt2/nf4-f32", .quantized), ("gpt2/dense-f32", .dense(.f16)),
        ] {
            let counter = Counter()
            let plan = try ExportPlan(try Checkpoint.open(Fixture.checkpoint(name)), form: form)
            let resources = Resources(threadCount: 2, chunkElementCount: 1000) { counter.add($0) }
            _ = try Export(plan, resources: resources).run(file: folder.path("out.safetensors"), replaces: true)
            #expect(counter.value == plan.inputByteCount)
        }
    }
}
