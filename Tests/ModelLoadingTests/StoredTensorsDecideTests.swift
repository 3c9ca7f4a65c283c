import Architectures
import ByteIO
import Checkpoints
import ModelLoading
import TensorCore
import TestSupport
import Testing
import Transformer

/// Where config.json and the stored tensors say different things, the model is what transformers makes of the two.
@Suite struct StoredTensorsDecideTests {
    private static func folder(
        _ name: String, _ files: [String: String] = [:], config: (String) -> String = { $0 },
        tensors change: (inout [StoredTensor]) -> Void = { _ in }
    ) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let text = String(decoding: try InputFile(path: Fixture.transformer("\(name)/config.json")).allBytes(limit: 1 << 16), as: UTF8.self)
        try folder.write(config(text), to: "config.json")
        for (file, content) in files { try folder.write(content, to: file) }
        var tensors = try storedTensors(at: Fixture.transformer("\(name)/model.safetensors")).values.sorted { $0.name < $1.name }
        change(&tensors)
        try folder.write(tensors.safetensors(metadata: ["format": "pt"]), to: "model.safetensors")
        return folder
    }

    private static func expectReference(_ name: String, _ model: LoadedModel) throws {
        let reference = try Reference(name)
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < 2e-5)
    }

    private static func tied(_ config: String) -> String {
        config.contains("\"tie_word_embeddings\": false")
            ? config.replacing("\"tie_word_embeddings\": false", with: "\"tie_word_embeddings\": true")
            : config.replacing("{", with: "{\"tie_word_embeddings\": true, ", maxReplacements: 1)
    }

    // MARK: - Heads

    @Test func aStoredHeadThatDiffersIsUsedAlthoughTheConfigTiesIt() throws {
        let folder = try Self.folder("mistral", config: Self.tied)
        let model = try LoadedModel.open(folder.path)
        #expect(!model.configuration.head.isTied)
        #expect(
            model.warnings == [
                "config.json says that head and embedding are one matrix (tie_word_embeddings), but 'lm_head.weight' is stored and "
                    + "differs from 'model.embed_tokens.weight': the stored head is used, as transformers 5 does"
            ])
        try Self.expectReference("mistral", model)
    }

    @Test func aStoredHeadThatEqualsTheEmbeddingIsTied() throws {
        let folder = try Self.folder(
            "llama3",
            tensors: { tensors in
                guard let embedding = tensors.first(where: { $0.name.hasSuffix("embed_tokens.weight") }) else { return }
                tensors.append(StoredTensor("lm_head.weight", embedding.scalarType, embedding.dimensions, embedding.bytes))
            })
        let model = try LoadedModel.open(folder.path)
        #expect(model.configuration.head.isTied)
        #expect(
            model.warnings == [
                "'lm_head.weight' is stored beside 'model.embed_tokens.weight' with the same values: one matrix, as config.json says"
            ])
        try Self.expectReference("llama3", model)
    }

    /// As `torch.equal` sees it: types do not matter, nor the sign of a zero.
    @Test(arguments: [(Float(0), true), (0.5, false)]) func headsAreComparedByValue(change: Float, isSame: Bool) throws {
        let folder = try TemporaryFolder()
        let values: [Float] = [0, 1.5, -2, 0.25], others: [Float] = [-0.0, 1.5, -2, 0.25 + change]
        try folder.write(
            [
                StoredTensor("model.embed_tokens.weight", [2, 2], values),
                StoredTensor(
                    "lm_head.weight", .bf16, [2, 2],
                    others.flatMap { [UInt8]([UInt8($0.bitPattern >> 16 & 0xff), UInt8($0.bitPattern >> 24)]) }),
            ].safetensors(), to: "model.safetensors")
        try folder.write("{\"model_type\": \"x\", \"tie_word_embeddings\": true}", to: "config.json")
        #expect(try Checkpoint.open(folder.path).storedHeadOfTiedPair()?.equalsEmbedding == isSame)
    }

    @Test func theHeadAloneOfATiedPairIsTheEmbedding() throws {
        let folder = try Self.folder(
            "llama3",
            tensors: { tensors in
                guard let index = tensors.firstIndex(where: { $0.name.hasSuffix("embed_tokens.weight") }) else { return }
                tensors[index].name = "lm_head.weight"
            })
        let model = try LoadedModel.open(folder.path)
        #expect(model.configuration.head.isTied && model.warnings.isEmpty)
        try Self.expectReference("llama3", model)
    }

    @Test func aStoredHeadOfAnotherShapeIsRefused() throws {
        let folder = try Self.folder("llama3", tensors: { $0.append(StoredTensor("lm_head.weight", [2], [1, 2])) })
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.place == "tensor 'lm_head.weight'")
    }

    // MARK: - Biases

    /// No layer stores what the flags ask for: transformers makes zeros of it.
    @Test func flagsWithoutStoredBiasesAddNone() throws {
        let folder = try Self.folder(
            "llama3",
            config: {
                $0.replacing("\"attention_bias\": false", with: "\"attention_bias\": true").replacing(
                    "\"mlp_bias\": false", with: "\"mlp_bias\": true")
            })
        let model = try LoadedModel.open(folder.path)
        #expect(
            model.warnings == [
                "a llama with this config.json has biases, but no layer stores self_attn.q_proj.bias, self_attn.k_proj.bias, "
                    + "self_attn.v_proj.bias, self_attn.o_proj.bias, mlp.gate_proj.bias, mlp.up_proj.bias, mlp.down_proj.bias: none are added"
            ])
        try Self.expectReference("llama3", model)
    }

    /// One layer that has them says that the others should.
    @Test func aLayerWithoutTheBiasesOfTheOthersIsIncomplete() throws {
        let folder = try Self.folder("qwen2", tensors: { $0.removeAll { $0.name == "model.layers.1.self_attn.q_proj.bias" } })
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.message.hasSuffix("tensors of a qwen2 are missing: model.layers.1.self_attn.q_proj.bias") == true)
    }

    // MARK: - Ends, wrappers, classes

    @Test func generationConfigSaysWhichTokensEndAText() throws {
        let several = try Self.folder("mistral", ["generation_config.json": "{\"eos_token_id\": [3, 7]}"])
        #expect(try LoadedModel.open(several.path).configuration.endTokenIDs == [3, 7])
        let silent = try Self.folder("mistral", ["generation_config.json": "{\"eos_token_id\": null}"])
        #expect(
            try LoadedModel.open(silent.path).configuration.endTokenIDs
                == LoadedModel.open(Fixture.transformer("mistral")).configuration.endTokenIDs)
        let broken = try Self.folder("mistral", ["generation_config.json": "{\"eos_token_id\": \"x\"}"])
        let error = #expect(throws: FileError.self) { try LoadedModel.open(broken.path) }
        #expect(error?.message == "'eos_token_id' is \"x\", but token ids are expected")
    }

    @Test(arguments: ["module.", "_orig_mod.", "language_model.", "model."]) func saysWhatStandsInFrontOfAllNames(prefix: String) throws {
        let folder = try Self.folder(
            "mistral",
            tensors: { tensors in
                for index in tensors.indices { tensors[index].name = prefix + tensors[index].name }
            })
        let error = #expect(throws: FileError.self) { try LoadedModel.open(folder.path) }
        #expect(error?.message == "all names of a mistral have '\(prefix)' in front here")
    }

    @Test(
        arguments: [
            (#""architectures": ["LLaDAModelLM"]"#, "LLaDAModelLM"), (#""architectures": ["LlamaForCausalLM"]"#, nil),
            (#""architectures": ["LlamaForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling_x.Y"}"#, "modeling_x.Y"),
            (#""auto_map": {"AutoConfig": "configuration_x.Y"}"#, nil),
        ] as [(String, String?)])
    func namesAClassThatIsNotTheFamilysOwn(members: String, name: String?) throws {
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("a", [1], [1])].safetensors(), to: "model.safetensors")
        try folder.write("{\"model_type\": \"llama\", \(members)}", to: "config.json")
        let expected = name.map { ["config.json names '\($0)', not a class of transformers' llama; it is taken for a llama"] } ?? []
        #expect(try Checkpoint.open(folder.path).warnings == expected)
    }
}
