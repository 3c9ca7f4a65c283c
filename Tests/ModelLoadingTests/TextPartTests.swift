import Checkpoints
import JSONText
import ModelLoading
import TensorCore
import TestSupport
import Testing

/// Text models inside of models that read images, in both spellings of their files.
@Suite struct TextPartTests {
    private static func folder(_ modelType: String, of name: String, nesting: (String) -> String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let text = try JSONValue(parsing: Fixture.bytes(Fixture.transformer("\(name)/config.json")))
        let isTied = text["tie_word_embeddings"] ?? .bool(name.hasPrefix("gemma"))
        let config = JSONValue.object([
            "model_type": .string(modelType), "text_config": text, "tie_word_embeddings": isTied,
            "vision_config": .object(["hidden_size": .integer(8)]), "image_token_index": .integer(5),
        ])
        try folder.write(config.text(.compact), to: "config.json")
        var tensors = try storedTensors(at: Fixture.transformer("\(name)/model.safetensors")).values.sorted { $0.name < $1.name }
        for index in tensors.indices { tensors[index].name = nesting(tensors[index].name) }
        tensors.append(StoredTensor("vision_tower.patch.weight", [2], [1, 2]))
        try folder.write(tensors.safetensors(metadata: ["format": "pt"]), to: "model.safetensors")
        return folder
    }

    @Test(arguments: [("gemma3", "gemma3"), ("mistral3", "mistral")], [false, true])
    func theyRun(_ model: (type: String, text: String), asInMemory: Bool) throws {
        let folder = try Self.folder(model.type, of: model.text) { name in
            guard asInMemory else { return "language_model." + name }
            return name.hasPrefix("model.") ? "model.language_model." + name.dropFirst("model.".count) : name
        }
        let loaded = try LoadedModel.open(folder.path), reference = try Reference(model.text)
        #expect(loaded.warnings == ["1 tensors are not used by the model: vision_tower.patch.weight"])
        #expect(relativeDifference(try loaded.exactSession().allLogits(reference.ids), reference.logits) < 2e-5)
    }
}
