import JSONText
import TensorCore

/// gpt-oss: experts in every layer, with biases and a gate within bounds; heads with sinks; every other layer slides.
enum GPTOSS {
    static let architectures = [
        Architecture(
            modelType: "gpt_oss", classPrefixes: ["GptOss"],
            spelling: Llama.spelling.with(
                [
                    .sinks: "self_attn.sinks", .router: "mlp.router", .expertGateUp: "mlp.experts.gate_up_proj",
                    .expertDown: "mlp.experts.down_proj",
                ], parameters: [.sinks, .expertGateUp, .expertDown]),
            gguf: .gptOSS,
            members: MixtureDecoder.members.union([
                "attention_bias", "sliding_window", "layer_types", "swiglu_limit", "swiglu_alpha", "experts_per_token",
                // Said by released configurations and followed from the rope parameters.
                "initial_context_length",
            ]), describe: describe)
    ]

    /// What transformers takes where a configuration says nothing about rotation.
    private static let rotation = JSONObject([
        "rope_type": .string("yarn"), "factor": .double(32), "beta_fast": .double(32), "beta_slow": .double(1), "truncate": .bool(false),
        "original_max_position_embeddings": .integer(4096),
    ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        try fields.require("hidden_act", among: ["silu", "swish"])
        let decoder = try MixtureDecoder(
            fields, architecture, .init(keyValueHeadCount: 8, contextLength: 131_072, headWidth: 64, nullHeadWidthIsShare: true),
            epsilon: 1e-5)
        let sizes = decoder.sizes, stated = try fields.sharedRopeParameters()
        let rotary = try fields.rotary(stated.members.isEmpty ? rotation : stated, sizes, .init(theta: 150_000))
        let windows = try fields.windows(sizes, pattern: 2, default: 128)
        let hasBias = try fields.flag("attention_bias", default: true)
        let experts = try fields.expertCounts(layerCount: sizes.layerCount)
        let feedForward = FeedForward(
            .gated, .silu, innerWidth: try fields.count("intermediate_size"), hasBias: true,
            clamp: GateClamp(
                limit: try fields.factor("swiglu_limit", default: 7), alpha: try fields.factor("swiglu_alpha", default: 1.702)),
            mixture: Mixture(
                expertCount: experts.all, chosenCount: experts.chosen, weighting: .softmaxOfChosen, hasRouterBias: true,
                storage: .stacked(.inputsByOutputs, alternates: true)))
        return try decoder.description { layer in
            sizes.attention(
                window: windows[layer], rotary: rotary, hasInputBias: hasBias, hasOutputBias: hasBias, hasSinks: true)
        } feedForward: { _ in
            feedForward
        }
    }
}
