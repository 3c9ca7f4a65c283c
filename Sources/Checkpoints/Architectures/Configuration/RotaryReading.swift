import JSONText

/// Reads one set of rope parameters.
struct RotaryReading {
    private let fields: ConfigurationFields
    private let parameters: JSONObject
    private let habits: ConfigurationFields.RotaryHabits
    private let headWidth: Int
    private let contextLength: Double

    static let types = ["default", "linear", "dynamic", "llama3", "yarn", "longrope", "su", "proportional"]
    /// Members that are followed.
    static let members: Set<String> = [
        "rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
        "original_max_position_embeddings", "attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow", "truncate",
        "short_factor", "long_factor", "llama_4_scaling_beta",
        // Said once more than it needs to be, by transformers' own Ministral 3.
        "max_position_embeddings",
    ]

    init(
        _ fields: ConfigurationFields, _ parameters: JSONObject, _ sizes: ConfigurationFields.Sizes,
        _ habits: ConfigurationFields.RotaryHabits
    ) {
        self.fields = fields
        self.parameters = parameters
        self.habits = habits
        headWidth = sizes.headWidth
        contextLength = Double(sizes.contextLength)
    }

    func embedding() throws(ModelError) -> RotaryEmbedding {
        let theta = try fields.positive(parameters["rope_theta"] ?? fields.present(habits.thetaKey), "rope_theta", default: habits.theta)
        let share = try fields.positive(
            parameters["partial_rotary_factor"] ?? fields.present(habits.shareKey), "partial_rotary_factor",
            default: habits.share ?? 1)
        var type = try type()
        guard share == 1 || habits.share != nil || type == "proportional" else {
            throw ModelError("config.json: partial_rotary_factor is \(share); only whole heads are rotated here")
        }
        guard share <= 1 else { throw ModelError("config.json: '\(habits.shareKey)' is \(share), but a share of a head is at most 1") }
        if habits.readsYarnAsLongrope, type == "yarn" { type = "longrope" }
        let width = type == "proportional" ? headWidth : Int(Double(headWidth) * share)
        guard width > 0, width % 2 == 0 else {
            throw ModelError(
                "config.json: \(share) of a head of \(headWidth) elements is \(width), but elements are rotated in pairs")
        }
        let rotary = RotaryEmbedding(
            theta: theta, scaling: try scaling(type, share: share, frequencyCount: width / 2), width: width == headWidth ? nil : width,
            pairing: habits.pairing)
        try requireNumbers(of: rotary)
        return rotary
    }

    /// Each number may make sense, and what is made of them together be none.
    private func requireNumbers(of rotary: RotaryEmbedding) throws(ModelError) {
        let last = Int(contextLength) - 1
        for length in [1, last + 1] {
            let (cosines, sines) = rotary.turn(to: last, rotary.frequencies(headWidth: headWidth, length: length))
            guard cosines.allSatisfy(\.isFinite), sines.allSatisfy(\.isFinite) else {
                throw ModelError(
                    "config.json: the rope parameters \(JSONError.excerpt(JSONValue.object(parameters).text(.compact))) turn position \(last) by "
                        + "what is no number")
            }
        }
    }

    private func scaling(_ type: String, share: Double, frequencyCount: Int) throws(ModelError) -> RotaryScaling {
        switch type {
        case "default": return .none
        case "linear": return .linear(factor: try number("factor"))
        case "dynamic": return .dynamic(factor: try number("factor"), contextLength: contextLength)
        case "llama3":
            let low = try number("low_freq_factor"), high = try number("high_freq_factor")
            guard low < high else { throw ModelError("config.json: low_freq_factor is \(low), not below high_freq_factor, \(high)") }
            return .llama3(
                factor: try number("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalContextLength: try originalContextLength())
        case "yarn": return .yarn(try yarn())
        case "longrope", "su": return .longrope(try longrope(frequencyCount: frequencyCount))
        case "proportional": return .proportional(share: share, factor: try optionalNumber("factor") ?? 1)
        default:
            throw ModelError(
                "config.json: rope type '\(JSONError.excerpt(type))' cannot be run; these can: \(Self.types.joined(separator: ", "))",
                hint: "within the context of pretraining, a config without rope scaling may do; the results are the model's then")
        }
    }

    private func yarn() throws(ModelError) -> YarnScaling {
        let original = try originalContextLength()
        let factor = try optionalNumber("factor") ?? contextLength / original
        var magnitude = try optionalNumber("attention_factor")
        if magnitude == nil, let own = try weight("mscale"), let all = try weight("mscale_all_dim") {
            magnitude = YarnScaling.magnitude(factor: factor, weight: own) / YarnScaling.magnitude(factor: factor, weight: all)
        }
        let stated = parameters["truncate"] ?? .bool(true)
        guard let truncates = stated.bool else {
            throw ModelError("config.json: 'truncate' is \(JSONError.excerpt(stated.text(.compact))), but true or false is expected")
        }
        return YarnScaling(
            factor: factor, originalContextLength: original, fastTurns: try optionalNumber("beta_fast") ?? 32,
            slowTurns: try optionalNumber("beta_slow") ?? 1, truncates: truncates, magnitude: magnitude)
    }

    private func longrope(frequencyCount: Int) throws(ModelError) -> LongRopeScaling {
        let original = try originalContextLength()
        let factor = try optionalNumber("factor") ?? contextLength / original
        return LongRopeScaling(
            shortFactors: try factors("short_factor", count: frequencyCount),
            longFactors: try factors("long_factor", count: frequencyCount),
            originalContextLength: original,
            magnitude: try optionalNumber("attention_factor")
                ?? LongRopeScaling.magnitude(factor: factor, originalContextLength: original))
    }

    /// `rope_type`, or `type` as it was called before.
    private func type() throws(ModelError) -> String {
        guard let stated = parameters["rope_type"] ?? parameters["type"] else { return "default" }
        guard let type = stated.string else {
            throw ModelError("config.json: the rope type is \(JSONError.excerpt(stated.text(.compact))), but a name is expected")
        }
        return type
    }

    private func factors(_ key: String, count: Int) throws(ModelError) -> [Double] {
        guard let values = parameters[key]?.array, values.count == count else {
            throw ModelError(
                "config.json: '\(key)' has \(parameters[key]?.array?.count ?? 0) numbers, but \(2 * count) elements of a head turn: "
                    + "\(count) are expected")
        }
        var factors: [Double] = []
        for value in values { factors.append(try fields.positive(value, key)) }
        return factors
    }

    private func number(_ key: String) throws(ModelError) -> Double { try fields.positive(parameters[key], key) }

    private func optionalNumber(_ key: String) throws(ModelError) -> Double? {
        guard let value = parameters[key], value != .null else { return nil }
        return try fields.positive(value, key)
    }

    /// Zero is none.
    private func weight(_ key: String) throws(ModelError) -> Double? {
        parameters[key]?.double == 0 ? nil : try optionalNumber(key)
    }

    /// Positions of pretraining: what stands beside the rope parameters wins over what stands in them.
    private func originalContextLength() throws(ModelError) -> Double {
        let key = "original_max_position_embeddings"
        guard let stated = fields.present(key) ?? parameters[key], stated != .null else {
            return habits.originalContextLength ?? contextLength
        }
        return try fields.positive(stated, key)
    }
}
