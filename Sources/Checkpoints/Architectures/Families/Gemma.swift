import JSONText

/// Gemma 1 to 3 (text): Llama's layer with norm weights from 0 on (the factor is w + 1), a gated MLP with GELU, and an embedding
/// times the root of the width. Gemma 2 has norms after both branches, too, slides in every second layer and caps scores and logits;
/// Gemma 3 has norms of heads instead of caps, slides in five of six layers, and rotates those with a base of their own.
enum Gemma {
    static let architectures = [
        Architecture(
            modelType: "gemma", classPrefixes: ["Gemma"], spelling: Llama.spelling, isTiedByDefault: true,
            gguf: .gemma, members: Llama.members.union(shared), describe: gemma),
        Architecture(
            modelType: "gemma2", classPrefixes: ["Gemma2"], spelling: fourNorms, isTiedByDefault: true,
            gguf: .gemma2, members: laterMembers, describe: gemma2),
        Architecture(
            modelType: "gemma3_text", classPrefixes: ["Gemma3", "Gemma3Text"],
            spelling: latest, isTiedByDefault: true,
            gguf: .gemma3, members: laterMembers.union(["rope_local_base_freq", "sliding_window_pattern", "_sliding_window_pattern"]),
            describe: gemma3),
    ]

    /// `post_attention_layernorm` follows attention here; in Llama it precedes the MLP.
    private static let fourNorms = Llama.spelling.with([
        .attentionPostNorm: "post_attention_layernorm", .feedForwardNorm: "pre_feedforward_layernorm",
        .feedForwardPostNorm: "post_feedforward_layernorm",
    ])
    /// Of Gemma 3.
    static let latest = fourNorms.with([.queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm"])
    /// Of `hidden_act` and `hidden_activation`, which files have beside each other, transformers reads the first of a Gemma 1 alone, and
    /// the second of the others.
    private static let shared: Set<String> = ["attention_bias", "use_bidirectional_attention", "hidden_activation"]
    private static let laterMembers = Llama.members.union(shared).union([
        "query_pre_attn_scalar", "final_logit_softcapping", "attn_logit_softcapping", "sliding_window", "layer_types",
    ])
    private static let slidingWindowDefault = 4096

    private static func gemma(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 16, contextLength: 8192, headWidth: 256), of: architecture)
        // The first configurations said `gelu` and meant its approximation, as transformers reads it.
        let stated = try fields.activation("hidden_act", default: .geluTanh)
        let rotary = try fields.rotary(sizes)
        return try describe(fields, architecture, sizes, activation: stated == .gelu ? .geluTanh : stated, .before) { norm, hasBias, _ in
            attention(sizes, rotary: rotary, hasBias: hasBias)
        }
    }

    private static func gemma2(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 4, contextLength: 8192, headWidth: 256), of: architecture)
        let rotary = try fields.rotary(sizes)
        let scale = try scoreScale(fields), cap = try fields.cap("attn_logit_softcapping", default: 50)
        let windows = try fields.windows(sizes, pattern: 2, default: slidingWindowDefault)
        let logitCap = try fields.cap("final_logit_softcapping", default: 30)
        return try describe(
            fields, architecture, sizes, activation: try fields.activation("hidden_activation", default: .geluTanh), .around,
            logitCap: logitCap
        ) { norm, hasBias, layer in
            attention(sizes, scale: scale, scoreCap: cap, window: windows[layer], rotary: rotary, hasBias: hasBias)
        }
    }

    /// transformers has a cap of scores in this configuration, too, and never reads it.
    private static func gemma3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 4, contextLength: 131_072, headWidth: 256), of: architecture)
        let rotaries = try fields.rotariesByKind(
            sizes, theta: 1_000_000, slidingTheta: 10_000, slidingThetaKey: "rope_local_base_freq")
        let scale = try scoreScale(fields)
        let pattern = try fields.optionalCount("sliding_window_pattern") ?? 6
        let windows = try fields.windows(sizes, pattern: pattern, default: slidingWindowDefault)
        let logitCap = try fields.cap("final_logit_softcapping", default: nil)
        return try describe(
            fields, architecture, sizes, activation: try fields.activation("hidden_activation", default: .geluTanh), .around,
            logitCap: logitCap
        ) { norm, hasBias, layer in
            attention(
                sizes, scale: scale, window: windows[layer], rotary: windows[layer] == nil ? rotaries.full : rotaries.sliding,
                headNorm: norm, hasBias: hasBias)
        }
    }

    /// Queries are divided by the root of a stated number, which need not be the width of a head.
    private static func scoreScale(_ fields: ConfigurationFields) throws(ModelError) -> Float {
        1 / Float(try fields.positive(fields.object["query_pre_attn_scalar"], "query_pre_attn_scalar", default: 256)).squareRoot()
    }

    private static func attention(
        _ sizes: ConfigurationFields.Sizes, scale: Float? = nil, scoreCap: Float? = nil, window: Int? = nil, rotary: RotaryEmbedding,
        headNorm: Norm? = nil, hasBias: Bool
    ) -> Attention {
        Attention(
            .separate, headCount: sizes.headCount, keyValueHeadCount: sizes.keyValueHeadCount, headWidth: sizes.headWidth, scale: scale,
            scoreCap: scoreCap, window: window, rotary: rotary, headNorm: headNorm, hasInputBias: hasBias, hasOutputBias: hasBias)
    }

    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes, activation: Activation,
        _ placement: LayerDescription.NormPlacement, logitCap: Float? = nil,
        attention: (_ norm: Norm, _ hasBias: Bool, _ layer: Int) -> Attention
    ) throws(ModelError) -> ModelDescription {
        try fields.require("use_bidirectional_attention", false, default: false)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-6), addsOne: true)
        let feedForward = FeedForward(.gated, activation, innerWidth: try fields.count("intermediate_size"))
        let hasBias = try fields.flag("attention_bias", default: false)
        let layers = (0..<sizes.layerCount).map { layer in
            LayerDescription(
                norm: norm, normPlacement: placement, attention: attention(norm, hasBias, layer), feedForward: feedForward)
        }
        return ModelDescription(
            architecture: architecture, vocabularySize: try fields.count("vocab_size"), contextLength: sizes.contextLength,
            width: sizes.width, embeddingScale: Float(sizes.width).squareRoot(), roundsEmbeddingScale: true, hasLearnedPositions: false,
            layers: layers, finalNorm: norm,
            head: .init(isTied: try fields.flag("tie_word_embeddings", default: architecture.isTiedByDefault), cap: logitCap),
            endTokenIDs: try fields.tokenIDs("eos_token_id"))
    }
}
