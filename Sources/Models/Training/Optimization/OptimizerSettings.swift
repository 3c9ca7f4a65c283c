/// Which optimizer, and its constants.
package struct OptimizerSettings: Equatable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Two f32 moments per parameter.
        case adamw
        /// The same in a mapped file that the system may write out.
        case pagedAdamW = "paged-adamw"
        /// Moments of 8 bits, in blocks of 256 with an f32 constant each.
        case adamw8bit
        /// No moments.
        case sgd
    }

    package var kind: Kind = .adamw
    package var beta1 = 0.9
    package var beta2 = 0.999
    package var epsilon = 1e-8
    /// Decoupled: parameters shrink by the learning rate times this.
    package var weightDecay = 0.0

    package init(kind: Kind = .adamw, weightDecay: Double = 0) {
        self.kind = kind
        self.weightDecay = weightDecay
    }

    /// Bytes of moments per parameter.
    package var stateByteCount: Double {
        switch kind {
        case .adamw, .pagedAdamW: 8
        case .adamw8bit: 2 + 8.0 / 256
        case .sgd: 0
        }
    }
}
