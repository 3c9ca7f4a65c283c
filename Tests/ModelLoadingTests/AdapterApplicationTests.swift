import Adapters
import ByteIO
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

/// Adapters computed beside the base, against the logits of PEFT.
@Suite struct AdapterApplicationTests {
    private static let tolerance: Float = 2e-5

    private static func reference(_ name: String) throws -> (ids: [Int32], logits: [Float]) {
        let reference = try Reference(file: Fixture.transformer("adapted/\(name).safetensors"))
        return (reference.ids, reference.logits)
    }

    private static func base(of adapter: String) throws -> LoadedModel {
        try LoadedModel.open(Fixture.checkpoint("\(adapter.prefix { $0 != "-" })/dense-f32"))
    }

    private static func logits(
        _ model: LoadedModel, _ adapters: [(String, Float)], _ ids: [Int32]
    ) throws -> [Float] {
        let session = model.exactSession()
        session.weights = try model.weights(
            with: adapters.map { (try Adapter.open(Fixture.adapter($0.0)), $0.1) }, engine: session.engine)
        return try session.allLogits(ids)
    }

    @Test(arguments: [
        "gpt2-bias-all", "gpt2-dora", "gpt2-embedding-tied", "gpt2-plain", "llama-bf16-adapter", "llama-dora", "llama-embedding",
        "llama-modules-to-save", "llama-plain", "llama-rank-alpha-pattern", "llama-rslora",
    ])
    func logitsAreThoseOfPEFT(name: String) throws {
        let (ids, expected) = try Self.reference(name)
        let model = try Self.base(of: name)
        #expect(relativeDifference(try Self.logits(model, [(name, 1)], ids), expected) < Self.tolerance)
        // The adapter is felt at all: 100 times more than what is tolerated.
        #expect(relativeDifference(try model.exactSession().allLogits(ids), expected) > 100 * Self.tolerance)
    }

    @Test(arguments: ["llama", "gpt2"])
    func adaptsFourBitModels(family: String) throws {
        let (ids, expected) = try Self.reference("nf4-\(family)-plain")
        let model = try LoadedModel.open(Fixture.checkpoint("\(family)/nf4-f32"))
        #expect(relativeDifference(try Self.logits(model, [("\(family)-plain", 1)], ids), expected) < Self.tolerance)
    }

    /// Half of an adapter twice is that adapter; one and its negative are none.
    @Test func factorsAddUp() throws {
        let (ids, expected) = try Self.reference("llama-plain")
        let model = try Self.base(of: "llama-plain")
        let halves = try Self.logits(model, [("llama-plain", 0.5), ("llama-plain", 0.5)], ids)
        #expect(relativeDifference(halves, expected) < Self.tolerance)
        let none = try Self.logits(model, [("llama-plain", 1), ("llama-plain", -1)], ids)
        #expect(relativeDifference(none, try model.exactSession().allLogits(ids)) < Self.tolerance)
    }

    @Test func switchingLeavesTheBaseAsItWas() throws {
        let (ids, expected) = try Self.reference("gpt2-dora")
        let model = try Self.base(of: "gpt2-dora")
        let session = model.exactSession()
        let base = try session.allLogits(ids)
        session.weights = try model.weights(with: [(try Adapter.open(Fixture.adapter("gpt2-dora")), 1)], engine: session.engine)
        session.reset()
        #expect(relativeDifference(try session.allLogits(ids), expected) < Self.tolerance)
        session.weights = model.weights
        session.reset()
        #expect(try session.allLogits(ids) == base)
    }

    @Test func refusesWhatCannotBe() throws {
        let llama = try Self.base(of: "llama")
        let engine = llama.exactSession().engine
        func message(_ model: LoadedModel, _ adapters: [(String, Float)]) throws -> String? {
            let opened = try adapters.map { (try Adapter.open(Fixture.adapter($0.0)), $0.1) }
            return #expect(throws: FileError.self) { try model.weights(with: opened, engine: engine) }?.message
        }
        #expect(try message(llama, [("gpt2-plain", 1)])?.contains("is of another family than") == true)
        #expect(
            try message(llama, [("llama-dora", 0.5)])
                == "a DoRA adapter of 'model.layers.0.mlp.down_proj' cannot be weighted by 0.5")
        #expect(
            try message(llama, [("llama-modules-to-save", 2)])?.hasSuffix("which it replaces as a whole, cannot be weighted by 2.0") == true
        )
    }
}
