import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// Adapters of mlx-lm, against the same for PEFT, with which PEFT computes what MLX does.
@Suite struct MLXAdapterTests {
    private static func path(_ name: String) -> String { Fixture.path("grouped/mlx-adapters/\(name)") }

    @Test(arguments: ["lora", "dora"]) func isTheAdapterOfPEFT(_ name: String) throws {
        let adapter = try Adapter.open(Self.path(name)), expected = try Adapter.open(Self.path("\(name)-as-peft"))
        #expect(adapter.form == .mlx && adapter.warnings.isEmpty)
        #expect(adapter.modules.map(\.name) == expected.modules.map(\.name))
        #expect(adapter.configuration.rank == expected.configuration.rank && adapter.configuration.alpha == expected.configuration.alpha)
        #expect(adapter.configuration.usesDoRA == (name == "dora") && adapter.configuration.baseModelName == "base")
        for (module, other) in zip(adapter.modules, expected.modules) {
            let update = try #require(module.update), otherUpdate = try #require(other.update)
            #expect(update.scaling == otherUpdate.scaling)
            #expect(try adapter.values(of: update.a) == expected.values(of: otherUpdate.a))
            #expect(try adapter.values(of: update.b) == expected.values(of: otherUpdate.b))
            #expect((update.magnitude == nil) == (name == "lora"))
            if let magnitude = update.magnitude, let other = otherUpdate.magnitude {
                #expect(try adapter.values(of: magnitude) == expected.values(of: other))
            }
        }
    }

    /// A file that is cut off anywhere is refused, or is the whole adapter.
    @Test(arguments: ["lora", "dora"]) func nothingIsReadOfAPiece(_ name: String) throws {
        let folder = try TemporaryFolder()
        for file in ["adapter_config.json", "adapters.safetensors"] { try folder.copy(Self.path("\(name)/\(file)")) }
        for file in ["adapters.safetensors", "adapter_config.json"] {
            let faults = try truncationFaults(of: file, in: folder) {
                let adapter = try Adapter.open(folder.path)
                return try adapter.modules.map { module in
                    let update = try #require(module.update)
                    let magnitude = try update.magnitude.map { try adapter.values(of: $0) } ?? []
                    return "\(module.name) \(update.scaling) \(try adapter.values(of: update.a) + adapter.values(of: update.b) + magnitude)"
                }
            }
            #expect(faults == [])
            try folder.copy(Self.path("\(name)/\(file)"))
        }
    }

