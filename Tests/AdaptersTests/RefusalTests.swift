import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// Adapters whose tensors do not fit each other or their configuration, folders that are no adapters.
@Suite struct RefusalTests {
    private static func tensor(_ name: String, _ dimensions: [Int]) -> StoredTensor {
        StoredTensor(name, dimensions, [Float](repeating: 1, count: dimensions.reduce(1, *)))
    }

    private struct Case: Sendable {
        let members: KeyValuePairs<String, JSONValue>
        let tensors: [StoredTensor]
        let place: String?
        let message: String
    }

    @Test func refusesFactorsThatDoNotFit() throws {
        let full = AdapterFolder.prefix
        func tensor(_ name: String) -> String { "tensor '\(full)\(name)'" }
        let a = Self.tensor("q.lora_A.weight", [2, 3]), b = Self.tensor("q.lora_B.weight", [4, 2])
        let cases = [
            Case(members: ["r": .integer(2)], tensors: [a], place: "module 'q'", message: "has lora_A.weight, but no lora_B.weight"),
            Case(members: ["r": .integer(2)], tensors: [b], place: "module 'q'", message: "has lora_B.weight, but no lora_A.weight"),
            Case(
                members: ["r": .integer(3)], tensors: [a, b], place: tensor("q.lora_A.weight"),
                message: "has rank 2, but the configuration says 3"),
            Case(
                members: ["r": .integer(2), "rank_pattern": .object(["q": .integer(1)])], tensors: [a, b], place: tensor("q.lora_A.weight"),
                message: "has rank 2, but the configuration says 1"),
            Case(
                members: ["r": .integer(2)], tensors: [a, Self.tensor("q.lora_B.weight", [4, 1])], place: tensor("q.lora_B.weight"),
                message: "has shape [4, 1] and so rank 1, but its other factor has rank 2"),
            Case(
                members: ["r": .integer(2)], tensors: [Self.tensor("q.lora_A.weight", [2, 3, 3, 3]), b], place: tensor("q.lora_A.weight"),
                message: "has shape [2, 3, 3, 3], but only factors of two dimensions, none of them 0, are supported"),
            Case(
                members: ["r": .integer(2)], tensors: [a, b, Self.tensor("q.lora_B.bias", [4])], place: "module 'q'",
                message: "has a lora_B.bias, but 'lora_bias' is false"),
            Case(
                members: ["r": .integer(2), "lora_bias": .bool(true)], tensors: [a, b], place: "module 'q'",
                message: "has no lora_B.bias, but 'lora_bias' is true"),
            Case(
                members: ["r": .integer(2), "use_dora": .bool(true)], tensors: [a, b], place: "module 'q'",
                message: "has no lora_magnitude_vector, but 'use_dora' is true"),
            Case(
                members: ["r": .integer(2), "use_dora": .bool(true)], tensors: [a, b, Self.tensor("q.lora_magnitude_vector", [3])],
                place: tensor("q.lora_magnitude_vector"), message: "has shape [3], but lora_B has [4, 2], so [4] is expected"),
            Case(
                members: ["r": .integer(2), "use_dora": .bool(true)],
                tensors: [Self.tensor("wte.lora_embedding_A", [2, 3]), Self.tensor("wte.lora_embedding_B", [4, 2])], place: "module 'wte'",
                message: "is an embedding with DoRA, which is not supported"),
            Case(
                members: ["r": .integer(2)], tensors: [a, b, Self.tensor("q.lora_embedding_A", [2, 3])], place: "module 'q'",
                message: "has both the parts of a linear layer and those of an embedding"),
            Case(
                members: ["r": .integer(2)],
                tensors: [
                    Self.tensor("wte.lora_embedding_A", [2, 3]), Self.tensor("wte.lora_embedding_B", [4, 2]),
                    Self.tensor("wte.base_layer.weight", [3, 5]),
                ], place: tensor("wte.base_layer.weight"), message: "has shape [3, 5], but the factors are of a weight [3, 4]"),
            Case(
                members: ["r": .integer(2)], tensors: [Self.tensor("wte.token_adapter.trainable_tokens_delta", [2, 3])],
                place: tensor("wte.token_adapter.trainable_tokens_delta"),
                message: "holds rows of tokens, but 'trainable_token_indices' does not say of which"),
            Case(
                members: ["trainable_token_indices": .array([.integer(1)])],
                tensors: [Self.tensor("wte.token_adapter.trainable_tokens_delta", [2, 3])],
                place: tensor("wte.token_adapter.trainable_tokens_delta"),
                message: "has shape [2, 3], but 'trainable_token_indices' names 1 tokens"),
            Case(
                members: ["r": .integer(2)],
                tensors: [a, StoredTensor("q.lora_B.weight", .f64, [4, 2], [UInt8](repeating: 0, count: 64))],
                place: tensor("q.lora_B.weight"), message: "is F64, but adapters are F32, F16 or BF16"),
            Case(members: [:], tensors: [], place: nil, message: "holds no tensors, so it adapts nothing"),
        ]
        for item in cases {
            let error = try AdapterFolder(item.members, item.tensors).refusal()
            #expect(error?.place == item.place && error?.message == item.message, "\(item.message)")
        }
    }

