/// What of a model is trained.
package enum Tuning: Sendable {
    /// Factors beside frozen layers, drawn by `seed`.
    case lowRank(LowRankSettings, seed: UInt64)
    /// Every tensor.
    case full
}