    /// The folder, the configuration, and the file itself or an earlier state of it.
    @Test func anyOfItsFilesNamesIt() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Self.path("lora/adapter_config.json"))
        try folder.copy(Self.path("lora/adapters.safetensors"), as: "0000100_adapters.safetensors")
        #expect(try Adapter.open(folder.path("0000100_adapters.safetensors")).modules.count == 3)
        #expect(Adapter.isPresent(at: Self.path("lora")) && Adapter.isPresent(at: Self.path("lora/adapters.safetensors")))
        for name in ["lora", "lora/adapter_config.json", "lora/adapters.safetensors"] {
            #expect(try Adapter.open(Self.path(name)).modules.count == 3, "\(name)")
        }
    }

    /// Written as PEFT's it is read as PEFT's.
    @Test func leavesAsPEFTs() throws {
        let folder = try TemporaryFolder()
        try Adapter.open(Self.path("dora")).copy(to: folder.path("peft"), as: .peft, replaces: false, tool: "t")
        let copy = try storedTensors(at: folder.path("peft/adapter_model.safetensors"))
        let expected = try storedTensors(at: Self.path("dora-as-peft/adapter_model.safetensors"))
        #expect(Set(copy.keys) == Set(expected.keys))
        for (name, tensor) in expected { #expect(copy[name]?.floats == tensor.floats, "\(name)") }
    }

    private static let sound: [StoredTensor] = [
        StoredTensor("q.lora_a", [3, 2], [1, 2, 3, 4, 5, 6]), StoredTensor("q.lora_b", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
    ]
    private static let configuration = #"{"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": {"rank": 2, "scale": 10.0}}"#

    private static func refusal(_ tensors: [StoredTensor], _ configuration: String?) throws -> String? {
        let folder = try TemporaryFolder()
        try folder.write(tensors.safetensors(), to: "adapters.safetensors")
        if let configuration { try folder.write(configuration, to: "adapter_config.json") }
        do throws(FileError) { _ = try Adapter.open(folder.path) } catch {
            return error.description.replacing(folder.path + "/", with: "").replacing(folder.path + ": ", with: "")
        }
        return nil
    }

    @Test func turnsFactors() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.sound.safetensors(), to: "adapters.safetensors")
        try folder.write(Self.configuration, to: "adapter_config.json")
        let adapter = try Adapter.open(folder.path), update = try #require(adapter.modules.first?.update)
        #expect(update.a.dimensions == [2, 3] && update.b.dimensions == [4, 2] && update.scaling == 10)
        #expect(try adapter.values(of: update.a) == [1, 3, 5, 2, 4, 6])
        #expect(try adapter.values(of: update.b) == [1, 5, 2, 6, 3, 7, 4, 8])
        var part = [Float](repeating: 0, count: 3)
        var span = part.mutableSpan
        try adapter.read(update.b, from: 3, into: &span)
        #expect(part == [6, 3, 7])
    }

    @Test(
        arguments: [
            (sound, nil, "has the tensors of an MLX adapter, but no adapter_config.json lies beside it"),
            (sound, "{", "adapter_config.json: byte 1: the text ends where a value should be"),
            (
                sound, #"{"fine_tune_type": "full", "lora_parameters": {"scale": 1}}"#,
                "adapter_config.json: fine_tune_type: is 'full', but adapters are 'lora' or 'dora'"
            ),
            (
                sound, #"{"fine_tune_type": "dora", "lora_parameters": {"scale": 1}}"#,
                "adapter_config.json: fine_tune_type: is 'dora', but the file has no magnitudes (tensors called m)"
            ),
            (
                sound + [StoredTensor("q.m", [4], [1, 1, 1, 1])], configuration,
                "adapter_config.json: fine_tune_type: is 'lora', but the file has magnitudes (tensors called m)"
            ),
            (
                sound, #"{"fine_tune_type": "lora", "lora_parameters": {"rank": 2}}"#,
                "adapter_config.json: lora_parameters: states no 'scale', by which the factors are multiplied"
            ),
            (
                sound, #"{"fine_tune_type": "lora", "lora_parameters": {"rank": 3, "scale": 1}}"#,
                "adapter_config.json: lora_parameters: states the rank 3, but 'q' has 2"
            ),
            (
                [sound[0]], configuration, "adapters.safetensors: module 'q': has rank 2 on one side and no lora_b on the other"
            ),
            (
                sound + [StoredTensor("w.weight", [1], [0])], configuration,
                "adapters.safetensors: tensor 'w.weight': is no factor of an MLX adapter (lora_a, lora_b, m)"
            ),
            (
                sound + [StoredTensor("model.embed_tokens.lora_a", [3, 2], [1, 2, 3, 4, 5, 6])], configuration,
                "adapters.safetensors: tensor 'model.embed_tokens.lora_a': is a factor of an embedding, which is not read of MLX adapters"
            ),
            (
                sound + [StoredTensor("e.lora_a", [1, 2, 2], [1, 2, 3, 4])], configuration,
                "adapters.safetensors: tensor 'e.lora_a': has shape [1, 2, 2], but factors of a linear layer have two dimensions, none of them 0"
            ),
        ] as [([StoredTensor], String?, String)])
    func refusesWhatDoesNotFit(_ tensors: [StoredTensor], _ configuration: String?, _ message: String) throws {
        #expect(try Self.refusal(Self.sound, Self.configuration) == nil)
        #expect(try Self.refusal(tensors, configuration) == message)
    }
}
