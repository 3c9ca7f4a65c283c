/// What a module of a model does, whatever its files call it. In the order of the forward pass.
package enum TensorRole: Int, Sendable, Hashable, CaseIterable, Comparable {
    case embedding
    /// From the width of the embedding to that of the model, where they differ.
    case inputProjection
    case positions, embeddingNorm
    /// Before attention; of both branches where they share it.
    case attentionNorm
    /// One matrix for query, key and value, or one each.
    case fusedQueryKeyValue, query, key, value
    /// Of heads.
    case queryNorm, keyNorm
    /// A score for each head, [H]: a parameter, no layer.
    case sinks
    case attentionOutput
    /// Of what attention gives, before it is added.
    case attentionPostNorm
    /// Before the MLP.
    case feedForwardNorm
    /// A plain MLP has `up` and `down` alone; one matrix may be gate and up.
    case fusedGateUp, gate, up, down
    /// Of a mixture: what chooses among its experts, and what weighs them.
    case router
    /// Of the expert that every position asks: gate and up in one matrix, or one each; what weighs it.
    case sharedGateUp, sharedGate, sharedUp, sharedDown, sharedWeight
    /// Of each of the other experts, or of all of them in one tensor: gate and up in one, or one each.
    case expertGateUp, expertGate, expertUp, expertDown
    /// Of what the MLP gives, before it is added.
    case feedForwardPostNorm
    case finalNorm
    /// From the width of the model to that of the embedding, where they differ.
    case outputProjection
    case head

    package static func < (a: TensorRole, b: TensorRole) -> Bool { a.rawValue < b.rawValue }

    /// Whether every layer has one of its own.
    package var isInLayer: Bool {
        switch self {
        case .embedding, .inputProjection, .positions, .embeddingNorm, .finalNorm, .outputProjection, .head: false
        default: true
        }
    }

    /// Whether a mixture has it once for each of its experts.
    package var isOfExpert: Bool {
        switch self {
        case .expertGateUp, .expertGate, .expertUp, .expertDown: true
        default: false
        }
    }

    /// Whether it stands in layers with a mixture alone.
    package var isOfMixture: Bool {
        switch self {
        case .router, .sharedGateUp, .sharedGate, .sharedUp, .sharedDown, .sharedWeight: true
        default: isOfExpert
        }
    }

    /// What chooses and weighs experts: too small to be worth four bits, and not tuned with the others.
    package var isOfRouter: Bool { self == .router || self == .sharedWeight }
}

extension TensorRole {
    package var isNorm: Bool {
        switch self {
        case .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .finalNorm:
            true
        default: false
        }
    }
}

/// A module of a model: what it does, in which layer, counted from 0 (nil outside of the layers), and of which expert (nil of what
/// all experts have in one tensor, and of what is no expert's).
package struct ModuleKey: Sendable, Hashable {
    package let role: TensorRole
    package let layer: Int?
    package let expert: Int?

    package init(_ role: TensorRole, layer: Int? = nil, expert: Int? = nil) {
        precondition(role.isInLayer == (layer != nil), "a module of a layer has a layer's number, others have none")
        precondition(expert == nil || role.isOfExpert, "only experts are numbered")
        self.role = role
        self.layer = layer
        self.expert = expert
    }
}

extension LayerDescription {
    /// The layer's linear modules, in the order of the forward pass; the experts of a mixture are not among them.
    package var linearRoles: [TensorRole] {
        (attention.isFused ? [.fusedQueryKeyValue] : [.query, .key, .value]) + [.attentionOutput]
            + (feedForward.mixture?.otherRoles ?? innerRoles + [.down])
    }

    /// What makes the inside of the MLP.
    private var innerRoles: [TensorRole] {
        switch feedForward.form {
        case .gated: [.gate, .up]
        case .fusedGated: [.fusedGateUp]
        case .plain: [.up]
        }
    }

    /// The layer's norms, in the order of the forward pass.
    package var normRoles: [TensorRole] {
        let isBefore = normPlacement.isBefore, isAfter = normPlacement.isAfter, sharesNorm = wiring == .parallel(sharesNorm: true)
        return (isBefore ? [.attentionNorm] : []) + (attention.headNorm != nil ? [.queryNorm, .keyNorm] : [])
            + (isAfter ? [.attentionPostNorm] : []) + (isBefore && !sharesNorm ? [.feedForwardNorm] : [])
            + (isAfter ? [.feedForwardPostNorm] : [])
    }

    /// How wide a norm is, how many rows of weights it has, and how it normalizes.
    ///
    /// - Parameter width: C of the model.
    package func norm(_ role: TensorRole, width: Int) -> (width: Int, rows: Int, norm: Norm) {
        guard role == .queryNorm || role == .keyNorm, let headNorm = attention.headNorm else { return (width, 1, norm) }
        let headCount = role == .queryNorm ? attention.headCount : attention.keyValueHeadCount
        switch attention.headNormScope {
        case .head: return (attention.headWidth, 1, headNorm)
        case .headsApart, .headsInParts: return (attention.headWidth, headCount, headNorm)
        case .allHeads: return (headCount * attention.headWidth, 1, headNorm)
        }
    }

    /// Inputs and outputs of a linear module, or of that of one expert, and whether it has a bias.
    ///
    /// - Parameter width: C of the model.
    package func linear(_ role: TensorRole, width: Int) -> (inputs: Int, outputs: Int, hasBias: Bool) {
        let (queries, keys, inner) = (attention.queryWidth, attention.keyValueWidth, feedForward.innerWidth)
        let sharedInner = feedForward.mixture?.shared?.innerWidth ?? 0
        switch role {
        case .fusedQueryKeyValue: return (width, queries + 2 * keys, attention.hasInputBias)
        case .query: return (width, queries, attention.hasInputBias)
        case .key, .value: return (width, keys, attention.hasInputBias)
        case .attentionOutput: return (queries, width, attention.hasOutputBias)
        case .gate, .up, .expertGate, .expertUp: return (width, inner, feedForward.hasBias)
        case .fusedGateUp, .expertGateUp: return (width, 2 * inner, feedForward.hasBias)
        case .down, .expertDown: return (inner, width, feedForward.hasBias)
        case .router: return (width, feedForward.mixture?.expertCount ?? 0, feedForward.mixture?.hasRouterBias ?? false)
        case .sharedGateUp: return (width, 2 * sharedInner, false)
        case .sharedGate, .sharedUp: return (width, sharedInner, false)
        case .sharedDown: return (sharedInner, width, false)
        case .sharedWeight: return (width, 1, false)
        default: preconditionFailure("\(role) is no linear layer")
        }
    }
}
