package import TensorCore

/// Experts, of which each position asks a few: the feed-forward part of a layer beside what one expert computes.
///
///     z = Wr x (+ b)                         [E]       the router's scores; the k largest are chosen, of equal ones the first
///     y = sum over the chosen e of  p_e expert_e(x)    in the order of their numbers
///     y += sigmoid(ws . x) shared(x)                   where there is a shared expert; without ws it counts fully
package struct Mixture: Sendable, Hashable {
    /// How the scores of the chosen become their weights p.
    package enum Weighting: Sendable, Hashable {
        /// softmax over all E scores; `sumsToOne` divides those of the chosen by their sum.
        case softmaxOfAll(sumsToOne: Bool)
        /// softmax over the k chosen scores.
        case softmaxOfChosen
        /// sigmoid of a chosen score, which multiplies what the expert is given instead of what it gives (Llama 4).
        case sigmoidOfInput
    }

    /// How the weights of experts are stored.
    package enum Storage: Sendable, Hashable {
        /// Matrices of their own: gate, up and down of each expert.
        case separate
        /// One tensor [E, 2 I, C] for gate and up of all experts and one [E, C, I] for down; as `inputsByOutputs` [E, C, 2 I] and [E, I, C].
        /// The outputs of gate stand before those of up, or where `alternates` every other one is of up.
        case stacked(Orientation, alternates: Bool)
    }

    /// An expert that every position asks.
    package struct Shared: Sendable, Hashable {
        /// I of it.
        package let innerWidth: Int
        /// Whether gate and up are one matrix [2 I, C].
        package let isFused: Bool
        /// Whether a score of its own [1, C] weighs it.
        package let isWeighted: Bool

        package init(innerWidth: Int, isFused: Bool = false, isWeighted: Bool = false) {
            self.innerWidth = innerWidth
            self.isFused = isFused
            self.isWeighted = isWeighted
        }
    }

    /// E.
    package let expertCount: Int
    /// k.
    package let chosenCount: Int
    package let weighting: Weighting
    package let hasRouterBias: Bool
    package let shared: Shared?
    /// By the family until the stored tensors are known.
    package var storage: Storage

    /// - Precondition: no more are chosen than there are.
    package init(
        expertCount: Int, chosenCount: Int, weighting: Weighting, hasRouterBias: Bool = false, shared: Shared? = nil,
        storage: Storage = .separate
    ) {
        precondition(chosenCount > 0 && chosenCount <= expertCount, "\(chosenCount) of \(expertCount) experts")
        self.expertCount = expertCount
        self.chosenCount = chosenCount
        self.weighting = weighting
        self.hasRouterBias = hasRouterBias
        self.shared = shared
        self.storage = storage
    }

    /// The modules of one expert, in the order of use.
    package var expertRoles: [TensorRole] {
        storage == .separate ? [.expertGate, .expertUp, .expertDown] : [.expertGateUp, .expertDown]
    }

    /// The linear modules besides the experts, in the order of use.
    var otherRoles: [TensorRole] {
        guard let shared else { return [.router] }
        return [.router] + (shared.isFused ? [.sharedGateUp] : [.sharedGate, .sharedUp]) + [.sharedDown]
            + (shared.isWeighted ? [.sharedWeight] : [])
    }

    /// Whether outputs of gate and up alternate in `expertGateUp`.
    package var alternates: Bool {
        if case .stacked(_, let alternates) = storage { alternates } else { false }
    }
}

/// A gate that is kept within bounds (gpt-oss): with g = min(gate, limit) and u = up within ±limit, (u + 1) g sigmoid(alpha g).
package struct GateClamp: Sendable, Hashable {
    package let limit: Float
    package let alpha: Float

    package init(limit: Float, alpha: Float) {
        self.limit = limit
        self.alpha = alpha
    }
}