    @Test(arguments: [
        ["q.lora_A.default.weight"], ["q.lora_E"], ["q.base_layer.weight"], ["q.base_layer.bias"], ["ln_1.bias"], ["norm.weight"],
        ["model.layers.0.q.lora_a"],
    ])
    func listsTensorsItWouldNotUse(_ names: [String]) throws {
        let folder = try AdapterFolder(["r": .integer(2)], AdapterFolder.factors("k") + names.map { Self.tensor($0, [2, 2]) })
        let isMLX = names[0].hasSuffix("lora_a")
        #expect(
            folder.refusal()
                == FileError(
                    "adapter_model.safetensors", "1 of its tensors would not be used: '\(AdapterFolder.prefix)\(names[0])'",
                    hint: isMLX
                        ? "names in lower case are those of MLX, which are read without PEFT's prefix and with MLX's configuration"
                        : "nothing in the configuration says what they are for"))
    }

    @Test func namesWithoutPrefixAreNotUsed() throws {
        let folder = try AdapterFolder(AdapterFolder.factors("k"))
        try folder.folder.write(AdapterFolder.factors("k").safetensors(), to: "adapter_model.safetensors")
        #expect(folder.refusal()?.message == "2 of its tensors would not be used: 'k.lora_A.weight', 'k.lora_B.weight'")
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func refusesWeightsThatAreNoNumbers(_ value: Float) throws {
        var tensors = AdapterFolder.factors("q")
        tensors[1] = StoredTensor(tensors[1].name, [4, 2], [1, 2, 3, value, 5, 6, 7, 8])
        let folder = try AdapterFolder(tensors)
        let adapter = try Adapter.open(folder.path)
        let update = try #require(adapter.modules.first?.update)
        #expect(try adapter.values(of: update.a).count == 6)
        let error = #expect(throws: FileError.self) { try adapter.values(of: update.b) }
        #expect(error?.place == "tensor '\(AdapterFolder.prefix)q.lora_B.weight'" && error?.message == "element 3 is no finite number")
        #expect(throws: FileError.self) {
            try adapter.copy(to: folder.folder.path("x.lora"), as: .lora, replaces: false, tool: "t")
        }
        #expect(try folder.folder.names() == ["adapter_config.json", "adapter_model.safetensors"])
    }

    @Test func refusesACutFile() throws {
        let folder = try AdapterFolder(AdapterFolder.factors("q"))
        try folder.folder.write(try folder.folder.bytes("adapter_model.safetensors").dropLast(), to: "adapter_model.safetensors")
        #expect(folder.refusal()?.message == "the header describes 56 bytes of data, but 55 follow it (1 missing)")
    }

    @Test(arguments: [
        ("version https://git-lfs.github.com/spec/v1\nsize 7\n", "is a Git LFS pointer, not the file itself (the real one has 7 bytes)"),
        ("<!DOCTYPE html><html>", "is an HTML page, not a model"), ("GGUF....", "is a GGUF file"),
    ])
    func namesWhatCameInPlaceOfTheWeights(_ text: String, _ message: String) throws {
        let folder = try AdapterFolder(AdapterFolder.factors("q"))
        try folder.folder.write(text, to: "adapter_model.safetensors")
        #expect(folder.refusal()?.path == "adapter_model.safetensors" && folder.refusal()?.message == message)
    }

    @Test(
        arguments: [
            (
                [], "holds no adapter",
                "an adapter is a PEFT folder (adapter_config.json and adapter_model.safetensors), a .lora file, a GGUF file or a folder of mlx-lm"
            ),
            (
                ["config.json", "model.safetensors"], "is a model, not an adapter",
                "an adapter is a PEFT folder (adapter_config.json and adapter_model.safetensors), a .lora file, a GGUF file or a folder of mlx-lm"
            ),
            (
                ["adapter_config.json"], "has adapter_config.json, but no adapter_model.safetensors",
                "the download is incomplete; fetch it, too"
            ),
            (
                ["adapter_config.json", "adapters.npz"],
                "is an MLX adapter in NumPy's form (adapters.npz), as mlx-lm wrote it until 2024, which is not read",
                "save it again with a present mlx-lm, as adapters.safetensors"
            ),
        ] as [([String], String, String)])
    func saysWhyAFolderIsNoAdapter(_ names: [String], _ message: String, _ hint: String) throws {
        let folder = try TemporaryFolder()
        for name in names { try folder.write("", to: name) }
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path) }
        #expect(error?.inFolder(folder.path) == FileError(".", message, hint: hint))
    }

    @Test func weightsAloneAreNotEnough() throws {
        let folder = try TemporaryFolder()
        let tensors = AdapterFolder.factors("q").map {
            StoredTensor(AdapterFolder.prefix + $0.name, $0.scalarType, $0.dimensions, $0.bytes)
        }
        try folder.write(tensors.safetensors(), to: "adapter_model.safetensors")
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path) }
        #expect(error?.message == "has no adapter_config.json" && error?.hint == "without it nobody knows the scaling; fetch it, too")
        let file = #expect(throws: FileError.self) { try Adapter.open(folder.path("adapter_model.safetensors")) }
        #expect(file?.message == "has the tensors of an adapter, but no adapter_config.json lies beside it")
        try folder.write([StoredTensor("w", [1], [1])].safetensors(), to: "model.safetensors")
        let model = #expect(throws: FileError.self) { try Adapter.open(folder.path("model.safetensors")) }
        #expect(model?.message == "is no adapter")
    }

    @Test(
        arguments: [
            (["lora.version": "2", "lora.config": "{}"], "'lora.version' is '2', but this program reads version 1"),
            (["lora.config": "{}"], "'lora.version' is missing, but this program reads version 1"),
            (
                ["lora.version": "1", "lora.base_fingerprint": "sha256:12"],
                "'lora.base_fingerprint' is 'sha256:12', but 'sha256:' and 64 lower-case hexadecimal digits are expected"
            ),
            (["lora.version": "1", "lora.calibration_sample": "[]"], "'lora.calibration_sample' is no list of texts"),
            (["lora.version": "1", "lora.calibration_sample": "[\"a\", 1]"], "'lora.calibration_sample' is no list of texts"),
            (["lora.version": "1", "lora.calibration_sample": "a"], "'lora.calibration_sample' is no list of texts"),
            (["lora.version": "1", "lora.crc32c": "1234"], "'lora.crc32c' has 4 digits, but 2 tensors need 16"),
            (["lora.version": "1", "lora.crc32c": "00000000xyz00000"], "'lora.crc32c' is no list of checksums at digit 8"),
        ] as [(KeyValuePairs<String, String>, String)])
    func refusesDamagedMetadata(_ metadata: KeyValuePairs<String, String>, _ message: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(AdapterFolder.factors("q").safetensors(metadata: metadata), to: "a.lora")
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path("a.lora")) }
        #expect(error?.place == "__metadata__" && error?.message == message)
    }

    @Test func saysWhatIsOdd() throws {
        func warnings(_ members: KeyValuePairs<String, JSONValue>, _ others: [StoredTensor] = []) throws -> [String] {
            let folder = try AdapterFolder(members, AdapterFolder.factors("q") + others)
            return try Adapter.open(folder.path).warnings
        }
        #expect(
            try warnings(["r": .integer(2)], [Self.tensor("lm_head.weight", [4, 3])])
                == ["the whole weight of 'lm_head' is saved although 'modules_to_save' does not name it; it replaces the base's"])
        #expect(
            try warnings(["r": .integer(2), "bias": .string("lora_only")])
                == ["'bias' is 'lora_only', but no bias is in the file: several versions of PEFT train them and do not save them"])
        #expect(
            try warnings(["r": .integer(2), "modules_to_save": .strings(["score"])])
                == ["'modules_to_save' names 'score', but the file holds no weight of such a module"])
    }

    @Test func aCopyOfTheBaseIsRecognised() throws {
        let tensors = [
            Self.tensor("wte.lora_embedding_A", [2, 5]), Self.tensor("wte.lora_embedding_B", [4, 2]),
            Self.tensor("wte.base_layer.weight", [5, 4]),
        ]
        let folder = try AdapterFolder(["r": .integer(2)], tensors)
        let adapter = try Adapter.open(folder.path)
        #expect(adapter.warnings == [] && adapter.modules.count == 1 && adapter.trainedCount == 10 + 8)
        #expect(adapter.modules[0].update?.baseCopy?.dimensions == [5, 4])
    }

    /// LoRAs of other programs, by their file, in a folder of their own, and under PEFT's names.
    @Test(arguments: [
        (
            ["lora_unet_down_blocks_0.lora_down.weight", "lora_te_text_model.alpha"],
            "is a LoRA in the form of the kohya scripts (lora_down, lora_up, alpha), for a model of images",
            "there is no language model that it could be merged into"
        ),
        (
            ["model.layers.0.q_proj.lora_up.weight"], "is a LoRA in the form of the kohya scripts (lora_down, lora_up, alpha)",
            "save it in PEFT's form, with adapter_config.json"
        ),
        (
            ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"],
            "is a LoRA in the form of diffusers, for a model of images", "there is no language model that it could be merged into"
        ),
    ])
    func namesWhatIsNotPEFTs(_ names: [String], _ message: String, _ hint: String) throws {
        let tensors = names.map { StoredTensor($0, [1], [1]) }
        let folder = try TemporaryFolder()
        try folder.write(tensors.safetensors(), to: "picture.safetensors")
        for path in [folder.path, folder.path("picture.safetensors")] {
            let error = #expect(throws: FileError.self) { try Adapter.open(path) }
            #expect(error?.inFolder(folder.path) == FileError("picture.safetensors", message, hint: hint))
        }
        try folder.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
        try folder.write(tensors.safetensors(), to: "adapter_model.safetensors")
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path) }
        #expect(error?.inFolder(folder.path) == FileError("adapter_model.safetensors", message, hint: hint))
    }
}
