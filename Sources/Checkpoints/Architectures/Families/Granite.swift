import JSONText
import TensorCore

/// Granite 3 and the dense models of Granite 4: Llama with factors for the embedding, the branches, the scores and the logits.
enum Granite {
    static let architectures = [
        Architecture(
            modelType: "granite", classPrefixes: ["Granite"], spelling: Llama.spelling, gguf: .granite,
            members: members.union(["mlp_bias"]),
            describe: granite),
        Architecture(
            modelType: "granitemoe", classPrefixes: ["GraniteMoe"], spelling: Llama.spelling.with(expertNames), gguf: .graniteMixture,
            members: members.union(["num_local_experts", "num_experts", "num_experts_per_tok"]), describe: mixture),
        Architecture(
            modelType: "granitemoehybrid", classPrefixes: ["GraniteMoeHybrid"],
            spelling: Llama.spelling.without([.gate, .up]).with([
                .fusedGateUp: "shared_mlp.input_linear", .down: "shared_mlp.output_linear", .sharedGateUp: "shared_mlp.input_linear",
                .sharedDown: "shared_mlp.output_linear",
            ]).with(expertNames),
            // Layers of Mamba have no attention.
            optionalRoles: [.query, .key, .value, .attentionOutput, .fusedGateUp, .down],
            members: members.union([
                "layer_types", "layers_block_type", "num_local_experts", "num_experts_per_tok", "shared_intermediate_size",
                "position_embedding_type", "num_experts",
                // Of layers that are not built here.
                "mamba_n_heads", "mamba_n_groups", "mamba_d_state", "mamba_d_head", "mamba_d_conv", "mamba_expand", "mamba_chunk_size",
                "mamba_conv_bias", "mamba_proj_bias", "time_step_limit",
            ]), describe: hybrid),
    ]

    /// Gate and up of all experts of a layer in one tensor, and down of all in another.
    private static let expertNames: [TensorRole: String] = [
        .router: "block_sparse_moe.router.layer", .expertGateUp: "block_sparse_moe.input_linear",
        .expertDown: "block_sparse_moe.output_linear",
    ]

    private static let members = Llama.members.union([
        "attention_bias", "embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier",
    ])

    private static func granite(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let feedForward = FeedForward(
            .gated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count("intermediate_size"),
            hasBias: try fields.flag("mlp_bias", default: false))
        return try describe(fields, architecture, sizes, feedForward, rotary: try fields.rotary(sizes))
    }

    private static func mixture(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let feedForward = try mixed(fields, sizes, shared: nil)
        return try describe(fields, architecture, sizes, feedForward, rotary: try fields.rotary(sizes))
    }

    private static func mixed(
        _ fields: ConfigurationFields, _ sizes: ConfigurationFields.Sizes, shared: Mixture.Shared?
    ) throws(ModelError) -> FeedForward {
        let experts = try fields.expertCounts(layerCount: sizes.layerCount)
        return FeedForward(
            .gated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count("intermediate_size"),
            mixture: Mixture(
                expertCount: experts.all, chosenCount: experts.chosen, weighting: .softmaxOfChosen, shared: shared,
                storage: .stacked(.outputsByInputs, alternates: false)))
    }

    /// With attention in every layer; its MLP stands alone, or beside experts.
    private static func hybrid(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let types = (fields.present("layer_types") ?? fields.present("layers_block_type"))?.array ?? []
        guard types.count == sizes.layerCount else {
            throw ModelError("config.json: layer_types has \(types.count) entries, but num_hidden_layers is \(sizes.layerCount)")
        }
        if let type = types.first(where: { !["full_attention", "attention"].contains($0.string) }) {
            throw ModelError("config.json: layers of type \(JSONError.excerpt(type.text(.compact))) cannot be run; those of attention can")
        }
        let sharedWidth = try fields.optionalCount("shared_intermediate_size") ?? 1024
        let feedForward =
            try fields.wholeNumber("num_local_experts") == 0
            ? FeedForward(.fusedGated, try fields.activation("hidden_act", default: .silu), innerWidth: sharedWidth)
            : try mixed(fields, sizes, shared: Mixture.Shared(innerWidth: sharedWidth, isFused: true))
        let position = fields.present("position_embedding_type")?.string
        return try describe(fields, architecture, sizes, feedForward, rotary: position == "rope" ? try fields.rotary(sizes) : nil)
    }

    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes, _ feedForward: FeedForward,
        rotary: RotaryEmbedding?
    ) throws(ModelError) -> ModelDescription {
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-6))
        let hasBias = try fields.flag("attention_bias", default: false)
        let attention = sizes.attention(
            scale: try fields.factor("attention_multiplier", default: 1), rotary: rotary, hasInputBias: hasBias, hasOutputBias: hasBias)
        let layer = LayerDescription(
            norm: norm, branchFactor: try fields.factor("residual_multiplier", default: 1), attention: attention, feedForward: feedForward)
        return try fields.decoder(
            architecture, sizes, embeddingScale: try fields.factor("embedding_multiplier", default: 1),
            layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm,
            headScale: 1 / (try fields.factor("logits_scaling", default: 1)))
    }
}
