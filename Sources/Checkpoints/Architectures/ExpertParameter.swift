import TensorCore

/// One of the two parameters in which transformers holds the matrices of all experts of a layer, whichever way files do: what PEFT
/// adapts as a whole (`target_parameters`).
///
///     gate_up_proj    gate and up of each expert [2 I, C]       down_proj    its down [C, I]
package struct ExpertParameter: Sendable, Hashable {
    /// In the order in which PEFT wraps their module: the first lies innermost.
    package static let names = ["gate_up_proj", "down_proj"]

    package let layer: Int
    /// `model.layers.0.mlp.experts.gate_up_proj`.
    package let name: String
    /// The modules of one expert whose outputs are those of the parameter, one after the other.
    package let roles: [TensorRole]
    /// E.
    package let expertCount: Int
    /// Of the matrix of one expert.
    package let inputs: Int
    package let outputs: Int
    /// Whether PEFT takes its inputs for outputs: of parameters that lie as [in, out] some families do not say so.
    package let isTurned: Bool
    private let isSeparate: Bool
    private let spelling: Spelling

    /// - Parameter module: the path of the experts in memory.
    fileprivate init(_ model: ModelDescription, layer: Int, _ mixture: Mixture, module: String, isDown: Bool) {
        self.layer = layer
        name = "\(module).\(Self.names[isDown ? 1 : 0])"
        isSeparate = mixture.storage == .separate
        roles = isDown ? [.expertDown] : isSeparate ? [.expertGate, .expertUp] : [.expertGateUp]
        expertCount = mixture.expertCount
        let linear = model.layers[layer].linear(roles[0], width: model.width)
        inputs = linear.inputs
        outputs = linear.outputs * roles.count
        isTurned = mixture.storage == .stacked(.inputsByOutputs, alternates: false)
        spelling = model.spelling
    }

    /// Outputs of each of `roles`.
    package var outputsOfRole: Int { outputs / roles.count }

    /// Path of the module that has both.
    package var module: String { String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) }

    package var isDown: Bool { roles == [.expertDown] }

    /// The name of one expert's linear layer: `model.layers.0.mlp.experts.3.up_proj`, or of matrices in one tensor
    /// `model.layers.0.mlp.experts.gate_up_proj.3`.
    package func layerName(_ role: TensorRole, expert: Int) -> String {
        isSeparate
            ? spelling.module(ModuleKey(role, layer: layer, expert: expert))
            : "\(spelling.module(ModuleKey(role, layer: layer))).\(expert)"
    }
}

extension ModelDescription {
    /// Those of all layers with experts, in order.
    package var expertParameters: [ExpertParameter] { layers.indices.flatMap { expertParameters(layer: $0) } }

    /// Gate and up, then down; none of a layer without experts.
    ///
    /// - Parameter module: the path of the experts in memory; nil for that of transformers.
    package func expertParameters(layer: Int, module: String? = nil) -> [ExpertParameter] {
        guard let mixture = layers[layer].feedForward.mixture else { return [] }
        let module = module ?? spelling.layerPrefix(layer) + spelling.experts
        return [false, true].map { ExpertParameter(self, layer: layer, mixture, module: module, isDown: $0) }
    }
}
