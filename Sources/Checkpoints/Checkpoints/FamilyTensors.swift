import Architectures
import JSONText

/// The tensors that every model of a family has, whatever its configuration says.
///
/// Biases and other parts that a configuration can leave out are not among them: where some layers have them, the other
/// layers miss them (`MissingTensors`).
struct FamilyTensors {
    /// The part of a name under which layers are numbered: `layers` in `model.layers.0`.
    let container: String
    /// Beside the layers: `embed_tokens.weight`.
    let outside: [String]
    /// The input embedding, which an untied model stores besides the head.
    let embedding: String
    /// The head of an untied model, at the top.
    let head: [String]
    /// Of each layer; empty where layers differ.
    let layer: [String]
    /// Where config.json does not say whether the head is tied to the embedding.
    let isTiedByDefault: Bool

    private init(
        container: String = "layers", embedding: String = "embed_tokens.weight", outside: [String] = ["norm.weight"],
        head: [String] = ["lm_head.weight"], layer: [String] = [], tied: Bool = false
    ) {
        (self.container, self.embedding, self.outside, self.head) = (container, embedding, outside, head)
        (self.layer, isTiedByDefault) = (layer, tied)
    }

    /// The family of a configuration, by its `model_type`.
    init?(_ config: JSONValue) {
        guard let modelType = config["model_type"]?.string else { return nil }
        self.init(modelType: modelType)
    }

    init?(modelType: String) {
        guard let architecture = Architecture.named(modelType) else { return nil }
        self.init(architecture)
    }

    /// Of one that can be run: all that it has a name for.
    private init(_ architecture: Architecture) {
        let spelling = architecture.spelling
        func tensors(_ roles: [TensorRole]) -> [String] {
            roles.filter { spelling.has($0) && !architecture.optionalRoles.contains($0) }.flatMap { role in
                architecture.biasedRoles.contains(role) ? Self.norm(spelling.name(of: role)) : [spelling.end(of: role)]
            }
        }
        self.init(
            container: spelling.container, embedding: spelling.name(of: .embedding) + ".weight",
            outside: tensors([.positions, .embeddingNorm, .finalNorm]), head: tensors([.head]),
            layer: tensors(TensorRole.allCases.filter { $0.isInLayer && Self.isInEveryLayer($0, spelling) }),
            tied: architecture.isTiedByDefault)
    }

    /// Where some layers have experts, no feed-forward module is in all of them.
    private static func isInEveryLayer(_ role: TensorRole, _ spelling: Spelling) -> Bool {
        guard spelling.has(.router) else { return true }
        return !role.isOfMixture && ![.fusedGateUp, .gate, .up, .down].contains(role)
    }

    /// Weight and bias.
    private static func norm(_ module: String) -> [String] { [module + ".weight", module + ".bias"] }
}
