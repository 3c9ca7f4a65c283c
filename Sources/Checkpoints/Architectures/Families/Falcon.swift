import JSONText

/// Falcon in its three forms: of 40B and 11B, with groups of queries and branches beside each other; of 7B, with one key and value for
/// all heads; of 1B (RefinedWeb), with biases of scores (ALiBi) instead of rotations, one branch after the other.
enum Falcon {
    static let architectures = [
        Architecture(
            modelType: "falcon", classPrefixes: ["Falcon"], spelling: spelling, isTiedByDefault: true,
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm], optionalRoles: [.attentionNorm, .feedForwardNorm], gguf: .falcon,
            members: [
                "hidden_size", "n_embed", "num_attention_heads", "num_hidden_layers", "num_kv_heads", "num_ln_in_parallel_attn",
                "layer_norm_epsilon", "alibi", "new_decoder_architecture", "multi_query", "parallel_attn", "bias", "ffn_hidden_size",
                "activation", "max_position_embeddings", "rope_theta", "rope_scaling", "rope_parameters",
                "original_max_position_embeddings",
                // Of other programs.
                "apply_residual_connection_post_layernorm", "ff_factor",
            ], describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "transformer.", container: "h",
        [
            .embedding: "word_embeddings", .attentionNorm: "input_layernorm", .fusedQueryKeyValue: "self_attention.query_key_value",
            .attentionOutput: "self_attention.dense", .feedForwardNorm: "post_attention_layernorm", .up: "mlp.dense_h_to_4h",
            .down: "mlp.dense_4h_to_h", .finalNorm: "ln_f", .head: "lm_head",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let isNew = try fields.flag("new_decoder_architecture", default: false)
        let hasOneKey = try fields.flag("multi_query", default: true) && !isNew
        let stated = isNew ? try fields.optionalCount("num_kv_heads") : nil
        let sizes = try fields.sizesOfEvenHeads(
            contextLength: try fields.optionalCount("max_position_embeddings") ?? 2048, widthKeys: ["n_embed", "hidden_size"],
            keyValueHeadCount: hasOneKey ? 1 : stated)
        let (wiring, names) = try wiring(fields, isNew: isNew)
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_epsilon", default: 1e-5))
        let hasBias = try fields.flag("bias", default: false), hasSlopes = try fields.flag("alibi", default: false)
        let scale = 1 / Float(sizes.headWidth).squareRoot()
        let attention = sizes.attention(
            hasOneKey ? .fused : .grouped, rotary: hasSlopes ? nil : try fields.rotary(sizes),
            positionBias: hasSlopes ? PositionBias(headCount: sizes.headCount, isRounded: true, factor: scale) : nil, hasInputBias: hasBias,
            hasOutputBias: hasBias)
        let feedForward = FeedForward(
            .plain, try fields.activation("activation", default: .gelu),
            innerWidth: try fields.optionalCount("ffn_hidden_size") ?? 4 * sizes.width, hasBias: hasBias)
        let layer = LayerDescription(norm: norm, wiring: wiring, attention: attention, feedForward: feedForward)
        return try fields.decoder(
            architecture, sizes, spelling: spelling.with(names), layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
    }

    /// How the branches lie, and what their norms are called.
    private static func wiring(
        _ fields: ConfigurationFields, isNew: Bool
    ) throws(ModelError) -> (LayerDescription.Wiring, [TensorRole: String]) {
        guard isNew else {
            return (try fields.flag("parallel_attn", default: true) ? .parallel(sharesNorm: true) : .sequential, [:])
        }
        let count = try fields.optionalCount("num_ln_in_parallel_attn") ?? 2
        guard count <= 2 else { throw ModelError("config.json: 'num_ln_in_parallel_attn' is \(count), but a layer has 1 or 2") }
        return count == 1
            ? (.parallel(sharesNorm: true), [:])
            : (.parallel(sharesNorm: false), [.attentionNorm: "ln_attn", .feedForwardNorm: "ln_mlp"])
    }
}
