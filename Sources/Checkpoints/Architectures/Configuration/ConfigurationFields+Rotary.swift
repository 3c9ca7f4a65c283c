import JSONText

/// transformers 5 writes `rope_parameters`; before, `rope_theta` stood alone and `rope_scaling` beside it.
extension ConfigurationFields {
    /// What a family takes where config.json says nothing, and how it reads what is there.
    struct RotaryHabits {
        var theta = 10_000.0
        /// Share of a head that turns; nil where heads always turn whole.
        var share: Double?
        var pairing = RotaryEmbedding.Pairing.halves
        /// Where base and share stand outside of the rope parameters.
        var thetaKey = "rope_theta"
        var shareKey = "partial_rotary_factor"
        /// Positions of pretraining, where they are not stated; nil for those of the context.
        var originalContextLength: Double?
        /// Phi-3 calls its LongRoPE so, too.
        var readsYarnAsLongrope = false
    }

    /// The rotation of all layers.
    ///
    /// Where both spellings are there, `rope_scaling` wins unless it is empty, as in transformers.
    ///
    /// - Parameter sizes: the length of the context takes the place of the positions of pretraining, where they are not stated.
    func rotary(_ sizes: Sizes, _ habits: RotaryHabits = RotaryHabits()) throws(ModelError) -> RotaryEmbedding {
        try rotary(try sharedRopeParameters(), sizes, habits)
    }

    func rotary(_ parameters: JSONObject, _ sizes: Sizes, _ habits: RotaryHabits = RotaryHabits()) throws(ModelError) -> RotaryEmbedding {
        try RotaryReading(self, parameters, sizes, habits).embedding()
    }

    /// What all layers share; empty where nothing is stated.
    func sharedRopeParameters() throws(ModelError) -> JSONObject {
        for key in ["rope_scaling", "rope_parameters"] {
            guard let parameters = try ropeParameters(key), !parameters.members.isEmpty else { continue }
            if let nested = parameters.members.first(where: { $0.value.object != nil }) {
                throw ModelError(
                    "config.json: '\(key)' has settings of its own for '\(JSONError.excerpt(nested.key))'; one rotation for all layers can be run"
                )
            }
            return parameters
        }
        return JSONObject()
    }

    /// The rotations of layers of full attention and of those that slide, where a family has one of each (Gemma 3, OLMo 3).
    ///
    /// `rope_scaling` and `rope_theta`, as transformers 4 wrote them, are of full attention alone.
    ///
    /// - Parameter slidingThetaKey: where the base of the others stands outside of the rope parameters; nil where nowhere.
    func rotariesByKind(
        _ sizes: Sizes, theta: Double, slidingTheta: Double, slidingThetaKey: String?
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
        let sliding = stated?[kinds[1]]?.object ?? JSONObject()
        return (
            try RotaryReading(self, full, sizes, RotaryHabits(theta: theta)).embedding(),
            try RotaryReading(self, sliding, sizes, RotaryHabits(theta: slidingTheta, thetaKey: slidingThetaKey ?? "")).embedding()
        )
    }

    private func ropeParameters(_ key: String) throws(ModelError) -> JSONObject? {
        guard let value = present(key) else { return nil }
        guard let parameters = value.object else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but an object is expected")
        }
        return parameters
    }
}
