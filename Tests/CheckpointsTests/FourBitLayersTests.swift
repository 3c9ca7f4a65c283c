import Compression
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// The choice by names is the one that transformers makes by classes, for every model class that it has.
@Suite struct FourBitLayersTests {
    struct Matrix {
        let isFourBit: Bool
        let module: String
        let name: String
    }

    struct Model {
        let className: String
        let types: [String]
        var matrices: [Matrix] = []
        var names: [String] = []

        /// As config.json tells it: models inside the model have a configuration inside the configuration.
        var architecture: ModelIdentity {
            var config = JSONObject([
                "model_type": .string(types[0]), "architectures": .strings([className]),
            ])
            for (number, type) in types.dropFirst().enumerated() { config["config_\(number)"] = .object(["model_type": .string(type)]) }
            return ModelIdentity(config: .object(config))
        }
    }

    /// `linear-layers.tsv.gz`, which `make_linear_layers.py` wrote.
    static func models() throws -> [Model] {
        var models: [Model] = []
        let path = Fixture.checkpoint("linear-layers.tsv.gz")
        let text = try Gzip.expand(Fixture.bytes(path), path: path, limit: 1 << 20, of: "a table")
        for row in Fixture.table(in: String(decoding: text, as: UTF8.self)) {
            guard row.count == 4 else {
                models.append(Model(className: row[0], types: row[1].split(separator: ",").map(String.init)))
                continue
            }
            let last = models.count - 1
            models[last].matrices.append(Matrix(isFourBit: row[0] == "quantize", module: row[1], name: row[3]))
            models[last].names.append(row[3])
            if row[2] == "bias", row[3].hasSuffix(".weight") { models[last].names.append(row[3].dropLast("weight".count) + "bias") }
        }
        return models
    }

    /// Differences that are known, and no language models of practice.
    ///
    /// The last layer of a base model whose norms store nothing is dense because it is the last; and what is stored fused, as
    /// torch's attention is, but computed apart has no 4-bit form here (`loadingObstacle` says so).
    private static func isKnown(_ matrix: Matrix, _ model: Model) -> Bool {
        if matrix.name.hasSuffix(".in_proj_weight") { return true }
        return ["OlmoModel", "NanoChatModel", "HrmTextModel"].contains(model.className) && matrix.module == "Linear" && !matrix.isFourBit
    }

    @Test func choiceIsThatOfTransformers() throws {
        let models = try Self.models()
        #expect(models.count > 900)
        let shape = try #require(Shape([8, 8]))
        var (count, known) = (0, 0)
        for model in models {
            let layers = FourBitLayers(model.architecture, names: model.names)
            for matrix in model.matrices {
                let choice = layers.choice(for: matrix.name, shape: shape)
                count += 1
                if (choice == .fourBit) == matrix.isFourBit { continue }
                known += 1
                #expect(Self.isKnown(matrix, model), "\(model.className): '\(matrix.name)', a \(matrix.module), is \(choice)")
            }
        }
        #expect(count > 8000 && known < 20)
    }

    /// What is 4-bit only here is the bulk of a model: experts, and the layers of two families.
    @Test func onlyExpertsAndOwnClassesAreFourBitOnlyHere() throws {
        let shape = try #require(Shape([8, 8]))
        for model in try Self.models() {
            let layers = FourBitLayers(model.architecture, names: model.names)
            for matrix in model.matrices {
                switch layers.choice(for: matrix.name, shape: shape) {
                case .onlyHere(.expert): #expect(matrix.name.contains("experts."))
                case .onlyHere(.ownClass): #expect(["FalconLinear", "QuantLinear"].contains(matrix.module))
                case .fourBit, .head, .dense: break
                }
            }
        }
    }

    /// The projection at the end of torch's attention, known by what lies beside it.
    @Test func attentionOfTorchStaysDense() throws {
        let shape = try #require(Shape([8, 8]))
        let layers = FourBitLayers(
            ModelIdentity(modelType: "x"), names: ["head.attention.in_proj_weight", "head.attention.out_proj.weight"])
        #expect(layers.choice(for: "head.attention.out_proj.weight", shape: shape) == .dense)
        #expect(layers.choice(for: "body.attention.out_proj.weight", shape: shape) == .fourBit)
    }

    @Test(arguments: [
        ("layers.3.mlp.experts.17.down_proj", true), ("experts.0.w1", true), ("mlp.experts.expert_0.fc1", false), ("mlp.experts", false),
        ("mlp.experts.gate_up_proj", false), ("mlp.shared_experts.0.up_proj", false), ("layers.0.mlp", false), ("", false),
    ]) func expertsAreNumbered(_ module: String, _ isExpert: Bool) {
        #expect(FourBitLayers.isExpert(module) == isExpert)
    }

    @Test(arguments: [("llama", false), ("llama4_text", true), ("molmo2", true), ("mixtral", false), ("falcon", false)])
    func familiesThatDoNotLoad(_ modelType: String, _ isObstructed: Bool) {
        let layers = FourBitLayers(ModelIdentity(modelType: modelType), names: [])
        #expect((layers.loadingObstacle != nil) == isObstructed)
    }
}
