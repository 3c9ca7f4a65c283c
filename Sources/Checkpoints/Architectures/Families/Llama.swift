import JSONText

/// Llama and those built like it: RMSNorm, rotary positions, grouped queries, a gated MLP with SiLU.
enum Llama {
    static let architectures = [
        Architecture(
            modelType: "llama", classPrefixes: ["Llama", "LLaMA"], spelling: spelling, gguf: .llama,
            members: members.union(["attention_bias", "mlp_bias"]),
            describe: llama),
        Architecture(
            modelType: "mistral", classPrefixes: ["Mistral"], spelling: spelling, gguf: .llama,
            members: members.union(["sliding_window", "layer_types"]),
            describe: mistral),
        Architecture(
            modelType: "qwen2", classPrefixes: ["Qwen2"], spelling: spelling, gguf: .qwen2, members: members.union(qwenWindows),
            describe: qwen2),
        Architecture(
            modelType: "qwen3", classPrefixes: ["Qwen3"],
            spelling: spelling.with([.queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm"]), gguf: .qwen3,
            members: members.union(qwenWindows).union(["attention_bias"]), describe: qwen3),
    ]

    /// What most families of today call their modules.
    static let spelling = Spelling(
        prefix: "model.", container: "layers",
        [
            .embedding: "embed_tokens", .attentionNorm: "input_layernorm", .query: "self_attn.q_proj", .key: "self_attn.k_proj",
            .value: "self_attn.v_proj", .attentionOutput: "self_attn.o_proj", .feedForwardNorm: "post_attention_layernorm",
            .gate: "mlp.gate_proj", .up: "mlp.up_proj", .down: "mlp.down_proj", .finalNorm: "norm", .head: "lm_head",
        ])

    /// Followed by all of them.
    static let members: Set<String> = [
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act",
        "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor",
        "original_max_position_embeddings",
    ]
    private static let qwenWindows: Set<String> = ["use_sliding_window", "sliding_window", "max_window_layers", "layer_types"]
    private static let slidingWindowDefault = 4096

    /// What the members of the family do otherwise than a Llama.
    private struct Variant {
        var defaults: ConfigurationFields.SizeDefaults
        var hasInputBias = false
        var hasOutputBias = false
        var hasMLPBias = false
        var hasHeadNorms = false
    }

    private static func llama(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let hasBias = try fields.flag("attention_bias", default: false)
        let variant = Variant(
            defaults: .init(keyValueHeadCount: nil, contextLength: 2048, headWidth: nil), hasInputBias: hasBias, hasOutputBias: hasBias,
            hasMLPBias: try fields.flag("mlp_bias", default: false))
        return try describe(fields, architecture, variant) { _ in [] }
    }

    /// Slides in every layer, or in those that `layer_types` names (transformers makes a Ministral of such a Mistral).
    private static func mistral(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let variant = Variant(defaults: .init(keyValueHeadCount: 8, contextLength: 131_072, headWidth: nil))
        return try describe(fields, architecture, variant) { layerCount throws(ModelError) in
            guard let window = try fields.slidingWindow(default: slidingWindowDefault) else { return [] }
            let slides = try fields.slidingLayers(layerCount: layerCount) ?? Array(repeating: true, count: layerCount)
            return slides.map { $0 ? window : nil }
        }
    }

    /// Always has biases of query, key and value, whatever its configuration says.
    private static func qwen2(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let variant = Variant(defaults: .init(keyValueHeadCount: 32, contextLength: 32_768, headWidth: nil), hasInputBias: true)
        return try describe(fields, architecture, variant) { layerCount throws(ModelError) in
            try qwenWindows(fields, layerCount: layerCount)
        }
    }

    private static func qwen3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let hasBias = try fields.flag("attention_bias", default: false)
        let variant = Variant(
            defaults: .init(keyValueHeadCount: 32, contextLength: 32_768, headWidth: 128), hasInputBias: hasBias, hasOutputBias: hasBias,
            hasHeadNorms: true)
        return try describe(fields, architecture, variant) { layerCount throws(ModelError) in
            try qwenWindows(fields, layerCount: layerCount)
        }
    }

    /// Slides only where `use_sliding_window` says so: in the layers that `layer_types` names, else from `max_window_layers` on.
    private static func qwenWindows(_ fields: ConfigurationFields, layerCount: Int) throws(ModelError) -> [Int?] {
        guard try fields.flag("use_sliding_window", default: false),
            let window = try fields.slidingWindow(default: slidingWindowDefault)
        else { return [] }
        if let slides = try fields.slidingLayers(layerCount: layerCount) { return slides.map { $0 ? window : nil } }
        let first = try fields.wholeNumber("max_window_layers") ?? 28
        return (0..<layerCount).map { $0 >= first ? window : nil }
    }

    /// Layers that differ from Llama's in attention, norms and wiring alone.
    static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes, norm: Norm,
        normPlacement: LayerDescription.NormPlacement = .before, wiring: LayerDescription.Wiring = .sequential, hasMLPBias: Bool = false,
        headScale: Float = 1, attention: (_ layer: Int) -> Attention
    ) throws(ModelError) -> ModelDescription {
        let feedForward = FeedForward(
            .gated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count("intermediate_size"),
            hasBias: hasMLPBias)
        let layers = (0..<sizes.layerCount).map { layer in
            LayerDescription(
                norm: norm, normPlacement: normPlacement, wiring: wiring, attention: attention(layer), feedForward: feedForward)
        }
        return try fields.decoder(architecture, sizes, layers: layers, finalNorm: norm, headScale: headScale)
    }

    /// The same with Llama's RMSNorm.
    ///
    /// - Parameter epsilon: where none is stated.
    static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes, epsilon: Double,
        hasMLPBias: Bool = false, attention: (_ layer: Int) -> Attention
    ) throws(ModelError) -> ModelDescription {
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: epsilon))
        return try describe(fields, architecture, sizes, norm: norm, hasMLPBias: hasMLPBias, attention: attention)
    }

    /// - Parameter windows: of each layer; none at all where no layer slides.
    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ variant: Variant,
        windows: (_ layerCount: Int) throws(ModelError) -> [Int?]
    ) throws(ModelError) -> ModelDescription {
        try fields.require("hidden_act", among: ["silu", "swish"])
        let sizes = try fields.sizes(variant.defaults, of: architecture)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-6))
        let rotary = try fields.rotary(sizes)
        let windows = try windows(sizes.layerCount)
        let feedForward = FeedForward(
            .gated, .silu, innerWidth: try fields.count("intermediate_size"), hasBias: variant.hasMLPBias)
        let layers = (0..<sizes.layerCount).map { layer in
            LayerDescription(
                norm: norm,
                attention: Attention(
                    .separate, headCount: sizes.headCount, keyValueHeadCount: sizes.keyValueHeadCount, headWidth: sizes.headWidth,
                    window: windows.isEmpty ? nil : windows[layer], rotary: rotary, headNorm: variant.hasHeadNorms ? norm : nil,
                    hasInputBias: variant.hasInputBias, hasOutputBias: variant.hasOutputBias),
                feedForward: feedForward)
        }
        return ModelDescription(
            architecture: architecture, vocabularySize: try fields.count("vocab_size"), contextLength: sizes.contextLength,
            width: sizes.width, hasLearnedPositions: false, layers: layers, finalNorm: norm,
            head: .init(isTied: try fields.flag("tie_word_embeddings", default: architecture.isTiedByDefault)),
            endTokenIDs: try fields.tokenIDs("eos_token_id"))
    }
}
