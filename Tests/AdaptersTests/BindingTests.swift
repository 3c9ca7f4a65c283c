import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Adapters

@Suite struct BindingTests {
    private static func parameter(_ name: String, _ dimensions: [Int], orientation: Orientation = .outputsByInputs) throws -> BaseParameter
    {
        BaseParameter(name: name, shape: try tensorInfo(name, .f32, dimensions).shape, orientation: orientation)
    }

    private static func adapter(_ tensors: [StoredTensor], _ members: KeyValuePairs<String, JSONValue>) throws -> (AdapterFolder, Adapter) {
        let folder = try AdapterFolder(members, tensors)
        return (folder, try Adapter.open(folder.path))
    }

    private static let plain: KeyValuePairs<String, JSONValue> = ["r": .integer(2), "base_model_name_or_path": .string("tiny")]

    @Test(arguments: [("model.q", "model.q.weight"), ("q", "model.q.weight"), ("model.q", "q.weight"), ("transformer.q", "q.weight")])
    func findsNamesWithAndWithoutPrefix(_ module: String, _ parameter: String) throws {
        let (_, adapter) = try Self.adapter(AdapterFolder.factors(module), Self.plain)
        let base = [try Self.parameter("other", [1]), try Self.parameter(parameter, [4, 3])]
        let targets = try AdapterBinding(adapter, to: base, basePath: "base").targets
        #expect(targets.map(\.parameter) == [1] && targets.map(\.isTiedHead) == [false])
    }

