/// Sums over held-out inputs X of what a delta D does to the outputs of a layer, and what the change W' - B of its codes does.
package struct ActivationSums: Sendable, Hashable {
    /// |D X|^2
    package var delta = 0.0
    /// <(W' - B) X, D X>
    package var changeTimesDelta = 0.0
    /// |(W' - B - D) X|^2
    package var error = 0.0

    package init() {}

    /// Share of the delta's effect that is there: 1 of a delta without effect.
    package var survival: Double { delta == 0 ? 1 : changeTimesDelta / delta }

    /// |(W' - B - D) X| / |D X|; 0 where nothing was to be done and nothing was.
    package var relativeError: Double { delta == 0 ? (error == 0 ? 0 : .infinity) : (error / delta).squareRoot() }

    package static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.delta += b.delta
        sum.changeTimesDelta += b.changeTimesDelta
        sum.error += b.error
        return sum
    }
}
