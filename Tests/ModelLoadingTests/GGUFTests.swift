import ModelLoading
import TestSupport
import Testing
import Transformer

/// GGUF files compute what transformers computes with the models that they were made of, and with their own values.
@Suite struct GGUFTests {
    private static func difference(_ model: String, _ reference: String) throws -> Float {
        let tensors = try storedTensors(at: Fixture.path("gguf/models/\(reference)"))
        let ids = try #require(tensors["input_ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        let logits = try LoadedModel.open(Fixture.path("gguf/models/\(model)")).exactSession().allLogits(ids)
        return relativeDifference(logits, try #require(tensors["logits"]).floats)
    }

    @Test(arguments: ["llama", "llama-spm", "qwen2", "gemma2", "gemma3", "gpt2", "llama-bias", "phi3", "qwen3moe"])
    func logitsAreThoseOfTransformers(name: String) throws {
        #expect(try Self.difference("\(name)/model.gguf", "\(name)/logits.safetensors") < 1e-5)
    }

    /// transformers rounds what lies between the layers of these to 16 bits.
    @Test(arguments: ["llama-rope3", "mistral", "mixtral", "qwen3"])
    func logitsOfSixteenBitsAreNear(name: String) throws {
        #expect(try Self.difference("\(name)/model.gguf", "\(name)/logits.safetensors") < 4e-3)
    }

    @Test(arguments: ["Q4_0", "Q4_K_M"])
    func logitsOfBlocksAreThoseOfTheirValues(type: String) throws {
        #expect(try Self.difference("wide/model-\(type).gguf", "wide/logits-\(type).safetensors") < 1e-5)
    }
}
