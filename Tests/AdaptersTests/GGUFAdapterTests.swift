import Architectures
import ByteIO
import GGUFFormat
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// GGUF adapters, as llama.cpp's converter makes them of what PEFT saved, and with all scales in B.
@Suite struct GGUFAdapterTests {
    /// The converter swaps the factors of GPT-2.
    static let converted = ["llama-all", "llama-embed", "llama-head", "llama-patterns", "llama-qv-rslora", "qwen2-all"]
    static let folded = ["gpt2-attn", "gpt2-proj", "llama-all", "llama-head", "llama-patterns", "llama-qv-rslora", "qwen2-all"]

    static func path(_ name: String, _ file: String) -> String { Fixture.path("gguf/lora/\(name)/\(file)") }

    static func model(_ name: String) throws -> ModelDescription {
        let base = name.prefix { $0 != "-" }
        return try ModelDescription(config: JSONValue(parsing: Fixture.bytes(Fixture.path("gguf/models/\(base)/config.json"))))
    }

    private static func updates(_ adapter: Adapter) -> [String: LowRankUpdate] {
        Dictionary(uniqueKeysWithValues: adapter.modules.compactMap { module in module.update.map { (module.name, $0) } })
    }

    @Test(arguments: converted) func holdsWhatPEFTSaved(_ name: String) throws {
        let adapter = try Adapter.open(Self.path(name, "adapter.gguf")).placed(on: try Self.model(name), basePath: "base")
        let peft = try Adapter.open(Self.path(name, "peft"))
        #expect(adapter.form == .gguf && adapter.folder == nil && adapter.warnings == [])
        #expect(adapter.modules.map(\.parameterName) == peft.modules.map(\.parameterName))
        let theirs = Self.updates(peft)
        for (module, update) in Self.updates(adapter) {
            let other = try #require(theirs[module])
            #expect(update.a.info.name == other.a.info.name && update.b.info.name == other.b.info.name)
            #expect(try adapter.bytes(of: update.a) == peft.bytes(of: other.a), "\(module)")
            #expect(try adapter.bytes(of: update.b) == peft.bytes(of: other.b), "\(module)")
            // The converter knows one alpha, and no rsLoRA.
            #expect(update.scaling == 8 / Double(other.rank))
        }
    }

    @Test(arguments: folded) func holdsScaledFactors(_ name: String) throws {
        let adapter = try Adapter.open(Self.path(name, "adapter-folded.gguf")).placed(on: try Self.model(name), basePath: "base")
        let peft = try Adapter.open(Self.path(name, "peft"))
        let theirs = Self.updates(peft)
        #expect(adapter.modules.count == peft.modules.count && adapter.warnings == [])
        #expect(adapter.configuration.fanInFanOut == name.hasPrefix("gpt2"))
        for (module, update) in Self.updates(adapter) {
            let other = try #require(theirs[module])
            #expect(update.scaling == 1 && update.alpha == Double(update.rank))
            #expect(try adapter.values(of: update.a) == peft.values(of: other.a))
            #expect(try adapter.values(of: update.b) == peft.values(of: other.b).map { $0 * Float(other.scaling) })
        }
    }

