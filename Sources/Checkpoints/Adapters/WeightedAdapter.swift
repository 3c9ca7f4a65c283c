/// An adapter and how much of it is meant: what it adds is multiplied by the weight.
package struct WeightedAdapter: Sendable {
    package let adapter: Adapter
    package let weight: Double

    package init(_ adapter: Adapter, weight: Double = 1) {
        self.adapter = adapter
        self.weight = weight
    }
}
