/// y = x W^T + b, and what adapters add to it.
package struct LinearLayer: Sendable {
    /// Path of the module, canonical: `model.layers.0.self_attn.q_proj`.
    package let name: String
    /// [out, in].
    package var matrix: WeightMatrix
    /// [out].
    package var bias: [Float]?
    package var updates: [LowRankFactors] = []

    /// Whether an adapter changes the lengths of rows (DoRA).
    var hasRowGains: Bool { updates.contains { $0.rowGains != nil } }

    package init(name: String, matrix: WeightMatrix, bias: [Float]?) {
        self.name = name
        self.matrix = matrix
        self.bias = bias
    }
}
