import JSONText

/// The members of a config.json, checked one by one as they are asked for.
struct ConfigurationFields {
    private let object: JSONObject

    /// Far above every model known, and low enough that no product of three of them overflows.
    private static let limit = 1 << 20
    /// Names of all tensors are made before a file is asked for them: no config may make that long.
    private static let layerLimit = 4096

    init(_ object: JSONObject) { self.object = object }

    func gpt2() throws(ModelError) -> ModelConfiguration {
        try requireDecoder()
        try require("add_cross_attention", false, default: false)
        let width = try count("n_embd", "hidden_size")
        let headCount = try count("n_head", "num_attention_heads")
        let layerCount = try count("n_layer", "num_hidden_layers", limit: Self.layerLimit)
        guard width % headCount == 0 else { throw ModelError("config.json: n_embd is \(width), no multiple of n_head, \(headCount)") }
        return ModelConfiguration(
            family: .gpt2, modelType: "gpt2", vocabularySize: try count("vocab_size"),
            contextLength: try count("n_positions", "n_ctx", "max_position_embeddings"), layerCount: layerCount, width: width,
            innerWidth: try optionalCount("n_inner") ?? 4 * width, headCount: headCount, keyValueHeadCount: headCount,
            headWidth: width / headCount, normEpsilon: try epsilon("layer_norm_epsilon", default: 1e-5), rotary: nil,
            slidingWindows: Array(repeating: nil, count: layerCount), hasTiedHead: try flag("tie_word_embeddings", default: true),
            hasQueryKeyValueBias: true, hasAttentionOutputBias: true, hasMLPBias: true, hasQueryKeyNorm: false,
            endTokenIDs: try tokenIDs("eos_token_id"), activation: try activation("activation_function", default: .geluTanh),
            scalesAttentionByWidth: try flag("scale_attn_weights", default: true),
            scalesAttentionByLayer: try flag("scale_attn_by_inverse_layer_idx", default: false))
    }

    func llama(modelType: String) throws(ModelError) -> ModelConfiguration {
        try requireDecoder()
        try require("hidden_act", among: ["silu", "swish"], default: "silu")
        let width = try count("hidden_size")
        let headCount = try count("num_attention_heads")
        let layerCount = try count("num_hidden_layers", limit: Self.layerLimit)
        // Null always means as many as heads; only the defaults of files that leave it out differ.
        let unstatedKeyValueHeadCount = object["num_key_value_heads"] == nil ? Self.keyValueHeadDefaults[modelType] : nil
        let keyValueHeadCount = try optionalCount("num_key_value_heads") ?? unstatedKeyValueHeadCount ?? headCount
        guard headCount % keyValueHeadCount == 0 else {
            throw ModelError(
                "config.json: num_attention_heads is \(headCount), no multiple of num_key_value_heads, \(keyValueHeadCount)")
        }
        let headWidth = try headWidth(width: width, headCount: headCount, modelType: modelType)
        // transformers' Mistral and Qwen2 know no such flag: the first has no biases, the second always has those of q, k and v.
        let hasBias = try ["llama", "qwen3"].contains(modelType) ? flag("attention_bias", default: false) : false
        return ModelConfiguration(
            family: .llama, modelType: modelType, vocabularySize: try count("vocab_size"),
            contextLength: try contextLength(modelType: modelType), layerCount: layerCount, width: width,
            innerWidth: try count("intermediate_size"), headCount: headCount, keyValueHeadCount: keyValueHeadCount, headWidth: headWidth,
            normEpsilon: try epsilon("rms_norm_eps", default: 1e-6), rotary: try rotary(modelType: modelType),
            slidingWindows: try slidingWindows(modelType: modelType, layerCount: layerCount),
            hasTiedHead: try flag("tie_word_embeddings", default: false), hasQueryKeyValueBias: modelType == "qwen2" || hasBias,
            hasAttentionOutputBias: hasBias, hasMLPBias: try modelType == "llama" ? flag("mlp_bias", default: false) : false,
            hasQueryKeyNorm: modelType == "qwen3", endTokenIDs: try tokenIDs("eos_token_id"))
    }

