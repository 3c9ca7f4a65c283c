/// The weights of one layer.
///
///     x += attentionOutput(attention(attentionInputs(attentionNorm(x))))
///     x += mlpOutput(activation(mlpInputs(mlpNorm(x))))
package struct LayerWeights: Sendable {
    package var attentionNorm: NormWeights
    /// GPT-2: one layer [3C, C], whose output is query, key, value beside each other. Llama: query [H D, C], key and value
    /// [K D, C].
    package var attentionInputs: [LinearLayer]
    /// [D] each; Qwen3 only.
    package var queryNorm: NormWeights?
    package var keyNorm: NormWeights?
    /// [C, H D].
    package var attentionOutput: LinearLayer
    package var mlpNorm: NormWeights
    /// GPT-2: one layer [I, C], followed by the activation. Llama: gate and up [I, C]; SiLU(gate) * up follows.
    package var mlpInputs: [LinearLayer]
    /// [C, I].
    package var mlpOutput: LinearLayer

    package init(
        attentionNorm: NormWeights, attentionInputs: [LinearLayer], queryNorm: NormWeights? = nil, keyNorm: NormWeights? = nil,
        attentionOutput: LinearLayer, mlpNorm: NormWeights, mlpInputs: [LinearLayer], mlpOutput: LinearLayer
    ) {
        self.attentionNorm = attentionNorm
        self.attentionInputs = attentionInputs
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.attentionOutput = attentionOutput
        self.mlpNorm = mlpNorm
        self.mlpInputs = mlpInputs
        self.mlpOutput = mlpOutput
    }

    /// All linear layers, in the order of the forward pass.
    package var linearLayers: [LinearLayer] { attentionInputs + [attentionOutput] + mlpInputs + [mlpOutput] }

    /// Changes each linear layer in turn, in the order of the forward pass.
    package mutating func forEachLinearLayer<Failure: Error>(
        _ body: (inout LinearLayer) throws(Failure) -> Void
    ) throws(Failure) {
        for index in attentionInputs.indices { try body(&attentionInputs[index]) }
        try body(&attentionOutput)
        for index in mlpInputs.indices { try body(&mlpInputs[index]) }
        try body(&mlpOutput)
    }
}
