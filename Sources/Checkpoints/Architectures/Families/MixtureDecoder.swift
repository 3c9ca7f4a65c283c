/// A decoder as Llama is one, whose layers may have experts: what the families of mixtures share.
struct MixtureDecoder {
    let fields: ConfigurationFields
    let architecture: Architecture
    let sizes: ConfigurationFields.Sizes
    let norm: Norm

    /// Followed by all of them.
    static let members = Llama.members.union(["num_local_experts", "num_experts", "num_experts_per_tok"])

    init(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ defaults: ConfigurationFields.SizeDefaults, epsilon: Double
    ) throws(ModelError) {
        self.fields = fields
        self.architecture = architecture
        sizes = try fields.sizes(defaults, of: architecture)
        norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: epsilon))
    }

    /// A gated expert of this width, without a mixture around it.
    func gated(_ widthMember: String, _ mixture: Mixture? = nil) throws(ModelError) -> FeedForward {
        FeedForward(
            .gated, try fields.activation("hidden_act", default: .silu), innerWidth: try fields.count(widthMember), mixture: mixture)
    }

    func description(
        attention: (_ layer: Int) throws(ModelError) -> Attention, feedForward: (_ layer: Int) throws(ModelError) -> FeedForward
    ) throws(ModelError) -> ModelDescription {
        var layers: [LayerDescription] = []
        for layer in 0..<sizes.layerCount {
            layers.append(LayerDescription(norm: norm, attention: try attention(layer), feedForward: try feedForward(layer)))
        }
        return try fields.decoder(architecture, sizes, layers: layers, finalNorm: norm)
    }
}
