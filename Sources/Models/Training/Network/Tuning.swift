/// What of a model is trained.
package enum Tuning: Sendable {
    /// Factors beside frozen layers, drawn by `seed`.
    case lowRank(LowRankSettings, seed: UInt64)
    /// Every tensor.
    case full
    /// All norms, at a share of the learning rate, and of each 4-bit linear layer the constants of its blocks (`ScaledWeight`).
    case constants(normRate: Double)

    /// Nothing: of a model that is only run.
    package static let none = Tuning.lowRank(LowRankSettings(rank: 1, alpha: 1) { _ in false }, seed: 0)
}
