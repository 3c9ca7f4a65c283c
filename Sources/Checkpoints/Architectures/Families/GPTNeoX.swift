import JSONText

/// GPT-NeoX (Pythia): one matrix that makes query, key and value of each head in turn, a quarter of each head turned, branches beside
/// each other with a norm each.
enum GPTNeoX {
    static let architectures = [
        Architecture(
            modelType: "gpt_neox", classPrefixes: ["GPTNeoX"], spelling: spelling,
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm, .up, .down],
            gguf: .gptNeoX,
            members: Llama.members.union([
                "layer_norm_eps", "rotary_pct", "rotary_emb_base", "use_parallel_residual", "attention_bias",
            ]), describe: describe)
    ]

    private static let spelling = Spelling(
        prefix: "gpt_neox.", container: "layers",
        [
            .embedding: "embed_in", .attentionNorm: "input_layernorm", .fusedQueryKeyValue: "attention.query_key_value",
            .attentionOutput: "attention.dense", .feedForwardNorm: "post_attention_layernorm", .up: "mlp.dense_h_to_4h",
            .down: "mlp.dense_4h_to_h", .finalNorm: "final_layer_norm", .head: "embed_out",
        ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        guard sizes.keyValueHeadCount == sizes.headCount else {
            throw ModelError("config.json: a gpt_neox has as many keys as heads, \(sizes.headCount), not \(sizes.keyValueHeadCount)")
        }
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_eps", default: 1e-5))
        let hasBias = try fields.flag("attention_bias", default: true)
        let rotary = try fields.rotary(sizes, .init(share: 0.25, thetaKey: "rotary_emb_base", shareKey: "rotary_pct"))
        let feedForward = FeedForward(
            .plain, try fields.activation("hidden_act", default: .gelu), innerWidth: try fields.count("intermediate_size"), hasBias: true)
        let layer = LayerDescription(
            norm: norm, wiring: try fields.flag("use_parallel_residual", default: true) ? .parallel(sharesNorm: false) : .sequential,
            attention: sizes.attention(.grouped, rotary: rotary, hasInputBias: hasBias, hasOutputBias: hasBias), feedForward: feedForward)
        return try fields.decoder(architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
    }
}