    /// The square case: shapes cannot tell, and `fan_in_fan_out` is not asked.
    @Test(arguments: [Orientation.outputsByInputs, .inputsByOutputs]) func orientationIsThatOfTheBase(_ orientation: Orientation) throws {
        let (_, adapter) = try Self.adapter(AdapterFolder.factors("h.0.c_fc"), Self.plain)
        let fits = orientation.turned([4, 3])
        _ = try AdapterBinding(adapter, to: [try Self.parameter("h.0.c_fc.weight", fits, orientation: orientation)], basePath: "base")
        let error = #expect(throws: FileError.self) {
            try AdapterBinding(
                adapter, to: [try Self.parameter("h.0.c_fc.weight", fits.reversed(), orientation: orientation)], basePath: "base")
        }
        #expect(
            error?.message
                == "does not fit base: 1 of another shape: h.0.c_fc.weight is \(Array(fits.reversed())), but the adapter is of one \(fits) "
                + "(the other way round: the base is of another family than the adapter's)")
        #expect(error?.hint == "it was trained on 'tiny'")
    }

    @Test func listsEverythingThatDoesNotFit() throws {
        let (folder, adapter) = try Self.adapter(
            AdapterFolder.factors("a") + AdapterFolder.factors("b") + AdapterFolder.factors("c") + AdapterFolder.factors("d"), Self.plain)
        let base = [try Self.parameter("a.weight", [4, 5]), try Self.parameter("b.weight", [4, 3])]
        let error = #expect(throws: FileError.self) { try AdapterBinding(adapter, to: base, basePath: "base") }
        #expect(
            error?.inFolder(folder.path)
                == FileError(
                    ".",
                    "does not fit base: 2 of the parameters it changes are not in the base: c.weight; d.weight; "
                        + "1 of another shape: a.weight is [4, 5], but the adapter is of one [4, 3]", hint: "it was trained on 'tiny'"))
    }

    @Test func namesAnotherFamily() throws {
        let (_, adapter) = try Self.adapter(AdapterFolder.factors("model.layers.0.self_attn.q_proj"), ["r": .integer(2)])
        let error = #expect(throws: FileError.self) {
            try AdapterBinding(
                adapter, to: [try Self.parameter("h.0.attn.c_attn.weight", [3, 9], orientation: .inputsByOutputs)], basePath: "gpt2")
        }
        #expect(
            error?.message == "is of another family than gpt2: it changes 'model.layers.0.self_attn.q_proj.weight', "
                + "but the base has names like 'h.0.attn.c_attn.weight'")
    }

    @Test func aTiedHeadIsTheEmbedding() throws {
        let (_, adapter) = try Self.adapter(AdapterFolder.factors("lm_head"), Self.plain)
        let base = [try Self.parameter("model.embed_tokens.weight", [4, 3])]
        #expect(throws: FileError.self) { try AdapterBinding(adapter, to: base, basePath: "base") }
        let binding = try AdapterBinding(adapter, to: base, basePath: "base", tiedEmbedding: "model.embed_tokens.weight")
        let target = try #require(binding.targets.first)
        #expect(target.parameter == 0 && target.isTiedHead)
    }

    @Test func biasOfTheFactorsGoesToThatOfTheBaseWhereThereIsOne() throws {
        let tensors = AdapterFolder.factors("q") + [StoredTensor("q.lora_B.bias", [4], [1, 2, 3, 4])]
        let (_, adapter) = try Self.adapter(tensors, ["r": .integer(2), "lora_bias": .bool(true)])
        let weight = try Self.parameter("q.weight", [4, 3])
        #expect(try AdapterBinding(adapter, to: [weight, try Self.parameter("q.bias", [4])], basePath: "base").targets.first?.bias == 1)
        #expect(try AdapterBinding(adapter, to: [weight], basePath: "base").targets.first?.bias == nil)
        let short = #expect(throws: FileError.self) {
            try AdapterBinding(adapter, to: [weight, try Self.parameter("q.bias", [3])], basePath: "base")
        }
        #expect(short?.message == "does not fit base: 1 of another shape: q.bias is [3], but the adapter adds [4] to it")
    }

    @Test func replacedRowsMustExist() throws {
        let rows = [StoredTensor("embed_tokens.token_adapter.trainable_tokens_delta", [2, 3], [1, 2, 3, 4, 5, 6])]
        let (_, adapter) = try Self.adapter(rows, ["trainable_token_indices": .array([.integer(7), .integer(1)])])
        _ = try AdapterBinding(adapter, to: [try Self.parameter("model.embed_tokens.weight", [8, 3])], basePath: "base")
        let error = #expect(throws: FileError.self) {
            try AdapterBinding(adapter, to: [try Self.parameter("model.embed_tokens.weight", [7, 3])], basePath: "base")
        }
        #expect(
            error?.message == "does not fit base: 1 of another shape: model.embed_tokens.weight has 7 rows, but the adapter replaces row 7")
    }

    /// Of embeddings and heads the number of rows may differ where the adapter holds them all; of nothing else.
    @Test func tablesMayHaveOtherRows() throws {
        func target(_ module: String, _ dimensions: [Int], of base: [Int]) throws -> AdapterBinding.Target? {
            let tensor = StoredTensor("\(module).weight", dimensions, (0..<dimensions.reduce(1, *)).map { Float($0) })
            let (_, adapter) = try Self.adapter([tensor], ["modules_to_save": .strings([module])])
            return try AdapterBinding(adapter, to: [try Self.parameter("\(module).weight", base)], basePath: "base").targets.first
        }
        #expect(try target("lm_head", [6, 3], of: [4, 3])?.table?.dimensions == [6, 3])
        #expect(try target("model.embed_tokens", [3, 3], of: [4, 3])?.table?.dimensions == [3, 3])
        #expect(try target("lm_head", [4, 3], of: [4, 3])?.table == nil)
        for (module, dimensions) in [("lm_head", [4, 2]), ("q_proj", [6, 3]), ("transformer.wpe", [6, 3])] {
            let error = #expect(throws: FileError.self) { try target(module, dimensions, of: [4, 3]) }
            #expect(
                error?.message
                    == "does not fit base: 1 of another shape: \(module).weight is [4, 3], but the adapter replaces it by \(dimensions)")
        }
    }

    @Test func addedRowsMustBeInTheAdapter() throws {
        let tensors = [
            StoredTensor("embed_tokens.lora_embedding_A", [2, 6], (0..<12).map { Float($0) }),
            StoredTensor("embed_tokens.lora_embedding_B", [3, 2], (0..<6).map { Float($0) }),
        ]
        let (_, adapter) = try Self.adapter(tensors, Self.plain)
        let error = #expect(throws: FileError.self) {
            try AdapterBinding(adapter, to: [try Self.parameter("embed_tokens.weight", [4, 3])], basePath: "base")
        }
        #expect(
            error?.message
                == "does not fit base: 1 of another shape: embed_tokens.weight has 4 rows, but the adapter is of one with 6, and does not "
                + "hold the others")
    }
}
