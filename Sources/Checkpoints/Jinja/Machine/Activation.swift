/// The variables of a running routine.
final class Activation {
    @exclusivity(unchecked) var slots: [Value]
    /// Of the routine around it: what its closures see.
    let outer: Activation?

    init(slotCount: Int, outer: Activation?) {
        slots = Array(repeating: .missing, count: slotCount)
        self.outer = outer
    }

    func outward(_ hops: Int32) -> Activation {
        var activation = self
        for _ in 0..<hops { if let outer = activation.outer { activation = outer } }
        return activation
    }
}
