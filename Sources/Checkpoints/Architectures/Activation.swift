/// What stands inside of an MLP: of a plain one between its layers, of a gated one over its gate.
package enum Activation: Sendable, Hashable, CaseIterable {
    /// x Phi(x) with the normal distribution function Phi: GELU as it is defined.
    case gelu
    /// GELU in its approximation by a tanh, as GPT-2 has it.
    case geluTanh
    case relu
    case reluSquared
    /// x / (1 + e^-x)
    case silu

    /// What transformers calls each of them in config.json. Those of one line differ there by rounding alone: `gelu_fast` writes
    /// sqrt(2 / pi) with ten digits, the others compute the same formula in another order.
    package var names: [String] {
        switch self {
        case .gelu: ["gelu", "gelu_python"]
        case .geluTanh: ["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh"]
        case .relu: ["relu"]
        case .reluSquared: ["relu2"]
        case .silu: ["silu", "swish"]
        }
    }

    /// - Parameter name: as config.json has it.
    package init?(named name: String) {
        guard let found = Self.allCases.first(where: { $0.names.contains(name) }) else { return nil }
        self = found
    }
}
