import JSONText

/// OPT: learned positions, whose table begins two rows early, LayerNorm, biases, a plain MLP with a ReLU. The model of 350M normalizes
/// sums, has no last norm, and an embedding that is narrower than the model.
enum OPT {
    static let architectures = [
        Architecture(
            modelType: "opt", classPrefixes: ["OPT"], spelling: spelling, isTiedByDefault: true,
            optionalRoles: [.attentionNorm, .feedForwardNorm, .inputProjection, .outputProjection, .finalNorm],
            members: [
                "hidden_size", "num_attention_heads", "num_hidden_layers", "ffn_dim", "max_position_embeddings", "do_layer_norm_before",
                "_remove_final_layer_norm", "word_embed_proj_dim", "activation_function", "enable_bias", "layer_norm_elementwise_affine",
                "layerdrop", "init_std", "activation_dropout",
            ], describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "model.decoder.", container: "layers",
        [
            .embedding: "embed_tokens", .inputProjection: "project_in", .outputProjection: "project_out", .positions: "embed_positions",
            .attentionNorm: "self_attn_layer_norm", .query: "self_attn.q_proj",
            .key: "self_attn.k_proj", .value: "self_attn.v_proj", .attentionOutput: "self_attn.out_proj",
            .feedForwardNorm: "final_layer_norm", .up: "fc1", .down: "fc2", .finalNorm: "final_layer_norm", .head: "lm_head",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let isBefore = try fields.flag("do_layer_norm_before", default: true)
        let hasFinalNorm = try !fields.flag("_remove_final_layer_norm", default: false) && isBefore
        let sizes = try fields.sizesOfEvenHeads(contextLength: 2048)
        let embedded = try fields.optionalCount("word_embed_proj_dim") ?? sizes.width
        guard embedded <= sizes.width else {
            throw ModelError("config.json: word_embed_proj_dim is \(embedded), but at most hidden_size, \(sizes.width), can be run")
        }
        let norm = Norm(.layer, epsilon: 1e-5, hasWeight: try fields.flag("layer_norm_elementwise_affine", default: true))
        let hasBias = try fields.flag("enable_bias", default: true)
        let feedForward = FeedForward(
            .plain, try fields.activation("activation_function", default: .relu), innerWidth: try fields.optionalCount("ffn_dim") ?? 3072,
            hasBias: hasBias)
        let layer = LayerDescription(
            norm: norm, wiring: isBefore ? .sequential : .normedSum,
            attention: sizes.attention(hasInputBias: hasBias, hasOutputBias: hasBias), feedForward: feedForward)
        return ModelDescription(
            architecture: architecture, vocabularySize: try fields.count("vocab_size"), contextLength: sizes.contextLength,
            width: sizes.width, embeddingWidth: embedded, hasLearnedPositions: true, positionOffset: 2,
            layers: Array(repeating: layer, count: sizes.layerCount),
            finalNorm: hasFinalNorm ? norm : Norm(.none, epsilon: 1e-5, hasWeight: false),
            head: .init(isTied: try fields.flag("tie_word_embeddings", default: architecture.isTiedByDefault)),
            endTokenIDs: try fields.tokenIDs("eos_token_id"))
    }
}
