import JSONText

/// transformers 5 writes `rope_parameters`; before, `rope_theta` stood alone and `rope_scaling` beside it.
extension ConfigurationFields {
    /// The rotation of all layers.
    ///
    /// Where both spellings are there, `rope_scaling` wins unless it is empty, as in transformers.
    ///
    /// - Parameter contextLength: takes the place of the positions of pretraining, where they are not stated.
    func rotary(contextLength: Int, theta: Double = 10_000) throws(ModelError) -> RotaryEmbedding {
        for key in ["rope_scaling", "rope_parameters"] {
            guard let parameters = try ropeParameters(key), !parameters.members.isEmpty else { continue }
            if let nested = parameters.members.first(where: { $0.value.object != nil }) {
                throw ModelError(
                    "config.json: '\(key)' has settings of its own for '\(JSONError.excerpt(nested.key))'; one rotation for all layers can be run"
                )
            }
            return try rotary(parameters, theta: parameters["rope_theta"] ?? object["rope_theta"], theta, contextLength)
        }
        return try rotary(nil, theta: object["rope_theta"], theta, contextLength)
    }

    /// The rotations of layers of full attention and of those that slide, where a family has one of each (Gemma 3).
    ///
    /// `rope_scaling` and `rope_theta`, as transformers 4 wrote them, are of full attention alone; `rope_local_base_freq` is the
    /// base of the others.
    func rotariesByKind(
        contextLength: Int, theta: Double, slidingTheta: Double
    ) throws(ModelError) -> (full: RotaryEmbedding, sliding: RotaryEmbedding) {
        let stated = try ropeParameters("rope_parameters")
        let kinds = ["full_attention", "sliding_attention"]
        if let stated, let other = stated.members.first(where: { !kinds.contains($0.key) }) {
            throw ModelError(
                "config.json: 'rope_parameters' has '\(JSONError.excerpt(other.key))', but settings of this model are those of "
                    + kinds.map { "'\($0)'" }.joined(separator: " and "))
        }
        var full = stated?[kinds[0]]?.object ?? JSONObject()
        for member in try ropeParameters("rope_scaling")?.members ?? [] { full[member.key] = member.value }
        let sliding = stated?[kinds[1]]?.object
        return (
            try rotary(full, theta: full["rope_theta"] ?? object["rope_theta"], theta, contextLength),
            try rotary(sliding, theta: sliding?["rope_theta"] ?? object["rope_local_base_freq"], slidingTheta, contextLength)
        )
    }

    private func ropeParameters(_ key: String) throws(ModelError) -> JSONObject? {
        guard let value = present(key) else { return nil }
        guard let parameters = value.object else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but an object is expected")
        }
        return parameters
    }

    private func rotary(
        _ parameters: JSONObject?, theta stated: JSONValue?, _ fallback: Double, _ contextLength: Int
    ) throws(ModelError) -> RotaryEmbedding {
        let theta = try positive(stated, "rope_theta", default: fallback)
        let share = try positive(
            parameters?["partial_rotary_factor"] ?? present("partial_rotary_factor"), "partial_rotary_factor", default: 1)
        guard share == 1 else { throw ModelError("config.json: partial_rotary_factor is \(share); only whole heads are rotated here") }
        guard let parameters else { return RotaryEmbedding(theta: theta) }
        switch try ropeType(parameters) {
        case "default": return RotaryEmbedding(theta: theta)
        case "linear": return RotaryEmbedding(theta: theta, scaling: .linear(factor: try positive(parameters["factor"], "factor")))
        case "llama3":
            let low = try positive(parameters["low_freq_factor"], "low_freq_factor")
            let high = try positive(parameters["high_freq_factor"], "high_freq_factor")
            guard low < high else { throw ModelError("config.json: low_freq_factor is \(low), not below high_freq_factor, \(high)") }
            return RotaryEmbedding(
                theta: theta,
                scaling: .llama3(
                    factor: try positive(parameters["factor"], "factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                    originalContextLength: try originalContextLength(parameters, contextLength)))
        case let other:
            throw ModelError(
                "config.json: rope type '\(JSONError.excerpt(other))' cannot be run; these can: default, linear, llama3",
                hint: "within the context of pretraining, a config without rope scaling may do; the results are the model's then")
        }
    }

    /// `rope_type`, or `type` as it was called before.
    private func ropeType(_ parameters: JSONObject) throws(ModelError) -> String {
        guard let stated = parameters["rope_type"] ?? parameters["type"] else { return "default" }
        guard let type = stated.string else {
            throw ModelError("config.json: the rope type is \(JSONError.excerpt(stated.text(.compact))), but a name is expected")
        }
        return type
    }

    /// Positions of pretraining: what stands beside the rope parameters wins over what stands in them.
    private func originalContextLength(_ parameters: JSONObject, _ contextLength: Int) throws(ModelError) -> Double {
        let key = "original_max_position_embeddings"
        guard let stated = present(key) ?? parameters[key] else { return Double(contextLength) }
        return try positive(stated, key)
    }
}
