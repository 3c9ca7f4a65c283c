import JSONText
import TensorCore

/// Llama 4: layers whose queries see their own chunk of positions alone, rotate, and have norms of heads without weights; between
/// them some that see everything, rotate nothing, and whose queries grow with their position. Experts weigh what they are given.
enum Llama4 {
    static let architectures = [
        Architecture(
            modelType: "llama4_text", classPrefixes: ["Llama4"], spelling: spelling(prefix: "model.", head: "lm_head"), gguf: .llama4,
            members: members, describe: describe),
        // The text model is one with a head of its own inside of the larger one.
        Architecture(
            modelType: "llama4", classPrefixes: ["Llama4"], causalClass: "Llama4ForConditionalGeneration",
            spelling: spelling(prefix: "language_model.model.", head: "language_model.lm_head"),
            members: TextParts.members.union(["boi_token_index", "eoi_token_index", "boi_token_id", "eoi_token_id"])
        ) { fields, architecture throws(ModelError) in
            try TextParts.describe(fields, architecture, types: ["llama4_text"])
        },
    ]

    private static func spelling(prefix: String, head: String) -> Spelling {
        Spelling(
            prefix: prefix, container: "layers", parameters: [.expertGateUp, .expertDown],
            [
                .embedding: "embed_tokens", .attentionNorm: "input_layernorm", .query: "self_attn.q_proj", .key: "self_attn.k_proj",
                .value: "self_attn.v_proj", .attentionOutput: "self_attn.o_proj", .feedForwardNorm: "post_attention_layernorm",
                .gate: "feed_forward.gate_proj", .up: "feed_forward.up_proj", .down: "feed_forward.down_proj",
                .router: "feed_forward.router", .sharedGate: "feed_forward.shared_expert.gate_proj",
                .sharedUp: "feed_forward.shared_expert.up_proj", .sharedDown: "feed_forward.shared_expert.down_proj",
                .expertGateUp: "feed_forward.experts.gate_up_proj", .expertDown: "feed_forward.experts.down_proj", .finalNorm: "norm",
                .head: head,
            ])
    }

    private static let members = MixtureDecoder.members.union([
        "intermediate_size_mlp", "moe_layers", "interleave_moe_layer_step", "use_qk_norm", "no_rope_layers", "no_rope_layer_interval",
        "attention_chunk_size", "layer_types", "attn_temperature_tuning", "floor_scale", "attn_scale", "attention_bias",
    ])

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let decoder = try MixtureDecoder(
            fields, architecture, .init(keyValueHeadCount: 8, contextLength: 131_072, headWidth: 128, nullHeadWidthIsShare: true),
            epsilon: 1e-5)
        let count = decoder.sizes.layerCount
        let attentions = try attentions(decoder)
        let sparse = try sparseLayers(fields, layerCount: count)
        let mixed = sparse.contains(true) ? try mixture(decoder) : nil
        let dense = sparse.contains(false) ? try decoder.gated("intermediate_size_mlp") : nil
        return try decoder.description { layer in
            attentions[layer]
        } feedForward: { layer throws(ModelError) in
            guard let feedForward = sparse[layer] ? mixed : dense else { preconditionFailure("each kind of layer was asked for") }
            return feedForward
        }
    }

    private static func mixture(_ decoder: MixtureDecoder) throws(ModelError) -> FeedForward {
        let experts = try decoder.fields.expertCounts(layerCount: decoder.sizes.layerCount)
        return try decoder.gated(
            "intermediate_size",
            Mixture(
                expertCount: experts.all, chosenCount: experts.chosen, weighting: .sigmoidOfInput,
                shared: Mixture.Shared(innerWidth: try decoder.fields.count("intermediate_size")),
                storage: .stacked(.inputsByOutputs, alternates: false)))
    }

    /// By `moe_layers`, or else every `interleave_moe_layer_step`th.
    private static func sparseLayers(_ fields: ConfigurationFields, layerCount: Int) throws(ModelError) -> [Bool] {
        let step = try fields.optionalCount("interleave_moe_layer_step") ?? 1
        let stated = try fields.numberedLayers("moe_layers", layerCount: layerCount)
        return (0..<layerCount).map { stated?.contains($0) ?? ($0 + 1).isMultiple(of: step) }
    }

    private static func attentions(_ decoder: MixtureDecoder) throws(ModelError) -> [Attention] {
        let fields = decoder.fields, sizes = decoder.sizes
        let turns = try fields.turningLayers(layerCount: sizes.layerCount, emptyIsUnstated: true)
        let isChunked = try fields.layers(ofType: "chunked_attention", layerCount: sizes.layerCount) ?? turns
        let chunk = isChunked.contains(true) ? try chunk(fields) : nil
        let rotary = try fields.rotary(sizes, .init(theta: 500_000, pairing: .neighbours))
        let headNorm = try headNorm(decoder, rotary)
        let temperature = try temperature(fields)
        let hasBias = try fields.flag("attention_bias", default: false)
        return turns.indices.map { layer in
            sizes.attention(
                chunk: isChunked[layer] ? chunk : nil, rotary: turns[layer] ? rotary : nil, headNorm: turns[layer] ? headNorm : nil,
                temperature: turns[layer] ? nil : temperature, hasInputBias: hasBias, hasOutputBias: hasBias)
        }
    }

    private static func chunk(_ fields: ConfigurationFields) throws(ModelError) -> Int {
        guard fields.object["attention_chunk_size"] != nil else { return 8192 }
        guard let chunk = try fields.optionalCount("attention_chunk_size", limit: ConfigurationFields.limit << 6) else {
            throw ModelError("config.json: 'attention_chunk_size' is null, but layers look at chunks")
        }
        return chunk
    }

    /// Of heads that were turned; turning keeps their lengths, so that it is the same to normalize before.
    private static func headNorm(_ decoder: MixtureDecoder, _ rotary: RotaryEmbedding) throws(ModelError) -> Norm? {
        guard try decoder.fields.flag("use_qk_norm", default: true) else { return nil }
        guard rotary.magnitude == 1 else {
            throw ModelError(
                "config.json: the rotation multiplies heads by \(rotary.magnitude), which norms behind it would take away again; "
                    + "that is not built here")
        }
        return Norm(.rms, epsilon: decoder.norm.epsilon, hasWeight: false)
    }

    /// A number other than 0 says the same as true: so the first configurations were written.
    private static func temperature(_ fields: ConfigurationFields) throws(ModelError) -> QueryTemperature? {
        let key = "attn_temperature_tuning"
        let isOn = if let number = fields.present(key)?.integer { number != 0 } else { try fields.flag(key, default: true) }
        guard isOn else { return nil }
        return QueryTemperature(
            weight: try fields.positive(fields.present("attn_scale"), "attn_scale", default: 0.1),
            interval: try fields.positive(fields.present("floor_scale"), "floor_scale", default: 8192), offset: 1)
    }
}
