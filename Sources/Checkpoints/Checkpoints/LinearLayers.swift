package import TensorCore

/// Which tensors are weights of linear layers, told from their names and shapes.
///
/// transformers quantizes every `nn.Linear` and `Conv1D` but the output embedding (and what is tied to it); embeddings and
/// norms are other classes and never are. A checkpoint does not store classes, so the same choice is made here by the
/// names that those classes carry in practice; everything in doubt is a rule of the user's away. What one family does
/// otherwise than the others is in `FourBitLayers`.
package enum LinearLayers {
    /// What a tensor is by its name and shape.
    package enum Role: String, Sendable, Hashable {
        case linear, embedding, head, other
    }

    /// Output embeddings, wherever they stand.
    private static let outputEmbeddings: Set<Substring> = ["lm_head", "embed_out", "lm_loss", "vocab_projector", "generator_lm_head"]
    /// Heads where they stand alone; inside a layer, `output` is the second half of an attention or feed-forward block.
    private static let topLevelHeads: Set<Substring> = [
        "score", "classifier", "qa_outputs", "output_projection", "output", "head", "proj_out",
    ]
    /// Heads by their place: the last module of such a model, which transformers leaves out where it has no bias.
    private static let topLevelProjections: Set<Substring> = [
        "text_projection", "embedding_projection", "logits_dense", "audio_lm_head", "cls", "objective",
    ]
    private static let embeddingNames: Set<Substring> = [
        "wte", "wpe", "w", "shared", "relative_attention_bias", "emb", "codebook", "pe_k", "bias_values", "query_feat", "queries_features",
        "iou_token", "mask_tokens", "obj_score_token", "hq_token", "presence_token", "reference_points", "audio_bos_eos_token",
    ]
    /// What TensorFlow 2 appends to the path of an object.
    private static let objectSuffix = "/.ATTRIBUTES/VARIABLE_VALUE"

    /// - Parameter hasBias: the module stores a bias, too: embeddings have none, and heads that have one are not left out.
    package static func role(of name: String, shape: Shape, hasBias: Bool = false) -> Role {
        guard shape.dimensions.count == 2, shape.elementCount > 0 else { return .other }
        let path = name.hasSuffix(objectSuffix) ? name.dropLast(objectSuffix.count) : name[...]
        let parts = path.split(whereSeparator: { $0 == "." || $0 == "/" })
        guard let last = parts.last else { return .other }
        if parts.contains(where: { OptimizerState.isSlot($0) || $0 == "OPTIMIZER_SLOT" }) { return .other }
        let isWeight = ["weight", "w", "kernel", "weights"].contains(last)
        let modules = isWeight ? parts.dropLast() : parts[...]
        guard let module = modules.last else { return .other }
        let parent = modules.dropLast().last
        if isHead(module, parent: parent, hasBias: hasBias) { return .head }
        // `embed_tokens.0`: one of several tables.
        let table = module.allSatisfy(\.isNumber) ? parent ?? module : module
        if !hasBias, isEmbedding(table) { return .embedding }
        guard isWeight, !module.contains("norm"), !module.hasPrefix("ln_") else { return .other }
        return isKeptDense(module, parent: parent) ? .other : .linear
    }

    /// Whether a module is what turns hidden states into logits: the one linear layer that transformers always skips.
    static func isOutputEmbedding(_ module: String) -> Bool {
        let parts = module.split(separator: ".")
        guard let last = parts.last else { return false }
        return outputEmbeddings.contains(last) || isTiedDecoder(last, parent: parts.dropLast().last)
    }

    private static func isHead(_ module: Substring, parent: Substring?, hasBias: Bool) -> Bool {
        if outputEmbeddings.contains(module) || isTiedDecoder(module, parent: parent) { return true }
        return parent == nil && !hasBias && (topLevelHeads.contains(module) || topLevelProjections.contains(module))
    }

    /// In BERT's family the head is a transformation followed by `decoder`, which is tied to the embedding.
    private static func isTiedDecoder(_ module: Substring, parent: Substring?) -> Bool {
        module == "decoder" && (parent == "predictions" || parent == "lm_head")
    }

    /// Tables that are looked up; projections of what was looked up (`embeddings_project`) are linear layers.
    private static func isEmbedding(_ module: Substring) -> Bool {
        if embeddingNames.contains(module) || module.hasSuffix("_emb") { return true }
        let isNamed = module.contains("embed") || module.contains("Embed")
        return isNamed && !module.contains("proj") && !module.contains("mapping")
    }

    /// Layers that transformers keeps dense although they are linear.
    ///
    /// Routers of mixtures of experts and what scores in an indexer are parameters of their own classes or named as to be
    /// kept: tiny, and they decide everything downstream. The outputs of T5's feed-forward blocks overflow in half
    /// precision and are named as to be kept, too.
    private static func isKeptDense(_ module: Substring, parent: Substring?) -> Bool {
        switch module {
        case "router": true
        case "layer": parent == "router"
        // `gateway.gate` of detection models mixes two queries.
        case "gate": parent != "gateway"
        case "weights_proj": parent == "indexer"
        case "wo": parent == "DenseReluDense"
        default: false
        }
    }
}
