import JSONText

/// BLOOM: no positions but biases of scores (ALiBi), a norm of the embedding, one matrix that makes query, key and value of each head
/// in turn.
enum BLOOM {
    static let architectures = [
        Architecture(
            modelType: "bloom", classPrefixes: ["Bloom"], spelling: spelling, isTiedByDefault: true,
            biasedRoles: Set(TensorRole.allCases).subtracting([.embedding, .head]), gguf: .bloom,
            members: [
                "hidden_size", "n_embed", "n_head", "num_attention_heads", "n_layer", "num_hidden_layers", "layer_norm_epsilon",
                "apply_residual_connection_post_layernorm", "seq_length", "max_position_embeddings", "slow_but_exact",
                "attention_softmax_in_fp32",
                "bias_dropout_fusion",
                "masked_softmax_fusion", "offset_alibi", "n_inner", "skip_bias_add", "skip_bias_add_qkv", "unk_token_id",
            ], describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "transformer.", container: "h",
        [
            .embedding: "word_embeddings", .embeddingNorm: "word_embeddings_layernorm", .attentionNorm: "input_layernorm",
            .fusedQueryKeyValue: "self_attention.query_key_value", .attentionOutput: "self_attention.dense",
            .feedForwardNorm: "post_attention_layernorm", .up: "mlp.dense_h_to_4h", .down: "mlp.dense_4h_to_h", .finalNorm: "ln_f",
            .head: "lm_head",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizesOfEvenHeads(
            contextLength: try fields.optionalCount("seq_length") ?? 2048, widthKeys: ["n_embed", "hidden_size"],
            headKeys: ["n_head", "num_attention_heads"], layerKeys: ["n_layer", "num_hidden_layers"])
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_epsilon", default: 1e-5))
        let isNormed = try fields.flag("apply_residual_connection_post_layernorm", default: false)
        let layer = LayerDescription(
            norm: norm, wiring: isNormed ? .normedStream : .sequential,
            attention: sizes.attention(
                .grouped, positionBias: PositionBias(headCount: sizes.headCount), hasInputBias: true, hasOutputBias: true),
            feedForward: FeedForward(.plain, .geluTanh, innerWidth: 4 * sizes.width, hasBias: true))
        return try fields.decoder(
            architecture, sizes, embeddingNorm: norm, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
    }
}
