import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// Adapters in mlx-lm's form, and back.
@Suite struct MLXAdapterExportTests {
    private static func path(_ name: String) -> String { Fixture.path("grouped/mlx-adapters/\(name)") }

    @discardableResult
    private static func export(_ source: String, to path: String) throws -> MLXAdapterExport {
        let export = try MLXAdapterExport(Adapter.open(source))
        try export.run(path: path, replaces: false)
        return export
    }

    /// What mlx-lm wrote leaves as the same tensors, from PEFT's form as well.
    @Test(arguments: ["lora", "dora"]) func isWhatMLXWrote(_ name: String) throws {
        let folder = try TemporaryFolder()
        let expected = try storedTensors(at: Self.path("\(name)/adapters.safetensors"))
        for source in [name, "\(name)-as-peft"] {
            let export = try Self.export(Self.path(source), to: folder.path(source))
            #expect(export.adjustedCount == 0 && export.usesDoRA == (name == "dora"))
            #expect(try storedTensors(at: folder.path(source + "/adapters.safetensors")) == expected)
            let config = try JSONValue(parsing: Fixture.bytes(folder.path(source + "/adapter_config.json")))
            let original = try JSONValue(parsing: Fixture.bytes(Self.path(name + "/adapter_config.json")))
            #expect(config["fine_tune_type"] == original["fine_tune_type"] && config["model"] == original["model"])
            #expect(config["lora_parameters"]?["rank"] == original["lora_parameters"]?["rank"])
            #expect(config["lora_parameters"]?["scale"]?.double == original["lora_parameters"]?["scale"]?.double)
            let keys = config["lora_parameters"]?["keys"]?.array?.compactMap(\.string) ?? []
            #expect(Set(keys) == Set(original["lora_parameters"]?["keys"]?.array?.compactMap(\.string) ?? []))
            #expect(config["num_layers"]?.integer == -1)
            #expect(try Adapter.open(folder.path(source)).form == .mlx)
        }
    }

    private static func folder(_ configuration: String, _ tensors: [StoredTensor]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.makeFolder("peft")
        try folder.write(configuration, to: "peft/adapter_config.json")
        try folder.write(tensors.safetensors(), to: "peft/adapter_model.safetensors")
        return folder
    }

    private static func factors(_ module: String, rank: Int) -> [StoredTensor] {
        let name = "base_model.model.\(module)"
        return [
            StoredTensor(name + ".lora_A.weight", [rank, 3], (0..<rank * 3).map { Float($0 + 1) }),
            StoredTensor(name + ".lora_B.weight", [2, rank], (0..<rank * 2).map { Float($0 + 1) }),
        ]
    }

    /// delta = scale A B, [in, out], in MLX's terms; of other ranks and scales as well.
    @Test func ranksAndScalesAreInTheFactors() throws {
        let modules = ["model.layers.0.q", "model.layers.1.q", "model.layers.2.q"]
        let folder = try Self.folder(
            #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "rank_pattern": {"layers.2.q": 1}, "alpha_pattern": {"layers.1.q": 6}, "target_modules": ["q"]}"#,
            Self.factors(modules[0], rank: 2) + Self.factors(modules[1], rank: 2) + Self.factors(modules[2], rank: 1))
        let export = try Self.export(folder.path("peft"), to: folder.path("mlx"))
        #expect(export.rank == 2 && export.scale == 4 && export.adjustedCount == 3)
        let peft = try Adapter.open(folder.path("peft")), mlx = try Adapter.open(folder.path("mlx"))
        for (module, other) in zip(peft.modules, mlx.modules) {
            #expect(try Self.delta(module, peft) == Self.delta(other, mlx), "\(module.name)")
        }
    }

    /// scaling B A.
    private static func delta(_ module: AdapterModule, _ adapter: Adapter) throws -> [Float] {
        let update = try #require(module.update), a = try adapter.values(of: update.a), b = try adapter.values(of: update.b)
        var delta: [Float] = []
        for output in 0..<update.outputCount {
            for input in 0..<update.inputCount {
                let sum = (0..<update.rank).reduce(Float(0)) {
                    $0 + b[output * update.rank + $1] * a[$1 * update.inputCount + input]
                }
                delta.append(Float(update.scaling) * sum)
            }
        }
        return delta
    }

    @Test func refusesWhatHasNoPlaceThere() throws {
        let configuration = #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q"], "modules_to_save": ["norm"]}"#
        let saved = try Self.folder(
            configuration, Self.factors("model.layers.0.q", rank: 2) + [StoredTensor("base_model.model.norm.weight", [2], [1, 1])])
        let outside = try Self.folder(configuration, Self.factors("lm_head", rank: 2))
        for (folder, reason) in [(saved, "is replaced as a whole"), (outside, "is in no layer ('...layers.N.')")] {
            let error = #expect(throws: FileError.self) { try Self.export(folder.path("peft"), to: folder.path("mlx")) }
            #expect(error?.message == "\(reason), and an adapter of mlx-lm has no place for that")
            #expect(try folder.names() == ["peft"])
        }
    }
}
