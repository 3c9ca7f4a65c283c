import Adapters
import ByteIO
import Checkpoints
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

/// GGUF adapters on GGUF bases compute what PEFT computes with the adapters that they were made of.
@Suite struct GGUFAdapterTests {
    static let names = [
        "gpt2-attn", "gpt2-proj", "llama-all", "llama-embed", "llama-head", "llama-patterns", "llama-qv-rslora", "qwen2-all",
    ]
    /// Those that llama.cpp's converter gets right.
    static let converted = ["llama-all", "llama-embed", "llama-head", "qwen2-all"]
    static let folded = names.filter { $0 != "llama-embed" }

    private static func path(_ name: String, _ file: String) -> String { Fixture.path("gguf/lora/\(name)/\(file)") }
    private static func base(_ name: String) -> String { Fixture.path("gguf/models/\(name.prefix { $0 != "-" })/model.gguf") }

    /// How far the logits with an adapter are from PEFT's.
    private static func difference(_ name: String, _ adapter: String) throws -> Float {
        let tensors = try storedTensors(at: path(name, "logits.safetensors"))
        let ids = try #require(tensors["input_ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        let model = try LoadedModel.open(base(name))
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 1))
        let weights = try model.weights(with: [(try Adapter.open(adapter), 1)], engine: engine)
        let session = InferenceSession(model.configuration, weights, engine: engine, contextLength: 32, cacheType: .f32)
        return relativeDifference(try session.allLogits(ids), try #require(tensors["logits"]).floats)
    }

    @Test(arguments: names) func adaptersOfPEFTFitGGUFBases(_ name: String) throws {
        #expect(try Self.difference(name, Self.path(name, "peft")) < 1e-5)
    }

    @Test(arguments: converted) func convertedOnesAreTheSame(_ name: String) throws {
        #expect(try Self.difference(name, Self.path(name, "adapter.gguf")) < 1e-5)
    }

    @Test(arguments: folded) func foldedOnesAreTheSame(_ name: String) throws {
        #expect(try Self.difference(name, Self.path(name, "adapter-folded.gguf")) < 1e-5)
    }

    @Test func anAdapterIsNoModel() throws {
        let path = Self.path("llama-all", "adapter.gguf")
        let error = #expect(throws: FileError.self) { try Checkpoint.open(path) }
        #expect(error?.path == path && error?.message == "is an adapter, not a model")
    }
}
