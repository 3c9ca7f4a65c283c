/// What one layer computes on its residual stream x, by its wiring (`LayerDescription.Wiring`).
package struct LayerDescription: Sendable, Hashable {
    package enum NormPlacement: Sendable, Hashable {
        case before
        /// Of what a branch gives, too, before it is added (Gemma 2).
        case around
        /// Of what a branch gives, before it is added, and nowhere else (OLMo 2).
        case after

        package var isBefore: Bool { self != .after }
        package var isAfter: Bool { self != .before }
    }

    /// How the branches are tied to the residual stream. `before` and `after` are norms where there are any, else nothing; f is
    /// `branchFactor`.
    package enum Wiring: Sendable, Hashable {
        /// x += f after(attention(before(x)));  x += f after(feedForward(before(x)))
        case sequential
        /// x += attention(before(x)) + feedForward(before(x)), with a norm each, or one for both.
        case parallel(sharesNorm: Bool)
        /// n = before(x), x = n + attention(n);  n = before(x), x = n + feedForward(n) (BLOOM).
        case normedStream
        /// x = norm(x + attention(x));  x = norm(x + feedForward(x)) (OPT).
        case normedSum
    }

    package let norm: Norm
    package let normPlacement: NormPlacement
    package let wiring: Wiring
    /// What branches are multiplied by before they are added (Granite).
    package let branchFactor: Float
    package var attention: Attention
    package var feedForward: FeedForward

    /// - Precondition: norms stand before branches, and nothing else, wherever the wiring is not sequential; and branches that are
    ///   multiplied have no norms after them.
    package init(
        norm: Norm, normPlacement: NormPlacement = .before, wiring: Wiring = .sequential, branchFactor: Float = 1, attention: Attention,
        feedForward: FeedForward
    ) {
        precondition(wiring == .sequential || normPlacement == .before && branchFactor == 1, "no family has both")
        precondition(branchFactor == 1 || !normPlacement.isAfter, "no family has both")
        self.norm = norm
        self.normPlacement = normPlacement
        self.wiring = wiring
        self.branchFactor = branchFactor
        self.attention = attention
        self.feedForward = feedForward
    }

    /// Whether branches are not added as they are.
    package var needsBranchMemory: Bool { normPlacement.isAfter || wiring == .normedSum || branchFactor != 1 }

    package var isParallel: Bool { if case .parallel = wiring { true } else { false } }
}

/// The part of a layer that looks at each position alone.
package struct FeedForward: Sendable, Hashable {
    package enum Form: Sendable, Hashable {
        /// down(activation(gate(x)) * up(x))
        case gated
        /// The same with one matrix for gate and up: its outputs are gates, then ups.
        case fusedGated
        /// down(activation(up(x)))
        case plain
    }

    package let form: Form
    package let activation: Activation
    /// I; of a mixture that of each expert.
    package let innerWidth: Int
    package var hasBias: Bool
    /// Takes the place of a gated form's activation and product.
    package let clamp: GateClamp?
    /// Experts, each of which is what this describes; nil where there is one for all.
    package var mixture: Mixture?

    package init(
        _ form: Form, _ activation: Activation, innerWidth: Int, hasBias: Bool = false, clamp: GateClamp? = nil, mixture: Mixture? = nil
    ) {
        self.form = form
        self.activation = activation
        self.innerWidth = innerWidth
        self.hasBias = hasBias
        self.clamp = clamp
        self.mixture = mixture
    }

    package var isGated: Bool { form != .plain }

    /// Of what the activation looks at, before it: 2 I where one layer makes gates and ups.
    package var gateWidth: Int { form == .fusedGated ? 2 * innerWidth : innerWidth }
}
