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

    // MARK: - Writing

    private static func export(_ adapter: String, _ name: String, to path: String) throws {
        let model = try Checkpoint.open(base(name)).describedModel()
        try GGUFAdapterExport(try Adapter.open(adapter), for: model, basePath: "base", name: name).run(path: path, replaces: false)
    }

    @Test(arguments: folded) func writesWhatTheReferenceWrites(_ name: String) throws {
        let folder = try TemporaryFolder()
        for (number, form) in ["peft", "adapter-folded.gguf"].enumerated() {
            try Self.export(Self.path(name, form), name, to: folder.path("\(number).gguf"))
            #expect(try Fixture.bytes(folder.path("\(number).gguf")) == Fixture.bytes(Self.path(name, "adapter-folded.gguf")), "\(form)")
        }
    }

    @Test func writesEmbeddings() throws {
        let folder = try TemporaryFolder()
        try Self.export(Self.path("llama-embed", "peft"), "llama-embed", to: folder.path("a.gguf"))
        #expect(try Self.difference("llama-embed", folder.path("a.gguf")) < 1e-5)
    }

    @Test(arguments: [
        ("llama-dora", "module 'model.layers.0.self_attn.q_proj'", "is changed by DoRA"),
        ("llama-bias", "module 'model.layers.0.self_attn.q_proj'", "is replaced as a whole"),
    ])
    func refusesWhatHasNoPlace(_ name: String, _ place: String, _ reason: String) throws {
        let folder = try TemporaryFolder()
        let model = name == "llama-bias" ? name : "llama"
        let description = try Checkpoint.open(Fixture.path("gguf/models/\(model)/model.gguf")).describedModel()
        let adapter = try Adapter.open(Self.path(name, "peft"))
        let error = #expect(throws: FileError.self) {
            try GGUFAdapterExport(adapter, for: description, basePath: "base", name: name).run(path: folder.path("a.gguf"), replaces: false)
        }
        #expect(
            error
                == FileError(
                    adapter.path, at: place, "\(reason), and a GGUF adapter has no place for that",
                    hint: "merge the adapter into its base first, and make a GGUF file of the model"))
        #expect(try folder.names() == [])
    }

    @Test(arguments: ["gpt2-embedding-tied", "llama-modules-to-save"])
    func refusesWhatIsNoFactorOfALayer(_ name: String) throws {
        let base = Fixture.checkpoint("\(name.prefix { $0 != "-" })/dense-f32")
        let description = try Checkpoint.open(base).describedModel()
        let adapter = try Adapter.open(Fixture.adapter(name))
        let error = #expect(throws: FileError.self) {
            try GGUFAdapterExport(adapter, for: description, basePath: base, name: name)
        }
        #expect(error?.message.hasSuffix(", and a GGUF adapter has no place for that") == true)
    }
}
