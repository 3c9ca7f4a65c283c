import ByteIO
import Checkpoints
import ModelLoading
import Prompts
import TensorCore
import TestSupport
import Testing
import Transformer

@Suite struct LoadedModelTests {
    /// A copy of a tiny model whose tensors or config were changed.
    private static func folder(
        _ name: String, _ change: (inout [StoredTensor]) -> Void = { _ in }, config: (String) -> String = { $0 }
    ) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let text = String(decoding: try InputFile(path: Fixture.transformer("\(name)/config.json")).allBytes(limit: 1 << 16), as: UTF8.self)
        try folder.write(config(text), to: "config.json")
        var tensors = try storedTensors(at: Fixture.transformer("\(name)/model.safetensors")).values.sorted { $0.name < $1.name }
        change(&tensors)
        try folder.write(tensors.safetensors(metadata: ["format": "pt"]), to: "model.safetensors")
        return folder
    }

    private static func logits(_ path: String, _ reference: Reference) throws -> [Float] {
        try LoadedModel.open(path).exactSession().allLogits(reference.ids)
    }

    @Test(arguments: [("gpt2", "transformer."), ("qwen2", "model.")])
    func namesMayLackTheirPrefix(name: String, prefix: String) throws {
        let folder = try Self.folder(name) { tensors in
            for index in tensors.indices { tensors[index].name = String(tensors[index].name.dropFirst(prefix.count)) }
        }
        let reference = try Reference(name)
        #expect(relativeDifference(try Self.logits(folder.path, reference), reference.logits) < 2e-5)
    }

    @Test func ignoresBuffersAndTellsOfOtherTensors() throws {
        let folder = try Self.folder("llama3") { tensors in
            tensors.append(StoredTensor("model.layers.0.self_attn.rotary_emb.inv_freq", [6], [Float](repeating: 1, count: 6)))
            for layer in 0..<2 { tensors.append(StoredTensor("model.layers.\(layer).extra", [2], [1, 2])) }
        }
        let model = try LoadedModel.open(folder.path)
        #expect(model.warnings == ["2 tensors are not used by the model: model.layers.{0-1}.extra"])
    }

    /// Masks that old versions of transformers stored with GPT-2, in a file whose names lack their prefix.
    @Test func ignoresTheMasksOfOldFiles() throws {
        let folder = try Self.folder("gpt2") { tensors in
            for index in tensors.indices { tensors[index].name = String(tensors[index].name.dropFirst("transformer.".count)) }
            for layer in 0..<2 {
                tensors.append(StoredTensor("h.\(layer).attn.bias", .u8, [1, 1, 4, 4], [UInt8](repeating: 1, count: 16)))
                tensors.append(StoredTensor("h.\(layer).attn.masked_bias", [1], [-10_000]))
            }
        }
        let model = try LoadedModel.open(folder.path)
        let reference = try Reference("gpt2")
        #expect(model.warnings.isEmpty)
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < 2e-5)
    }

    /// Ids of tokens that the embedding has no rows for must not come up in the middle of a text.
    @Test func refusesTheTokenizerOfAnotherModel() throws {
        let model = try LoadedModel.open(Fixture.transformer("gpt2"))
        let tokenizer = try Checkpoint.open(Fixture.sample("llama-hf")).tokenizer()
        let error = #expect(throws: FileError.self) { try model.check(tokenizer) }
        #expect(error?.message == "the tokenizer has 1280 tokens, but the embedding has 101 rows")
        #expect(error?.hint == "tokenizer and weights are not of the same model")
    }

    @Test func listsAllTensorsThatAreMissing() throws {
        let folder = try Self.folder("mistral") { tensors in
            tensors.removeAll {
                $0.name.contains("k_proj") || $0.name == "model.layers.1.mlp.up_proj.weight" || $0.name == "lm_head.weight"
            }
        }
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(
            error?.message
                == "4 of 21 tensors of a mistral are missing: model.layers.{0-1}.self_attn.k_proj.weight, "
                + "model.layers.1.mlp.up_proj.weight, lm_head.weight")
    }

    @Test func saysWhatAMissingHeadMayMean() throws {
        let folder = try Self.folder("mistral") { $0.removeAll { $0.name == "lm_head.weight" } }
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.hint == #"if the model's head is its embedding, config.json has to say so: "tie_word_embeddings": true"#)
    }

    @Test func refusesShapesThatTheConfigDoesNotHave() throws {
        let folder = try Self.folder("mistral", config: { $0.replacing("\"intermediate_size\": 48", with: "\"intermediate_size\": 50") })
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.message == "has shape [48, 32], but by config.json it is [50, 32]")
    }

    @Test func refusesTypesThatCannotBeRun() throws {
        let folder = try Self.folder("gpt2") { tensors in
            guard let index = tensors.firstIndex(where: { $0.name.hasSuffix("ln_f.bias") }) else { return }
            tensors[index] = StoredTensor(tensors[index].name, .i32, tensors[index].dimensions, tensors[index].bytes)
        }
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.message == "is I32; weights of F32, F16 and BF16 can be run")
    }

    @Test func refusesOtherArchitectures() throws {
        let folder = try Self.folder("gpt2", config: { $0.replacing("\"gpt2\"", with: "\"mamba\"") })
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.hint == "converting, inspecting, merging and verifying work for any architecture")
    }

    @Test func refusesAModelWithoutItsConfig() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.transformer("gpt2/model.safetensors"))
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path("model.safetensors")) }
        #expect(error?.message == "has no config.json, which says how the weights are to be used")
    }

    /// Any alignment does: the header's length shifts all weights by a byte.
    @Test func weightsMayLieAnywhere() throws {
        let reference = try Reference("qwen3")
        for padding in 1...4 {
            let folder = try TemporaryFolder()
            try folder.copy(Fixture.transformer("qwen3/config.json"))
            let tensors = try storedTensors(at: Fixture.transformer("qwen3/model.safetensors")).values.sorted { $0.name < $1.name }
            try folder.write(tensors.safetensors(metadata: ["pad": String(repeating: "x", count: padding)]), to: "model.safetensors")
            #expect(relativeDifference(try Self.logits(folder.path, reference), reference.logits) < 2e-5)
        }
    }
}
