/// A Mistral with experts in every layer.
enum Mixtral {
    static let architectures = [
        Architecture(
            modelType: "mixtral", classPrefixes: ["Mixtral"], spelling: spelling, gguf: .mixtral,
            members: MixtureDecoder.members.union(["sliding_window"]), describe: describe)
    ]

    private static let spelling = Llama.spelling.with(
        [
            .router: "block_sparse_moe.gate", .expertGate: "block_sparse_moe.experts.#.w1", .expertUp: "block_sparse_moe.experts.#.w3",
            .expertDown: "block_sparse_moe.experts.#.w2",
        ], experts: "mlp.experts")

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let decoder = try MixtureDecoder(
            fields, architecture, .init(keyValueHeadCount: 8, contextLength: 131_072, headWidth: nil), epsilon: 1e-5)
        let sizes = decoder.sizes
        let rotary = try fields.rotary(sizes, .init(theta: 1_000_000))
        let window = try fields.optionalCount("sliding_window", limit: ConfigurationFields.limit << 6)
        let experts = try fields.expertCounts(layerCount: sizes.layerCount)
        let feedForward = try decoder.gated(
            "intermediate_size",
            Mixture(expertCount: experts.all, chosenCount: experts.chosen, weighting: .softmaxOfAll(sumsToOne: true)))
        return try decoder.description { _ in
            sizes.attention(window: window, rotary: rotary)
        } feedForward: { _ in
            feedForward
        }
    }
}
