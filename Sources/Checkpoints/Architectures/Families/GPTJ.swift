import JSONText

/// GPT-J: branches beside each other with one LayerNorm for both, the first elements of each head turned in neighbouring pairs, biases
/// of the MLP and of the head.
enum GPTJ {
    static let architectures = [
        Architecture(
            modelType: "gptj", classPrefixes: ["GPTJ"], spelling: spelling, biasedRoles: [.attentionNorm, .finalNorm, .up, .down, .head],
            members: [
                "n_embd", "hidden_size", "n_head", "num_attention_heads", "n_layer", "num_hidden_layers", "n_positions",
                "max_position_embeddings", "n_inner", "rotary_dim", "activation_function", "layer_norm_epsilon",
                // Read by nobody: the cache's and JAX's.
                "n_ctx", "rotary", "scale_attn_weights",
            ], describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "transformer.", container: "h",
        [
            .embedding: "wte", .attentionNorm: "ln_1", .query: "attn.q_proj", .key: "attn.k_proj", .value: "attn.v_proj",
            .attentionOutput: "attn.out_proj", .up: "mlp.fc_in", .down: "mlp.fc_out", .finalNorm: "ln_f", .head: "lm_head",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let width = try fields.count("n_embd", "hidden_size"), headCount = try fields.count("n_head", "num_attention_heads")
        let turned = try fields.count("rotary_dim")
        guard width % headCount == 0, turned % 2 == 0, turned <= width / headCount else {
            throw ModelError(
                "config.json: n_embd is \(width), n_head \(headCount) and rotary_dim \(turned): that many elements of a head cannot turn in pairs"
            )
        }
        let positions = try fields.optionalCount("n_positions"), otherPositions = try fields.optionalCount("max_position_embeddings")
        let sizes = ConfigurationFields.Sizes(
            width: width, headCount: headCount, keyValueHeadCount: headCount, headWidth: width / headCount,
            layerCount: try fields.count("n_layer", "num_hidden_layers", limit: ConfigurationFields.layerLimit),
            contextLength: positions ?? otherPositions ?? 2048)
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_epsilon", default: 1e-5))
        let rotary = RotaryEmbedding(theta: 10_000, width: turned == sizes.headWidth ? nil : turned, pairing: .neighbours)
        let feedForward = FeedForward(
            .plain, try fields.activation("activation_function", default: .geluTanh),
            innerWidth: try fields.optionalCount("n_inner") ?? 4 * width, hasBias: true)
        let layer = LayerDescription(
            norm: norm, wiring: .parallel(sharesNorm: true), attention: sizes.attention(rotary: rotary), feedForward: feedForward)
        return try fields.decoder(
            architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm, hasHeadBias: true)
    }
}
