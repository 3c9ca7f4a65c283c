import JSONText

/// EXAONE 4: norms after the branches alone, norms of heads; where layers slide, the others rotate nothing.
enum Exaone {
    static let architectures = [
        Architecture(
            modelType: "exaone4", classPrefixes: ["Exaone4"], spelling: OLMo.later, gguf: .exaone4,
            members: Llama.members.union(["sliding_window", "sliding_window_pattern", "layer_types"]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 32, contextLength: 2048), of: architecture)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-5))
        let rotary = try fields.rotary(sizes)
        let isSliding = fields.object["sliding_window"] == nil || fields.present("sliding_window") != nil
        // Where layer_types are stated, the pattern may be one of letters.
        let isListed = fields.present("layer_types") != nil
        let pattern = isSliding && !isListed ? try fields.optionalCount("sliding_window_pattern") ?? 4 : 1
        let windows = try fields.windows(sizes, pattern: pattern, default: 4096)
        return try Llama.describe(fields, architecture, sizes, norm: norm, normPlacement: .after) { layer in
            sizes.attention(window: windows[layer], rotary: windows[layer] != nil || !isSliding ? rotary : nil, headNorm: norm)
        }
    }
}
