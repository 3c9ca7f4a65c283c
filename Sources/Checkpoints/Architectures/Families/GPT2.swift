/// GPT-2: LayerNorm with bias, learned positions, query, key and value in one matrix, a plain MLP, `Conv1D` for linear layers.
package enum GPT2 {
    static let architectures = [
        Architecture(
            modelType: "gpt2", classPrefixes: ["GPT2"], causalClass: "GPT2LMHeadModel", spelling: spelling, isTiedByDefault: true,
            biasedRoles: Set(TensorRole.allCases).subtracting([.embedding, .positions, .head]), gguf: .gpt2,
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
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_epsilon", default: 1e-5))
        let feedForward = FeedForward(
            .plain, try fields.activation("activation_function", default: .geluTanh),
            innerWidth: try fields.optionalCount("n_inner") ?? 4 * width, hasBias: true)
        let isScaled = try fields.flag("scale_attn_weights", default: true)
        let isScaledByLayer = try fields.flag("scale_attn_by_inverse_layer_idx", default: false)
        // What the table of positions does not have is not read: there are configurations with another `n_ctx`.
        let stated = try fields.optionalCount("n_positions")
        let contextLength: Int
        if let stated { contextLength = stated } else { contextLength = try fields.count("max_position_embeddings", "n_ctx") }
        let layers = (0..<layerCount).map { layer in
            let scale = isScaled ? 1 / Float(width / headCount).squareRoot() : 1
            return self.layer(
                norm, feedForward, width: width, headCount: headCount, scale: isScaledByLayer ? scale / Float(layer + 1) : scale)
        }
        return ModelDescription(
            architecture: architecture, vocabularySize: try fields.count("vocab_size"),
            contextLength: contextLength, width: width, hasLearnedPositions: true,
            layers: layers, finalNorm: norm, head: .init(isTied: try fields.flag("tie_word_embeddings", default: true)),
            endTokenIDs: try fields.tokenIDs("eos_token_id"))
    }

    private static func layer(_ norm: Norm, _ feedForward: FeedForward, width: Int, headCount: Int, scale: Float? = nil) -> LayerDescription
    {
        LayerDescription(
            norm: norm,
            attention: Attention(
                .fused, headCount: headCount, keyValueHeadCount: headCount, headWidth: width / headCount, scale: scale, hasInputBias: true,
                hasOutputBias: true),
            feedForward: feedForward)
    }

    /// A GPT-2 as OpenAI published them, of which `hparams.json` states the sizes alone.
    ///
    /// - Precondition: `width` is a multiple of `headCount`.
    package static func published(
        vocabularySize: Int, contextLength: Int, width: Int, headCount: Int, layerCount: Int
    ) -> ModelDescription {
        let norm = Norm(.layer, epsilon: 1e-5), feedForward = FeedForward(.plain, .geluTanh, innerWidth: 4 * width, hasBias: true)
        return ModelDescription(
            architecture: architectures[0], vocabularySize: vocabularySize, contextLength: contextLength, width: width,
            hasLearnedPositions: true,
            layers: Array(repeating: layer(norm, feedForward, width: width, headCount: headCount), count: layerCount), finalNorm: norm,
            head: .init(isTied: true), endTokenIDs: [vocabularySize - 1])
    }

    /// What TensorFlow calls a tensor: `model/h0/attn/c_attn/w`, and whether it stores the matrix as [1, in, out].
    package static func tensorFlowVariable(_ tensor: ExpectedTensor) -> (name: String, hasLeadingOne: Bool) {
        let module = spelling.name(of: tensor.key.role).split(separator: ".").joined(separator: "/")
        let path = "model/" + (tensor.key.layer.map { "h\($0)/" } ?? "") + module
        if !tensor.key.role.isInLayer, tensor.key.role != .finalNorm { return (path, false) }
        let part = tensor.part == .bias ? "b" : tensor.key.role.isNorm ? "g" : "w"
        return ("\(path)/\(part)", part == "w")
    }
}