    @Test func namesItsTargetsAsPEFTFindsThem() throws {
        let all = try Adapter.open(Self.path("llama-head", "adapter.gguf"))
        #expect(all.configuration.targetModules == ["lm_head", "self_attn.q_proj"])
        let one = try GGUFAdapterImage(
            [("adapter.lora.alpha", .f32(0.1))],
            [
                .init("blk.3.attn_q.weight.lora_a", [2, 4]), .init("blk.3.attn_q.weight.lora_b", [8, 2]),
                .init("blk.1.attn_v.weight.lora_a", [3, 4]), .init("blk.1.attn_v.weight.lora_b", [8, 3]),
            ])
        let configuration = try Adapter.open(one.path).configuration
        #expect(configuration.targetModules == ["model.layers.1.self_attn.v_proj", "model.layers.3.self_attn.q_proj"])
        #expect(
            configuration.rank(of: "model.layers.1.self_attn.v_proj") == 3 && configuration.rank(of: "model.layers.3.self_attn.q_proj") == 2
        )
        #expect(configuration.alpha == 0.1)
    }

    // MARK: - Rows in pairs

    @Test func readsRowsInPairsOnlyForABase() throws {
        let values = (0..<16).map(Float.init)
        let image = try GGUFAdapterImage([], [.init("blk.0.attn_q.weight.lora_b", [8, 2], values), GGUFAdapterImage.factors[0]])
        let adapter = try Adapter.open(image.path), b = try #require(adapter.modules[0].update?.b)
        #expect(adapter.hasUnknownRows)
        let error = #expect(throws: FileError.self) { try adapter.values(of: b) }
        #expect(
            error
                == FileError(
                    image.path, at: "tensor 'blk.0.attn_q.weight.lora_b'",
                    "its rows lie in pairs in each head, and only the base says how wide a head is",
                    hint: "`Adapter.placed` makes an adapter of it that is read without a base"))
        #expect(try adapter.withRowsAsStored.values(of: b) == values)
        let unnamed = #expect(throws: FileError.self) { try adapter.placed(on: nil, basePath: "base") }
        #expect(unnamed?.message == "has rows of queries and keys in pairs, but nothing says how wide a head of base is")
        // Heads of 12 rows.
        let wide = try adapter.placed(on: try Self.model("llama"), basePath: "base")
        let misfit = #expect(throws: FileError.self) { try wide.values(of: b) }
        #expect(
            misfit?.message == "has 8 rows, but the heads of the base have \(try Self.model("llama").layers[0].attention.headWidth) rows")
    }

    /// Whatever part is asked for, from whichever byte on.
    @Test(arguments: ["llama-embed", "llama-all"]) func readsEveryPart(_ name: String) throws {
        let adapter = try Adapter.open(Self.path(name, "adapter.gguf")).placed(on: try Self.model(name), basePath: "base")
        for index in adapter.tensors.indices {
            let whole = try adapter.source.bytes(ofTensor: index)
            for start in [0, 1, 3, 190, whole.count - 5] {
                for count in [1, 7, 200, 1500] where start + count <= whole.count {
                    #expect(try adapter.source.bytes(ofTensor: index, start..<start + count) == Array(whole[start..<start + count]))
                }
            }
        }
    }

    @Test func isForOneArchitecture() throws {
        let adapter = try Adapter.open(Self.path("qwen2-all", "adapter.gguf"))
        #expect(!adapter.hasUnknownRows)
        let error = #expect(throws: FileError.self) { try adapter.placed(on: try Self.model("llama"), basePath: "base") }
        #expect(error?.message == "is for a base of the architecture 'qwen2', but base is a llama")
        let base = try AdapterBase(Self.model("llama"), path: "base")
        #expect(throws: FileError.self) { try BoundAdapters([WeightedAdapter(adapter)], to: base) }
    }

    // MARK: - Types

    @Test func readsSixteenBitsAsTheyAre() throws {
        let bits: [UInt16] = [0x3c00, 0xc000, 0x3800, 0x0001, 0, 0x8000, 0x3c01, 0x4000]
        for (type, scalarType) in [("F16", ScalarType.f16), ("BF16", .bf16)] {
            let bytes = bits.withUnsafeBytes { Array($0) }
            let image = try GGUFAdapterImage(
                [], [.init("output.weight.lora_a", [2, 4], type: type, bytes: bytes), .init("output.weight.lora_b", [8, 2])])
            let adapter = try Adapter.open(image.path), a = try #require(adapter.modules[0].update?.a)
            #expect(a.info.scalarType == scalarType && adapter.modules[0].name == "lm_head")
            #expect(try adapter.bytes(of: a) == bytes)
        }
    }

    @Test func decodesBlocks() throws {
        // A scale of 0.5 and the codes -16 to 15, twice.
        let block: [UInt8] = [0x00, 0x38] + (-16..<16).map { UInt8(bitPattern: Int8($0)) }
        let image = try GGUFAdapterImage(
            [], [.init("output.weight.lora_a", [2, 32], type: "Q8_0", bytes: block + block), .init("output.weight.lora_b", [8, 2])])
        let adapter = try Adapter.open(image.path), a = try #require(adapter.modules[0].update?.a)
        let expected = (0..<64).map { Float($0 % 32 - 16) / 2 }
        #expect(a.info.scalarType == .f32)
        #expect(try adapter.values(of: a) == expected)
        var part = [Float](repeating: 0, count: 9)
        var span = part.mutableSpan
        try adapter.read(a, from: 29, into: &span)
        #expect(part == Array(expected[29..<38]))
        let damaged = try GGUFAdapterImage(
            [],
            [
                .init("output.weight.lora_a", [1, 32], type: "Q8_0", bytes: [0, 0x7c] + block.dropFirst(2)),
                .init("output.weight.lora_b", [8, 1]),
            ])
        let infinite = try Adapter.open(damaged.path)
        let error = #expect(throws: FileError.self) { try infinite.values(of: AdapterTensor(index: 0, info: infinite.tensors[0])) }
        #expect(error?.message == "element 0 is no finite number")
    }

    // MARK: - What is odd

    @Test func tellsOfFactorsThatMayBeSwapped() throws {
        let adapter = try Adapter.open(Self.path("gpt2-proj", "adapter.gguf"))
        #expect(adapter.warnings.count == 1 && adapter.warnings[0].contains("'transformer.h.0.attn.c_proj' in the place of each other"))
        // Where the shape tells, the base does.
        let swapped = try Adapter.open(Self.path("gpt2-attn", "adapter.gguf"))
        let base = try AdapterBase(Self.model("gpt2"), path: "base")
        let error = #expect(throws: FileError.self) { try BoundAdapters([WeightedAdapter(swapped)], to: base) }
        #expect(error?.message.contains("the other way round") == true)
    }

    @Test func tellsAdaptersFromModels() throws {
        #expect(
            Adapter.isPresent(at: Self.path("llama-all", "adapter.gguf"))
                && Adapter.isPresent(at: Self.path("llama-all", "adapter-folded.gguf")))
        #expect(!Adapter.isPresent(at: Fixture.path("gguf/models/llama/model.gguf")))
        let image = try GGUFAdapterImage()
        let error = #expect(throws: FileError.self) { try Adapter.open(image.folder.path) }
        #expect(error?.message == "holds an adapter in a GGUF file ('a.gguf')" && error?.hint == "name the file itself")
        #expect(throws: FileError.self) { try Adapter.open(Fixture.path("gguf/models/llama/model.gguf")) }
    }
}
