/// SmolLM3: Llama where every fourth layer rotates nothing.
enum SmolLM3 {
    static let architectures = [
        Architecture(
            modelType: "smollm3", classPrefixes: ["SmolLM3"], spelling: Llama.spelling, isTiedByDefault: true, gguf: .smollm3,
            members: Llama.members.union([
                "attention_bias", "mlp_bias", "no_rope_layers", "no_rope_layer_interval", "use_sliding_window", "sliding_window",
                "layer_types",
            ]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 4, contextLength: 32_768), of: architecture)
        let rotary = try fields.rotary(sizes, .init(theta: 2_000_000))
        let turns = try fields.turningLayers(layerCount: sizes.layerCount)
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
}
