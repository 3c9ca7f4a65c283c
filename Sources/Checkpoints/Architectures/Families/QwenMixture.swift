/// Qwen 2 and 3 with experts in some layers; in Qwen 2 beside one that every position asks.
enum QwenMixture {
    static let architectures = [
        Architecture(
            modelType: "qwen2_moe", classPrefixes: ["Qwen2Moe"],
            spelling: spelling.with([
                .sharedGate: "mlp.shared_expert.gate_proj", .sharedUp: "mlp.shared_expert.up_proj",
                .sharedDown: "mlp.shared_expert.down_proj", .sharedWeight: "mlp.shared_expert_gate",
            ]),
            gguf: .qwen2Mixture,
            members: members.union(["qkv_bias", "shared_expert_intermediate_size", "max_window_layers", "layer_types"]), describe: qwen2),
        Architecture(
            modelType: "qwen3_moe", classPrefixes: ["Qwen3Moe"],
            spelling: spelling.with([.queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm"]), gguf: .qwen3Mixture,
            members: members.union(["attention_bias", "max_window_layers"]), describe: qwen3),
    ]

    static let spelling = Llama.spelling.with([
        .router: "mlp.gate", .expertGate: "mlp.experts.#.gate_proj", .expertUp: "mlp.experts.#.up_proj",
        .expertDown: "mlp.experts.#.down_proj",
    ])
    private static let members = MixtureDecoder.members.union([
        "moe_intermediate_size", "norm_topk_prob", "decoder_sparse_step", "mlp_only_layers", "use_sliding_window", "sliding_window",
    ])
    private static let slidingWindowDefault = 4096

    private static func qwen2(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let decoder = try MixtureDecoder(
            fields, architecture, .init(keyValueHeadCount: 16, contextLength: 32_768, headWidth: nil), epsilon: 1e-6)
        let count = decoder.sizes.layerCount
        let rotary = try fields.rotary(decoder.sizes)
        let hasBias = try fields.flag("qkv_bias", default: true)
        var windows = [Int?](repeating: nil, count: count)
        if let window = try window(fields) {
            // Layers of even numbers slide, below a limit, where nothing names them.
            let first = try fields.wholeNumber("max_window_layers") ?? 28
            let slides = try fields.slidingLayers(layerCount: count) ?? (0..<count).map { $0.isMultiple(of: 2) && $0 < first }
            windows = slides.map { $0 ? window : nil }
        }
        let shared = Mixture.Shared(innerWidth: try fields.count("shared_expert_intermediate_size"), isWeighted: true)
        let layers = try feedForwards(decoder, shared: shared)
        return try decoder.description { layer in
            decoder.sizes.attention(window: windows[layer], rotary: rotary, hasInputBias: hasBias)
        } feedForward: {
            layers[$0]
        }
    }

    /// Slides in every layer, or in none.
    private static func qwen3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let decoder = try MixtureDecoder(
            fields, architecture, .init(keyValueHeadCount: 4, contextLength: 32_768, headWidth: nil), epsilon: 1e-6)
        let rotary = try fields.rotary(decoder.sizes)
        let hasBias = try fields.flag("attention_bias", default: false)
        let window = try window(fields)
        let layers = try feedForwards(decoder, shared: nil)
        return try decoder.description { _ in
            decoder.sizes.attention(window: window, rotary: rotary, headNorm: decoder.norm, hasInputBias: hasBias, hasOutputBias: hasBias)
        } feedForward: {
            layers[$0]
        }
    }

    private static func window(_ fields: ConfigurationFields) throws(ModelError) -> Int? {
        guard try fields.flag("use_sliding_window", default: false) else { return nil }
        return try fields.slidingWindow(default: slidingWindowDefault)
    }

    private static func feedForwards(_ decoder: MixtureDecoder, shared: Mixture.Shared?) throws(ModelError) -> [FeedForward] {
        let fields = decoder.fields, sparse = try fields.sparseLayers(layerCount: decoder.sizes.layerCount)
        let experts = try fields.expertCounts(layerCount: decoder.sizes.layerCount)
        let mixture = Mixture(
            expertCount: experts.all, chosenCount: experts.chosen,
            weighting: .softmaxOfAll(sumsToOne: try fields.flag("norm_topk_prob", default: false)), shared: shared)
        let mixed = try decoder.gated("moe_intermediate_size", mixture)
        // A model whose layers all have experts may leave the other width out.
        let dense = try sparse.contains(false) ? decoder.gated("intermediate_size") : mixed
        return sparse.map { $0 ? mixed : dense }
    }
}