    /// What transformers' classes take where config.json leaves a member out.
    private static let keyValueHeadDefaults = ["mistral": 8, "qwen2": 32, "qwen3": 32]
    private static let contextDefaults = ["llama": 2048, "mistral": 131_072, "qwen2": 32_768, "qwen3": 32_768]
    private static let slidingWindowDefault = 4096

    private func contextLength(modelType: String) throws(ModelError) -> Int {
        try optionalCount("max_position_embeddings", limit: Self.limit << 6) ?? Self.contextDefaults[modelType] ?? 2048
    }

    /// What would make another model of it, whatever the family: attention to both sides, layers that differ among themselves.
    private func requireDecoder() throws(ModelError) {
        try require("is_causal", true, default: true)
        guard present("per_layer_config") == nil else {
            throw ModelError("config.json: 'per_layer_config' gives layers settings of their own, which is not built here")
        }
    }

    /// Only Qwen3's own default differs from an even share of the width.
    private func headWidth(width: Int, headCount: Int, modelType: String) throws(ModelError) -> Int {
        let stated = try optionalCount("head_dim")
        guard modelType != "qwen3" || object["head_dim"] == nil || stated != nil else {
            throw ModelError("config.json: 'head_dim' is null; a Qwen3 states it, or leaves it out for 128")
        }
        guard let headWidth = stated ?? (modelType == "qwen3" ? 128 : width % headCount == 0 ? width / headCount : nil) else {
            throw ModelError("config.json: hidden_size is \(width), no multiple of num_attention_heads, \(headCount)")
        }
        guard headWidth % 2 == 0 else { throw ModelError("config.json: head_dim is \(headWidth), but elements are rotated in pairs") }
        return headWidth
    }

