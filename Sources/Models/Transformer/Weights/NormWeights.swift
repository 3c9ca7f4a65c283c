package import Architectures

/// Of a LayerNorm (with bias) or an RMSNorm (without).
package struct NormWeights: Sendable {
    /// Path of the module: `model.layers.0.input_layernorm`.
    package let name: String
    /// [C], or of norms of heads [D], [H, D] or [H D]; 1 throughout where nothing is stored.
    package var weight: [Float]
    package var bias: [Float]?

    package init(name: String, weight: [Float], bias: [Float]? = nil) {
        self.name = name
        self.weight = weight
        self.bias = bias
    }

    package subscript(part: ExpectedTensor.Part) -> [Float]? {
        switch part {
        case .weight: weight
        case .bias: bias
        }
    }
}
