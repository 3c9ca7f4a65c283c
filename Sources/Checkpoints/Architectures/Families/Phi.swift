import JSONText

/// Phi-3 to Phi-4 (`phi3`): Llama's layer with query, key and value in one matrix, and gate and up in another; parts of heads may
/// turn, by LongRoPE. Phi-1 to Phi-2 (`phi`): LayerNorm, one for both branches, which stand beside each other; biases everywhere.
enum Phi {
    static let architectures = [
        Architecture(
            modelType: "phi3", classPrefixes: ["Phi3"],
            spelling: Llama.spelling.without([.query, .key, .value, .gate, .up]).with([
                .fusedQueryKeyValue: "self_attn.qkv_proj", .fusedGateUp: "mlp.gate_up_proj",
            ]),
            gguf: .phi3, members: Llama.members.union(["sliding_window"]), describe: phi3),
        Architecture(
            modelType: "phi", classPrefixes: ["Phi"],
            spelling: Llama.spelling.without([.feedForwardNorm, .gate]).with([
                .queryNorm: "self_attn.q_layernorm", .keyNorm: "self_attn.k_layernorm", .attentionOutput: "self_attn.dense",
                .up: "mlp.fc1", .down: "mlp.fc2", .finalNorm: "final_layernorm",
            ]),
            biasedRoles: Set(TensorRole.allCases).subtracting([.embedding]), optionalRoles: [.queryNorm, .keyNorm], gguf: .phi2,
            members: Llama.members.union(["layer_norm_eps", "qk_layernorm"]), describe: phi),
    ]

    private static func phi3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 4096), of: architecture)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-5))
        let rotary = try fields.rotary(sizes, .init(share: 1, originalContextLength: 4096, readsYarnAsLongrope: true))
        let windows = try fields.windows(sizes, pattern: fields.present("sliding_window") == nil ? 1 : nil, default: nil)
        let feedForward = FeedForward(
            .fusedGated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count("intermediate_size"))
        let layers = windows.map { window in
            LayerDescription(
                norm: norm, attention: sizes.attention(.fused, window: window, rotary: rotary), feedForward: feedForward)
        }
        return try fields.decoder(architecture, sizes, layers: layers, finalNorm: norm)
    }

    private static func phi(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_eps", default: 1e-5))
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes, .init(share: 0.5)), headNorm: try fields.flag("qk_layernorm", default: false) ? norm : nil,
            hasInputBias: true, hasOutputBias: true)
        let feedForward = FeedForward(
            .plain, try fields.activation("hidden_act", default: .geluTanh), innerWidth: try fields.count("intermediate_size"),
            hasBias: true)
        let layer = LayerDescription(
            norm: norm, wiring: .parallel(sharesNorm: true), attention: attention, feedForward: feedForward)
        return try fields.decoder(
            architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm, hasHeadBias: true)
    }
}
