import Platform

/// How far a model's predictions move when the weight of one linear layer alone becomes 4-bit, layer by layer.
package struct Sensitivity: Sendable, Hashable {
    package struct Row: Sendable, Hashable {
        /// Of the tensor.
        package let name: String
        /// From 0.
        package let layer: Int
        /// What it is in its layer, alike in all of them: `value`.
        package let kind: String
        package let elementCount: Int
        /// Divergence of the predictions, in nats for each token, as it was measured.
        package let measured: Double
        /// The same, drawn half-way to what layer and kind have in common with others: what single weights are measured by is noisy.
        package fileprivate(set) var divergence: Double

        package init(name: String, layer: Int, kind: String, elementCount: Int, measured: Double) {
            self.name = name
            self.layer = layer
            self.kind = kind
            self.elementCount = elementCount
            self.measured = measured
            divergence = measured
        }
    }

    /// In the order of the forward pass.
    package let rows: [Row]

    package init(_ rows: [Row]) { self.rows = Self.smoothed(rows) }

    package var total: Double { rows.reduce(0) { $0 + $1.divergence } }

    // MARK: - Smoothing

    private static let rounds = 50

    /// The logarithms, drawn half-way to the least squares of one number a layer and one a kind. Weights without any divergence are as they are.
    private static func smoothed(_ rows: [Row]) -> [Row] {
        let places = rows.indices.filter { rows[$0].measured > 0 && rows[$0].measured.isFinite }
        guard !places.isEmpty else { return rows }
        let logarithms = places.map { log(rows[$0].measured) }
        var layers: [Int: Double] = [:], kinds: [String: Double] = [:]
        // Each in its turn becomes what is best beside the other.
        for _ in 0..<rounds {
            layers = means(of: zip(places, logarithms).map { (rows[$0].layer, $1 - (kinds[rows[$0].kind] ?? 0)) })
            kinds = means(of: zip(places, logarithms).map { (rows[$0].kind, $1 - (layers[rows[$0].layer] ?? 0)) })
        }
        var result = rows
        for (place, value) in zip(places, logarithms) {
            let common = (layers[rows[place].layer] ?? 0) + (kinds[rows[place].kind] ?? 0)
            result[place].divergence = exp((value + common) / 2)
        }
        return result
    }

    private static func means<Key: Hashable>(of values: [(Key, Double)]) -> [Key: Double] {
        var sums: [Key: (sum: Double, count: Double)] = [:]
        for (key, value) in values {
            let old = sums[key] ?? (0, 0)
            sums[key] = (old.sum + value, old.count + 1)
        }
        return sums.mapValues { $0.sum / $0.count }
    }
}
