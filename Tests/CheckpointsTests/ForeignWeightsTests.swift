import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Packed numbers are never taken for weights, in a folder or alone, with or without a config that says so.
@Suite struct ForeignWeightsTests {
    /// A tensor of zeros.
    private static func zeros(_ name: String, _ type: ScalarType, _ dimensions: [Int]) -> StoredTensor {
        let count = dimensions.reduce(1, *)
        return StoredTensor(name, type, dimensions, [UInt8](repeating: 0, count: count * type.bitCount / 8))
    }

    private static let module = "model.layers.0.mlp.up_proj"

    /// Every format as its own library writes it, reduced to one layer.
    static let formats: [(name: String, tensors: [(String, ScalarType, [Int])])] = [
        ("GPTQ in other words", [(".qweight", .i64, [4, 64]), (".qzeros", .i32, [1, 8]), (".scales", .f16, [1, 64])]),
        ("FP8", [(".weight", .f8e4m3fnuz, [64, 64]), (".weight_scale", .bf16, [64, 1])]),
        ("FP8 of experts", [("_proj", .f8e4m3, [2, 64, 64]), ("_proj_scale_inv", .f32, [2, 1, 1])]),
        ("MXFP4", [("_blocks", .u8, [2, 64, 2, 16]), ("_scales", .u8, [2, 64, 2])]),
        ("AQLM", [(".codes", .i8, [8, 8, 1]), (".codebooks", .f16, [1, 256, 1, 8]), (".scales", .f16, [64, 1, 1, 1])]),
    ]

    @Test(arguments: formats) func namesEveryFormat(_ format: (name: String, tensors: [(String, ScalarType, [Int])])) throws {
        let folder = try TemporaryFolder()
        var tensors = format.tensors.map { Self.zeros(Self.module + $0.0, $0.1, $0.2) }
        tensors.append(Self.zeros("model.norm.weight", .bf16, [64]))
        try folder.write(tensors.safetensors(), to: "lone.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("lone.safetensors"))
        let foreign = try #require(checkpoint.foreignWeights)
        #expect(foreign.kind == .packed && foreign.name == format.name)
        #expect(foreign.place == "tensor '\(Self.module + format.tensors[0].0)'")
        // Nothing is said before it is known what is to be done with it.
        #expect(checkpoint.warnings == [])
        let error = #expect(throws: FileError.self) { try checkpoint.requireReadableWeights() }
        #expect(error?.hint == "start from the dense model, or dequantize this one with the program that made it")
    }

    @Test func codesThatNothingExplainsAreNoNumbersEither() throws {
        for type in [ScalarType.u8, .i8, .u32, .i32, .i16, .f4] {
            let folder = try TemporaryFolder()
            try folder.write([Self.zeros(Self.module + ".weight", type, [64, 8])].safetensors(), to: "m.safetensors")
            #expect(try Checkpoint.open(folder.path("m.safetensors")).foreignWeights?.kind == .unexplained, "\(type)")
        }
    }

    @Test func float8WithoutScalesIsANumberByTheUsersWordOnly() throws {
        let folder = try TemporaryFolder()
        try folder.write([Self.zeros(Self.module + ".weight", .f8e4m3, [64, 64])].safetensors(), to: "m.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
        let error = #expect(throws: FileError.self) { try checkpoint.requireReadableWeights() }
        #expect(
            error?.message
                == "is F8_E4M3, but its scales are missing ('\(Self.module).weight_scale_inv' or '\(Self.module).weight_scale')")
        try checkpoint.takingPlainFloat8().requireReadableWeights()
        // Packed integers are none by anybody's word.
        try folder.write([Self.zeros(Self.module + ".weight", .i8, [64, 64])].safetensors(), to: "n.safetensors")
        #expect(throws: FileError.self) { try Checkpoint.open(folder.path("n.safetensors")).takingPlainFloat8().requireReadableWeights() }
    }

    /// Integers that are no weights: masks, ids, counters.
    @Test func otherIntegersAreNoReasonToRefuse() throws {
        let folder = try TemporaryFolder()
        let tensors = [
            Self.zeros(Self.module + ".weight", .bf16, [64, 64]), Self.zeros("h.0.attn.bias", .u8, [1, 1, 4, 4]),
            Self.zeros("embeddings.position_ids", .i64, [1, 8]), Self.zeros("bn.num_batches_tracked", .i64, []),
            // Scales that were left beside a weight that is dense again.
            Self.zeros(Self.module + ".weight_scale", .f32, [1]),
        ]
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        #expect(try Checkpoint.open(folder.path("m.safetensors")).foreignWeights == nil)
        #expect(try Checkpoint.open(Fixture.checkpoint("llama/nf4-bf16")).foreignWeights == nil)
    }

    @Test(
        arguments: [
            (#""quantization_config": {"quant_method": "gptq"}"#, "gptq"), (#""quantization": {"group_size": 64, "bits": 4}"#, "MLX"),
            (#""compression_config": {"format": "pack-quantized"}"#, "compressed-tensors"),
            (#""text_config": {"quantization_config": {"quant_method": "fp8"}}"#, "fp8"),
            (#""quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": true}"#, "bitsandbytes 8-bit"),
            (#""quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}"#, nil), (#""quantization_config": {}"#, nil),
        ] as [(String, String?)])
    func takesAConfigAtItsWord(members: String, method: String?) throws {
        let folder = try TemporaryFolder()
        try folder.write([Self.zeros(Self.module + ".weight", .bf16, [64, 64])].safetensors(), to: "model.safetensors")
        try folder.write("{\(members)}", to: "config.json")
        let foreign = try Checkpoint.open(folder.path).foreignWeights
        #expect(foreign?.name == method && (method == nil || foreign?.kind == .stated))
    }

    @Test func namesLayoutsOfOtherPrograms() throws {
        let folder = try TemporaryFolder()
        let meta = ["layers.0.attention.wq.weight", "layers.0.attention.wk.weight", "layers.0.feed_forward.w1.weight"]
        try folder.write(meta.map { Self.zeros($0, .bf16, [64, 64]) }.safetensors(), to: "consolidated.safetensors")
        #expect(try Checkpoint.open(folder.path).foreignWeights?.name == "the layout of Meta's and Mistral's own files")
        // transformers' own class with these words calls its embedding otherwise.
        try folder.write(
            (meta + ["embed_tokens.weight"]).map { Self.zeros($0, .bf16, [64, 64]) }.safetensors(), to: "own.safetensors")
        #expect(try Checkpoint.open(folder.path("own.safetensors")).foreignWeights == nil)
        // The same words elsewhere are another model's.
        let other = ["text_model.encoder.layers.0.attention.wq.weight", "decoder.blocks.0.feed_forward.w1.weight"]
        try folder.write(other.map { Self.zeros($0, .bf16, [64, 64]) }.safetensors(), to: "other.safetensors")
        #expect(try Checkpoint.open(folder.path("other.safetensors")).foreignWeights == nil)
    }

    @Test func namesAPEFTModelThatWasSavedWhole() throws {
        let folder = try TemporaryFolder()
        let tensors = [
            Self.zeros(Self.module + ".base_layer.weight", .bf16, [64, 64]),
            Self.zeros(Self.module + ".lora_A.default.weight", .f32, [4, 64]),
            Self.zeros(Self.module + ".lora_B.default.weight", .f32, [64, 4]),
        ]
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        let foreign = try Checkpoint.open(folder.path).foreignWeights
        #expect(foreign?.name == "a PEFT model saved whole" && foreign?.place == "tensor '\(Self.module).base_layer.weight'")
    }
}
