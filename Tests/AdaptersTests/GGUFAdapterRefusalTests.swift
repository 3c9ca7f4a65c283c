import ByteIO
import GGUFFormat
import TestSupport
import Testing

@testable import Adapters

/// One GGUF adapter for each rule that it breaks.
@Suite struct GGUFAdapterRefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var keys: [(String, GGUFValue?)] = []
        var factors = GGUFAdapterImage.factors.map { ($0.name, $0.dimensions, $0.type) }
        let place: String?
        let message: String

        var testDescription: String { name }

        /// - Parameter factors: in the place of those of the query.
        init(
            _ name: String, keys: [(String, GGUFValue?)] = [], factors: [(String, [Int], String)]? = nil, at place: String? = nil,
            _ message: String
        ) {
            self.name = name
            self.keys = keys
            if let factors { self.factors = factors }
            self.place = place
            self.message = message
        }
    }

    private static let (a, b) = ("blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b")

    static let cases = [
        Case("model", keys: [("general.type", .string("model"))], "is a GGUF file, but no adapter"),
        Case("no type", keys: [("general.type", nil)], "is a GGUF file, but no adapter ('general.type' is missing)"),
        Case("other type", keys: [("general.type", .string("imatrix"))], "is a GGUF file, but no adapter ('general.type' is 'imatrix')"),
        Case(
            "other kind", keys: [("adapter.type", .string("control"))], at: "key 'adapter.type'",
            "is 'control', but only 'lora' is supported"),
        Case("no kind", keys: [("adapter.type", nil)], at: "key 'adapter.type'", "is missing, but 'lora' is expected"),
        Case(
            "no architecture", keys: [("general.architecture", nil)], at: "key 'general.architecture'",
            "is missing, and without it nobody knows the names of the base"),
        Case(
            "other architecture", keys: [("general.architecture", .string("rwkv6"))], at: "key 'general.architecture'",
            "is 'rwkv6', which is not known"),
        Case(
            "alpha of another type", keys: [("adapter.lora.alpha", .u32(8))], at: "key 'adapter.lora.alpha'", "is u32, but f32 is expected"),
        Case(
            "infinite alpha", keys: [("adapter.lora.alpha", .f32(.infinity))], at: "key 'adapter.lora.alpha'",
            "is inf, but a finite number is expected"),
        Case(
            "unknown key", keys: [("adapter.lora.dora", .bool(true))], at: "key 'adapter.lora.dora'",
            "is unknown, and may change what the adapter does"),
        Case(
            "activated", keys: [("adapter.alora.invocation_tokens", .u32(1))], at: "key 'adapter.alora.invocation_tokens'",
            "the adapter changes only what comes after certain tokens (an activated LoRA), which is not supported"),
        Case("nothing", factors: [], "holds no tensors, so it adapts nothing"),
        Case(
            "no factor", factors: [("blk.0.attn_norm.weight", [4], "F32")], at: "tensor 'blk.0.attn_norm.weight'",
            "is no factor: names of an adapter end in .lora_a or .lora_b"),
        Case(
            "half", factors: [(a, [2, 4], "F32")], at: "tensor '\(a)'", "is one half of a pair, but '\(b)' is not in the file"),
        Case(
            "one dimension", factors: [(a, [8], "F32"), (b, [8, 2], "F32")], at: "tensor '\(a)'",
            "has shape [8], but a factor has two dimensions, none of them 0"),
        Case(
            "nothing in it", factors: [(a, [2, 4], "F32"), (b, [0, 2], "F32")], at: "tensor '\(b)'",
            "has shape [0, 2], but a factor has two dimensions, none of them 0"),
        Case(
            "ranks", factors: [(a, [2, 4], "F32"), (b, [8, 3], "F32")], at: "tensor '\(b)'",
            "has shape [8, 3] and so rank 3, but '\(a)' has rank 2"),
        Case(
            "ranks of an embedding", factors: [("token_embd.weight.lora_a", [4, 2], "F32"), ("token_embd.weight.lora_b", [8, 4], "F32")],
            at: "tensor 'token_embd.weight.lora_b'", "has shape [8, 4] and so rank 4, but 'token_embd.weight.lora_a' has rank 2"),
        Case(
            "type", factors: [(a, [2, 32], "Q4_0"), (b, [8, 2], "F32")], at: "tensor '\(a)'",
            "is Q4_0, but factors are F32, F16, BF16 or Q8_0"),
        Case(
            "wide type", factors: [(a, [2, 4], "F32"), (b, [8, 2], "F64")], at: "tensor '\(b)'",
            "is F64, but factors are F32, F16, BF16 or Q8_0"),
        Case(
            "bias", factors: [("blk.0.attn_q.bias.lora_a", [2, 4], "F32"), ("blk.0.attn_q.bias.lora_b", [8, 2], "F32")],
            at: "tensor 'blk.0.attn_q.bias.lora_a'", "is of no linear layer and no embedding of a llama"),
        Case(
            "norm", factors: [("blk.0.attn_norm.weight.lora_a", [2, 4], "F32"), ("blk.0.attn_norm.weight.lora_b", [8, 2], "F32")],
            at: "tensor 'blk.0.attn_norm.weight.lora_a'", "is of no linear layer and no embedding of a llama"),
        Case(
            "module of others",
            factors: [("blk.0.attn_qkv.weight.lora_a", [2, 4], "F32"), ("blk.0.attn_qkv.weight.lora_b", [8, 2], "F32")],
            at: "tensor 'blk.0.attn_qkv.weight.lora_a'", "is of no linear layer and no embedding of a llama"),
    ]

    @Test(arguments: cases) func refuses(_ broken: Case) throws {
        let image = try GGUFAdapterImage(broken.keys, broken.factors.map { .init($0.0, $0.1, type: $0.2) })
        let error = try #require(image.refusal())
        #expect(error.path == "a.gguf" && error.place == broken.place && error.message == broken.message)
    }

    @Test func takesWhatChangesNothing() throws {
        let image = try GGUFAdapterImage([
            ("adapter.lora.task_name", .string("chat")), ("adapter.lora.prompt_prefix", .string("")), ("general.name", .string("a")),
        ])
        #expect(try Adapter.open(image.path).modules.map(\.name) == ["model.layers.0.self_attn.q_proj"])
    }

    /// A rank of its own for each of many modules takes time that no adapter is worth.
    @Test func refusesTooManyRanks() throws {
        let factors = (0..<3000).flatMap { layer -> [GGUFAdapterImage.Factor] in
            let rank = layer % 2 + 1
            return [.init("blk.\(layer).ffn_up.weight.lora_a", [rank, 1]), .init("blk.\(layer).ffn_up.weight.lora_b", [1, rank])]
        }
        #expect(
            try GGUFAdapterImage([], factors).refusal()?.message
                == "1500 of 3000 modules have another rank than 2, which is more than is read")
    }

    /// Damaged anywhere in its header, a file is refused or read, and nothing else happens.
    @Test(arguments: ["llama-patterns/adapter", "llama-embed/adapter", "gpt2-attn/adapter-folded"])
    func survivesDamage(_ name: String) throws {
        let folder = try TemporaryFolder()
        let sound = try Fixture.bytes(Fixture.path("gguf/lora/\(name).gguf"))
        let model = try GGUFAdapterTests.model(name)
        var random = SeededGenerator(seed: 14)
        var readCount = 0
        for _ in 0..<600 {
            var bytes = sound
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                bytes[Int.random(in: 0..<800, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try folder.write(bytes, to: "a.gguf")
            do throws(FileError) {
                let adapter = try Adapter.open(folder.path("a.gguf"))
                for order in [adapter.withRowsAsStored, try adapter.placed(on: model, basePath: "base")] {
                    for index in order.tensors.indices { _ = try order.values(of: AdapterTensor(index: index, info: order.tensors[index])) }
                }
                readCount += 1
            } catch { #expect(!error.message.isEmpty) }
        }
        #expect(readCount > 0 && readCount < 600)
    }
}
