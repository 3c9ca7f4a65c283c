import JSONText

/// Seed-OSS: Llama with biases of queries, keys and values.
enum SeedOSS {
    static let architectures = [
        Architecture(
            modelType: "seed_oss", classPrefixes: ["SeedOss"], spelling: Llama.spelling,
            gguf: .seedOSS, members: Llama.members.union(["attention_bias", "attention_out_bias", "mlp_bias"]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(
            .init(keyValueHeadCount: 8, contextLength: 524_288, headWidth: 128, nullHeadWidthIsShare: true), of: architecture)
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes), hasInputBias: try fields.flag("attention_bias", default: true),
            hasOutputBias: try fields.flag("attention_out_bias", default: false))
        return try Llama.describe(
            fields, architecture, sizes, epsilon: 1e-6, hasMLPBias: try fields.flag("mlp_bias", default: false)
        ) { _ in attention }
    }
}
