import JSONText

/// SmolLM3: Llama where every fourth layer rotates nothing.
enum SmolLM3 {
    static let architectures = [
        Architecture(
            modelType: "smollm3", classPrefixes: ["SmolLM3"], spelling: Llama.spelling, isTiedByDefault: true,
            members: Llama.members.union([
                "attention_bias", "mlp_bias", "no_rope_layers", "no_rope_layer_interval", "use_sliding_window", "sliding_window",
                "layer_types",
            ]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 4, contextLength: 32_768), of: architecture)
        let rotary = try fields.rotary(sizes, .init(theta: 2_000_000))
        let turns = try turningLayers(fields, layerCount: sizes.layerCount)
        let hasBias = try fields.flag("attention_bias", default: false)
        var windows = [Int?](repeating: nil, count: sizes.layerCount)
        let window = try fields.optionalCount("sliding_window", limit: ConfigurationFields.limit << 6)
        if try fields.flag("use_sliding_window", default: false), let window {
            let slides = try fields.slidingLayers(layerCount: sizes.layerCount) ?? turns.map { !$0 }
            windows = slides.map { $0 ? window : nil }
        } else if try fields.slidingLayers(layerCount: sizes.layerCount)?.contains(true) == true {
            throw ModelError("config.json: layer_types has layers that slide, but 'use_sliding_window' is false or there is no window")
        }
        return try Llama.describe(fields, architecture, sizes, epsilon: 1e-6, hasMLPBias: try fields.flag("mlp_bias", default: false)) {
            [windows] layer in
            sizes.attention(window: windows[layer], rotary: turns[layer] ? rotary : nil, hasInputBias: hasBias, hasOutputBias: hasBias)
        }
    }

    /// By `no_rope_layers`, where 0 says that nothing turns, or else all but every `no_rope_layer_interval`th.
    private static func turningLayers(_ fields: ConfigurationFields, layerCount: Int) throws(ModelError) -> [Bool] {
        guard let stated = fields.present("no_rope_layers") else {
            let interval = try fields.optionalCount("no_rope_layer_interval") ?? 4
            return (1...layerCount).map { !$0.isMultiple(of: interval) }
        }
        let flags = (stated.array ?? []).map(\.integer)
        guard flags.count >= layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw ModelError(
                "config.json: 'no_rope_layers' has \(flags.count) entries; 0 or 1 is expected for each of \(layerCount) layers")
        }
        return flags.prefix(layerCount).map { $0 == 1 }
    }
}
