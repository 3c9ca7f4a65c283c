package import TensorCore

/// Which tensors are weights of linear layers, told from their names and shapes.
///
/// transformers quantizes every `nn.Linear` and `Conv1D` but the output head (and what is tied to it); embeddings and
/// norms are other classes and never are. A checkpoint does not store classes, so the same choice is made here by the
/// names that those classes carry in practice; everything in doubt is a rule of the user's away.
package enum LinearLayers {
    /// What a tensor is by its name and shape.
    package enum Role: String, Sendable, Hashable {
        case linear, embedding, head, other
    }

    private static let headNames: Set<Substring> = [
        "lm_head", "embed_out", "output_projection", "score", "classifier", "qa_outputs", "output",
    ]
    /// Attention blocks of BERT's family call their output projection `output.dense`: only a last `output` is a head.
    private static let embeddingNames: Set<Substring> = ["wte", "wpe", "tok_embeddings", "shared", "relative_attention_bias"]
    /// Parts of optimizer states, which TensorFlow checkpoints hold beside the weights.
    private static let optimizerNames: Set<Substring> = ["Adam", "Adam_1", "Momentum", "RMSProp", "Adagrad", "ExponentialMovingAverage"]

    package static func role(of name: String, shape: Shape) -> Role {
        guard shape.dimensions.count == 2, shape.elementCount > 0 else { return .other }
        let parts = name.split(whereSeparator: { $0 == "." || $0 == "/" })
        guard let last = parts.last else { return .other }
        let isOptimizerState = parts.contains { optimizerNames.contains($0) } || name.contains("OPTIMIZER_SLOT")
        let isWeight = ["weight", "w", "kernel", "weights"].contains(last) || name.hasSuffix("kernel/.ATTRIBUTES/VARIABLE_VALUE")
        if isOptimizerState { return .other }
        let modules = isWeight ? parts.dropLast() : parts[...]
        if modules.contains(where: { $0.contains("embed") && $0 != "embed_out" || embeddingNames.contains($0) }) { return .embedding }
        guard let module = modules.last else { return .other }
        if headNames.contains(module) { return .head }
        guard isWeight else { return .other }
        if module.contains("norm") || module.hasPrefix("ln_") { return .other }
        if isRouter(modules) { return .other }
        return .linear
    }

    /// Routers of mixtures of experts are parameters of their own classes, tiny, and decide everything downstream.
    private static func isRouter(_ modules: ArraySlice<Substring>) -> Bool {
        guard let module = modules.last else { return false }
        let parent = modules.dropLast().last
        return module == "router" || module == "gate" && (parent == "mlp" || parent == "block_sparse_moe")
    }
}
