import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// Adapters that PEFT 0.21.2 wrote, see `Tests/Fixtures/adapters`.
@Suite struct FixtureTests {
    static let names = [
        "gpt2-plain", "gpt2-dora", "gpt2-bias-all", "gpt2-embedding-tied", "llama-plain", "llama-rslora", "llama-dora",
        "llama-bf16-adapter", "llama-embedding", "llama-modules-to-save", "llama-rank-alpha-pattern",
    ]

    private static func module(_ adapter: Adapter, _ name: String) throws -> AdapterModule {
        try #require(adapter.modules.first { $0.name == name })
    }

    @Test(arguments: names) func usesEveryTensorWithoutWarning(_ name: String) throws {
        let adapter = try Adapter.open(Fixture.adapter(name))
        #expect(adapter.warnings == [] && adapter.form == .peft && adapter.baseFingerprint == nil)
        let used = adapter.modules.flatMap(\.tensors)
        #expect(used.map(\.index).sorted() == Array(adapter.tensors.indices))
        for tensor in used { #expect(try adapter.values(of: tensor).count == tensor.info.elementCount) }
    }

    @Test(arguments: [
        ("llama-plain", "model.layers.0.mlp.down_proj", 8, 2.0),
        ("llama-rslora", "model.layers.0.self_attn.q_proj", 8, 16 / 8.0.squareRoot()),
        ("llama-rank-alpha-pattern", "model.layers.0.self_attn.q_proj", 4, 4),
        ("llama-rank-alpha-pattern", "model.layers.0.self_attn.v_proj", 2, 8),
        ("llama-rank-alpha-pattern", "model.layers.1.self_attn.v_proj", 8, 2),
        ("llama-rank-alpha-pattern", "model.layers.1.mlp.down_proj", 12, 0.5),
        ("llama-rank-alpha-pattern", "model.layers.1.self_attn.k_proj", 8, 4), ("gpt2-embedding-tied", "transformer.wte", 4, 2),
    ])
    func scalesAsPEFTDoes(_ name: String, _ module: String, _ rank: Int, _ scaling: Double) throws {
        let update = try #require(try Self.module(try Adapter.open(Fixture.adapter(name)), module).update)
        #expect(update.rank == rank && update.scaling == scaling)
    }

    @Test func readsBfloat16Exactly() throws {
        let adapter = try Adapter.open(Fixture.adapter("llama-bf16-adapter"))
        let tensor = try #require(adapter.modules.first?.update?.a)
        let values = try adapter.values(of: tensor)
        #expect(tensor.info.scalarType == .bf16 && values.allSatisfy { $0.bitPattern & 0xffff == 0 } && values.contains { $0 != 0 })
        var part = [Float](repeating: 0, count: 5)
        var span = part.mutableSpan
        try adapter.read(tensor, from: 7, into: &span)
        #expect(part == Array(values[7..<12]))
    }

    @Test func knowsEachKindOfChange() throws {
        let dora = try Self.module(try Adapter.open(Fixture.adapter("gpt2-dora")), "transformer.h.0.attn.c_attn")
        #expect(dora.update?.magnitude?.dimensions == [144] && dora.parameterName == "transformer.h.0.attn.c_attn.weight")
        let saved = try Adapter.open(Fixture.adapter("llama-modules-to-save")).modules.map(\.parameterName)
        #expect(saved.contains("lm_head.weight") && saved.contains("model.norm.weight"))
        let biases = try Adapter.open(Fixture.adapter("gpt2-bias-all"))
        let wrapped = biases.modules.filter { $0.name == "transformer.h.0.attn.c_attn" }.map(\.parameterName)
        #expect(wrapped == ["transformer.h.0.attn.c_attn.weight", "transformer.h.0.attn.c_attn.bias"])
        let embedding = try Self.module(try Adapter.open(Fixture.adapter("llama-embedding")), "model.embed_tokens")
        guard case .embedding(let update) = embedding.change else { Issue.record("\(embedding)"); return }
        #expect(update.inputCount == 256 && update.outputCount == 64 && embedding.trainedCount == 4 * (256 + 64))
    }
}
