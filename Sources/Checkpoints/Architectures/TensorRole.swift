/// What a module of a model does, whatever its files call it. In the order of the forward pass.
package enum TensorRole: Int, Sendable, Hashable, CaseIterable, Comparable {
    case embedding, positions
    /// Before attention.
    case attentionNorm
    /// One matrix for query, key and value, or one each.
    case fusedQueryKeyValue, query, key, value
    /// Of each head.
    case queryNorm, keyNorm
    case attentionOutput
    /// Of what attention gives, before it is added.
    case attentionPostNorm
    /// Before the MLP.
    case feedForwardNorm
    /// A plain MLP has `up` and `down` alone.
    case gate, up, down
    /// Of what the MLP gives, before it is added.
    case feedForwardPostNorm
    case finalNorm, head

    package static func < (a: TensorRole, b: TensorRole) -> Bool { a.rawValue < b.rawValue }

    /// Whether every layer has one of its own.
    package var isInLayer: Bool {
        switch self {
        case .embedding, .positions, .finalNorm, .head: false
        default: true
        }
    }
}

extension TensorRole {
    package var isNorm: Bool {
        switch self {
        case .attentionNorm, .queryNorm, .keyNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .finalNorm: true
        default: false
        }
    }
}

/// A module of a model: what it does, and in which layer, counted from 0; nil outside of the layers.
package struct ModuleKey: Sendable, Hashable {
    package let role: TensorRole
    package let layer: Int?

    package init(_ role: TensorRole, layer: Int? = nil) {
        precondition(role.isInLayer == (layer != nil), "a module of a layer has a layer's number, others have none")
        self.role = role
        self.layer = layer
    }
}

extension LayerDescription {
    /// The layer's linear modules, in the order of the forward pass.
    package var linearRoles: [TensorRole] {
        (attention.projections == .fused ? [.fusedQueryKeyValue] : [.query, .key, .value]) + [.attentionOutput]
            + (feedForward.form == .gated ? [.gate, .up, .down] : [.up, .down])
    }

    /// The layer's norms, in the order of the forward pass.
    package var normRoles: [TensorRole] {
        let (isAround, hasHeadNorms) = (normPlacement == .around, attention.headNorm != nil)
        return [.attentionNorm] + (hasHeadNorms ? [.queryNorm, .keyNorm] : []) + (isAround ? [.attentionPostNorm] : [])
            + [.feedForwardNorm] + (isAround ? [.feedForwardPostNorm] : [])
    }

    /// How wide a norm is, and how it normalizes.
    ///
    /// - Parameter width: C of the model.
    package func norm(_ role: TensorRole, width: Int) -> (width: Int, norm: Norm) {
        guard role == .queryNorm || role == .keyNorm, let headNorm = attention.headNorm else { return (width, norm) }
        return (attention.headWidth, headNorm)
    }

    /// Inputs and outputs of a linear module, and whether it has a bias.
    ///
    /// - Parameter width: C of the model.
    package func linear(_ role: TensorRole, width: Int) -> (inputs: Int, outputs: Int, hasBias: Bool) {
        let (queries, keys, inner) = (attention.queryWidth, attention.keyValueWidth, feedForward.innerWidth)
        switch role {
        case .fusedQueryKeyValue: return (width, queries + 2 * keys, attention.hasInputBias)
        case .query: return (width, queries, attention.hasInputBias)
        case .key, .value: return (width, keys, attention.hasInputBias)
        case .attentionOutput: return (queries, width, attention.hasOutputBias)
        case .gate, .up: return (width, inner, feedForward.hasBias)
        case .down: return (inner, width, feedForward.hasBias)
        default: preconditionFailure("\(role) is no linear layer")
        }
    }
}
