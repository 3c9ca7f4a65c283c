/// GPT-2: LayerNorm with bias, learned positions, query, key and value in one matrix, a plain MLP, `Conv1D` for linear layers.
enum GPT2 {
    static let architectures = [
        Architecture(
            modelType: "gpt2", classPrefixes: ["GPT2"], causalClass: "GPT2LMHeadModel", spelling: spelling, isTiedByDefault: true,
            hasAllBiases: true,
            members: [
                "n_embd", "hidden_size", "n_head", "num_attention_heads", "n_layer", "num_hidden_layers", "n_positions", "n_ctx",
                "max_position_embeddings", "n_inner", "activation_function", "layer_norm_epsilon", "scale_attn_weights",
                "scale_attn_by_inverse_layer_idx", "add_cross_attention",
                // Only where sums are rounded: scores are summed in float32 or better here in any case.
                "reorder_and_upcast_attn",
            ],
            describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "transformer.", container: "h", hasConv1D: true,
        [
            .embedding: "wte", .positions: "wpe", .attentionNorm: "ln_1", .fusedQueryKeyValue: "attn.c_attn",
            .attentionOutput: "attn.c_proj", .feedForwardNorm: "ln_2", .up: "mlp.c_fc", .down: "mlp.c_proj", .finalNorm: "ln_f",
            .head: "lm_head",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        try fields.require("add_cross_attention", false, default: false)
        let width = try fields.count("n_embd", "hidden_size")
        let headCount = try fields.count("n_head", "num_attention_heads")
        let layerCount = try fields.count("n_layer", "num_hidden_layers", limit: ConfigurationFields.layerLimit)
        guard width % headCount == 0 else { throw ModelError("config.json: n_embd is \(width), no multiple of n_head, \(headCount)") }
        let vocabularySize = try fields.count("vocab_size")
        let contextLength = try fields.count("n_positions", "n_ctx", "max_position_embeddings")
        let innerWidth = try fields.optionalCount("n_inner") ?? 4 * width
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_epsilon", default: 1e-5))
        let isTied = try fields.flag("tie_word_embeddings", default: true)
        let endTokenIDs = try fields.tokenIDs("eos_token_id")
        let activation = try fields.activation("activation_function", default: .geluTanh)
        let isScaled = try fields.flag("scale_attn_weights", default: true)
        let isScaledByLayer = try fields.flag("scale_attn_by_inverse_layer_idx", default: false)
        let layers = (0..<layerCount).map { layer in
            let scale = isScaled ? 1 / Float(width / headCount).squareRoot() : 1
            return LayerDescription(
                norm: norm,
                attention: Attention(
                    .fused, headCount: headCount, keyValueHeadCount: headCount, headWidth: width / headCount,
                    scale: isScaledByLayer ? scale / Float(layer + 1) : scale, hasInputBias: true, hasOutputBias: true),
                feedForward: FeedForward(.plain, activation, innerWidth: innerWidth, hasBias: true))
        }
        return ModelDescription(
            architecture: architecture, vocabularySize: vocabularySize, contextLength: contextLength, width: width,
            hasLearnedPositions: true, layers: layers, finalNorm: norm, head: .init(isTied: isTied), endTokenIDs: endTokenIDs)
    }
}
