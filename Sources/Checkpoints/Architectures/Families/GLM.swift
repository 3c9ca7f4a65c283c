import JSONText

/// GLM-4 (`glm`) and GLM-4-0414 (`glm4`): Llama with gate and up in one matrix, biases of queries, keys and values, and half of each
/// head turned in neighbouring pairs; the latter with norms after the branches, too.
enum GLM {
    static let architectures = [
        Architecture(modelType: "glm", classPrefixes: ["Glm"], spelling: spelling, gguf: .glm, members: members, describe: describe),
        Architecture(
            modelType: "glm4", classPrefixes: ["Glm4"],
            spelling: spelling.with([.attentionPostNorm: "post_self_attn_layernorm", .feedForwardPostNorm: "post_mlp_layernorm"]),
            gguf: .glm4, members: members, describe: describe),
    ]

    private static let spelling = Llama.spelling.without([.gate, .up]).with([.fusedGateUp: "mlp.gate_up_proj"])
    private static let members = Llama.members.union(["attention_bias"])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 2, contextLength: 131_072, headWidth: 128), of: architecture)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1.5625e-7))
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes, .init(share: 0.5, pairing: .neighbours)),
            hasInputBias: try fields.flag("attention_bias", default: true))
        let feedForward = FeedForward(
            .fusedGated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count("intermediate_size"))
        let layer = LayerDescription(
            norm: norm, normPlacement: architecture.spelling.has(.attentionPostNorm) ? .around : .before, attention: attention,
            feedForward: feedForward)
        var model = try fields.decoder(
            architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
        if fields.present("eos_token_id") == nil { model.endTokenIDs = [151_329, 151_336, 151_338] }
        return model
    }
}