    /// transformers 5 writes `rope_parameters`; before, `rope_theta` stood alone and `rope_scaling` beside it.
    ///
    /// Where both are there, `rope_scaling` wins unless it is empty, as in transformers.
    private func rotary(modelType: String) throws(ModelError) -> RotaryEmbedding {
        let parameters = try ropeParameters()
        let theta = try positive(parameters?["rope_theta"] ?? object["rope_theta"], "rope_theta", default: 10_000)
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
                    originalContextLength: try originalContextLength(parameters, modelType: modelType)))
        case let other:
            throw ModelError(
                "config.json: rope type '\(JSONError.excerpt(other))' cannot be run; these can: default, linear, llama3",
                hint: "within the context of pretraining, a config without rope scaling may do; the results are the model's then")
        }
    }

    /// The object that holds the rotation's settings, if any does.
    private func ropeParameters() throws(ModelError) -> JSONObject? {
        for key in ["rope_scaling", "rope_parameters"] {
            guard let value = present(key) else { continue }
            guard let parameters = value.object else {
                throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but an object is expected")
            }
            guard !parameters.members.isEmpty else { continue }
            if let nested = parameters.members.first(where: { $0.value.object != nil }) {
                throw ModelError(
                    "config.json: '\(key)' has settings of its own for '\(JSONError.excerpt(nested.key))'; one rotation for all layers can be run"
                )
            }
            return parameters
        }
        return nil
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
    private func originalContextLength(_ parameters: JSONObject, modelType: String) throws(ModelError) -> Double {
        let key = "original_max_position_embeddings"
        guard let stated = present(key) ?? parameters[key] else { return Double(try contextLength(modelType: modelType)) }
        return try positive(stated, key)
    }

    /// Mistral slides, Qwen only where `use_sliding_window` says so: in the layers that `layer_types` names (transformers makes a
    /// Ministral of such a Mistral), else Mistral in every layer and Qwen in those from `max_window_layers` on.
    private func slidingWindows(modelType: String, layerCount: Int) throws(ModelError) -> [Int?] {
        let none = [Int?](repeating: nil, count: layerCount)
        let isQwen = modelType.hasPrefix("qwen")
        guard modelType == "mistral" || isQwen else { return none }
        if isQwen {
            guard try flag("use_sliding_window", default: false) else { return none }
        }
        let unstated = object["sliding_window"] == nil ? Self.slidingWindowDefault : nil
        guard let window = try optionalCount("sliding_window", limit: Self.limit << 6) ?? unstated else { return none }
        if let types = present("layer_types") { return try slidingWindows(types, window: window, layerCount: layerCount) }
        guard isQwen else { return Array(repeating: window, count: layerCount) }
        let first = try wholeNumber("max_window_layers") ?? 28
        return (0..<layerCount).map { $0 >= first ? window : nil }
    }

    private func slidingWindows(_ value: JSONValue, window: Int, layerCount: Int) throws(ModelError) -> [Int?] {
        guard let types = value.array else {
            throw ModelError("config.json: layer_types is \(JSONError.excerpt(value.text(.compact))), but a list is expected")
        }
        guard types.count == layerCount else {
            throw ModelError("config.json: layer_types has \(types.count) entries, but num_hidden_layers is \(layerCount)")
        }
        var windows: [Int?] = []
        for type in types {
            switch type.string {
            case "full_attention": windows.append(nil)
            case "sliding_attention": windows.append(window)
            default: throw ModelError("config.json: layer type \(JSONError.excerpt(type.text(.compact))) is unknown")
            }
        }
        return windows
    }

    /// A member that is there and not null.
    private func present(_ key: String) -> JSONValue? {
        object[key].flatMap { if case .null = $0 { nil } else { $0 } }
    }

    /// The first of several spellings that is there.
    private func count(_ keys: String..., limit: Int = Self.limit) throws(ModelError) -> Int {
        for key in keys {
            if let count = try optionalCount(key, limit: limit) { return count }
        }
        throw ModelError("config.json has no '\(keys[0])'")
    }

    private func optionalCount(_ key: String, limit: Int = Self.limit) throws(ModelError) -> Int? {
        guard let value = present(key) else { return nil }
        // Some writers spell whole numbers as floats.
        guard let count = value.integer ?? value.double.flatMap(Int.init(exactly:)), (1...limit).contains(count) else {
            throw ModelError(
                "config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), "
                    + "but a whole number from 1 to \(limit) is expected")
        }
        return count
    }

    /// A whole number of any sign; nil where there is none.
    private func wholeNumber(_ key: String) throws(ModelError) -> Int? {
        guard let value = present(key) else { return nil }
        guard let number = value.integer else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but a whole number is expected")
        }
        return number
    }

    private func flag(_ key: String, default value: Bool) throws(ModelError) -> Bool {
        guard let stated = present(key) else { return value }
        guard let flag = stated.bool else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(stated.text(.compact))), but true or false is expected")
        }
        return flag
    }

    private func positive(_ value: JSONValue?, _ key: String, default fallback: Double? = nil) throws(ModelError) -> Double {
        guard let value else {
            if let fallback { return fallback }
            throw ModelError("config.json: the rope parameters have no '\(key)'")
        }
        guard let number = value.double, number > 0, number.isFinite else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but a positive number is expected")
        }
        return number
    }

    private func epsilon(_ key: String, default fallback: Double) throws(ModelError) -> Float {
        Float(try positive(present(key), key, default: fallback))
    }

    /// One id or a list of them; null and absent are none. Negative ones (written by old tools for "none") are none too.
    private func tokenIDs(_ key: String) throws(ModelError) -> [Int] {
        guard let value = present(key) else { return [] }
        let ids = (value.array ?? [value]).map(\.integer)
        guard ids.allSatisfy({ ($0 ?? .max) < Self.limit }) else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but token ids are expected")
        }
        return ids.compactMap(\.self).filter { $0 >= 0 }
    }

    private func activation(_ key: String, default fallback: Activation) throws(ModelError) -> Activation {
        guard let value = present(key) else { return fallback }
        guard let activation = value.string.flatMap(Activation.init(named:)) else {
            let known = Activation.allCases.flatMap(\.names).joined(separator: ", ")
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))); these can be run: \(known)")
        }
        return activation
    }

    private func require(_ key: String, _ expected: Bool, default fallback: Bool) throws(ModelError) {
        guard try flag(key, default: fallback) == expected else {
            throw ModelError("config.json: '\(key)' is \(!expected); only \(expected) can be run")
        }
    }

    private func require(_ key: String, among expected: [String], default fallback: String) throws(ModelError) {
        let value = present(key)?.string ?? fallback
        guard expected.contains(value) else {
            throw ModelError(
                "config.json: '\(key)' is '\(JSONError.excerpt(value))'; these can be run: \(expected.joined(separator: ", "))")
        }
    }
}
