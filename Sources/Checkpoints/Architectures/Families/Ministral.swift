import JSONText

/// Ministral: Mistral with layers that slide and layers that do not. Ministral 3: Mistral whose queries grow with their position.
enum Ministral {
    static let architectures = [
        Architecture(
            modelType: "ministral", classPrefixes: ["Ministral"], spelling: Llama.spelling,
            members: Llama.members.union(["sliding_window", "layer_types"]), describe: ministral),
        Architecture(
            modelType: "ministral3", classPrefixes: ["Ministral3"], spelling: Llama.spelling, gguf: .ministral3,
            members: Llama.members.union(["sliding_window"]), describe: ministral3),
    ]

    private static func ministral(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 8, contextLength: 131_072), of: architecture)
        let isSliding = fields.object["sliding_window"] == nil || fields.present("sliding_window") != nil
        let windows = try fields.windows(sizes, pattern: isSliding ? nil : 1, default: 4096)
        let rotary = try fields.rotary(sizes)
        return try Llama.describe(fields, architecture, sizes, epsilon: 1e-6) { sizes.attention(window: windows[$0], rotary: rotary) }
    }

    private static func ministral3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(
            .init(keyValueHeadCount: 8, contextLength: 262_144, headWidth: 128, nullHeadWidthIsShare: true), of: architecture)
        var parameters = try fields.sharedRopeParameters()
        if parameters.members.isEmpty { parameters = rope }
        let rotary = try fields.rotary(parameters, sizes)
        let window = try fields.optionalCount("sliding_window", limit: ConfigurationFields.limit << 6)
        var temperature: QueryTemperature?
        if let weight = parameters["llama_4_scaling_beta"], weight != .null {
            temperature = QueryTemperature(
                weight: try fields.positive(weight, "llama_4_scaling_beta"),
                interval: try fields.positive(parameters["original_max_position_embeddings"], "original_max_position_embeddings"))
        }
        return try Llama.describe(fields, architecture, sizes, epsilon: 1e-5) { [temperature] _ in
            sizes.attention(window: window, rotary: rotary, temperature: temperature)
        }
    }

    /// Where nothing is stated.
    private static let rope = JSONObject([
        "rope_type": .string("yarn"), "rope_theta": .double(1_000_000), "factor": .double(16),
        "original_max_position_embeddings": .integer(16_384), "beta_fast": .double(32), "beta_slow": .double(1),
        "mscale": .double(1), "mscale_all_dim": .double(1), "llama_4_scaling_beta": .double(0.1),
    ])
}
