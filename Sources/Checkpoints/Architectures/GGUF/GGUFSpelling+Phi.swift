import JSONText

extension GGUFSpelling {
    /// With LongRoPE, whose factors are tensors of their own.
    static let phi3 = GGUFSpelling(
        "phi3", takesLongFactors: true, biases: [], constants: JSONObject(["hidden_act": .string("silu")]),
        numbers: [
            contextLength,
            .count("rope.scaling.original_context_length", "original_max_position_embeddings", or: .sameAs("context_length")) { model in
                longrope(of: model).flatMap { Int(exactly: $0.originalContextLength) }
            },
            width, innerWidth, blockCount,
        ] + heads + [epsilon, turnedWidth(or: .evenShare), theta],
        [
            .count("attention.sliding_window", nil, or: .value(0)) { $0.layers.first?.attention.window ?? 0 },
            .real("rope.scaling.attn_factor", nil, or: .leftOut) { longrope(of: $0)?.magnitude },
        ],
        complete: { config, contents in
            if let window = contents.numbers.count("attention.sliding_window"), window > 0 { config["sliding_window"] = .integer(window) }
            setTurnedShare(&config, contents.numbers)
        })

    /// Phi-2: always as wide inside of the MLP as four times the model, which is stated all the same.
    static let phi2 = GGUFSpelling(
        "phi2", biases: [.query, .key, .value, .attentionOutput, .up, .down, .head],
        constants: JSONObject(["hidden_act": .string("gelu_new")]),
        numbers: [contextLength, width, innerWidth, blockCount] + heads + [layerEpsilon("layer_norm_eps"), turnedWidth(or: .evenShare)],
        [unusualTheta], limits: [.ownHead, .evenHeads],
        complete: { config, contents in setTurnedShare(&config, contents.numbers) })

    private static func longrope(of model: ModelDescription) -> LongRopeScaling? {
        guard case .longrope(let settings)? = model.layers.first?.attention.rotary?.scaling else { return nil }
        return settings
    }
}
