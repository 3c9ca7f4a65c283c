import Architectures
import ByteIO
import JSONText
import TensorCore

/// A model in Meta's names, as files of Meta, of Mistral and of llama2.c have it, seen as the Hugging Face model of the same weights.
///
///     tok_embeddings, norm, output                   model.embed_tokens, model.norm, lm_head
///     layers.N.attention.wq, wk, wv, wo              model.layers.N.self_attn.q_proj, k_proj, v_proj, o_proj
///     layers.N.feed_forward.w1, w2, w3               model.layers.N.mlp.gate_proj, down_proj, up_proj
///     layers.N.attention_norm, ffn_norm              model.layers.N.input_layernorm, post_attention_layernorm
///
/// Rows of wq and wk lie in pairs. Models of several pieces were cut for as many processors.
struct MetaModel {
    let source: RearrangedSource
    let config: JSONObject
    let warnings: [String]

    static let spelling = Spelling(
        prefix: "", container: "layers",
        [
            .embedding: "tok_embeddings", .attentionNorm: "attention_norm", .query: "attention.wq", .key: "attention.wk",
            .value: "attention.wv", .attentionOutput: "attention.wo", .feedForwardNorm: "ffn_norm", .gate: "feed_forward.w1",
            .up: "feed_forward.w3", .down: "feed_forward.w2", .finalNorm: "norm", .head: "output",
        ])

    /// Whether tensors are named so.
    static func isSpelled(_ sources: [any TensorSource]) -> Bool {
        ["tok_embeddings.weight", "layers.0.attention.wq.weight"].allSatisfy { name in
            sources.contains { source in source.tensors.contains { $0.name == name } }
        }
    }

    /// - Parameters:
    ///   - isInPieces: every source has a piece of every tensor; else each tensor is in one of them.
    ///   - path: of the model, for errors.
    init(_ sources: [any TensorSource], isInPieces: Bool, _ parameters: MetaParameters, path: String) throws(FileError) {
        let pieceCount = isInPieces ? sources.count : 1
        func find(_ name: String) -> TensorInfo? {
            for source in sources { if let info = source.tensors.first(where: { $0.name == name }) { return info } }
            return nil
        }
        /// Of all pieces.
        func rows(_ name: String, isCut: Bool = true) throws(FileError) -> Int? {
            guard let info = find(name) else { return nil }
            let (rows, overflows) = (info.shape.dimensions.first ?? 0).multipliedReportingOverflow(by: isCut ? pieceCount : 1)
            guard !overflows, rows > 0 else { throw FileError(path, at: "tensor '\(name)'", "has shape \(info.shape)") }
            return rows
        }
        let embedding = find("tok_embeddings.weight"), head = try rows("output.weight")
        let isCutIntoColumns = embedding?.shape.dimensions.last != parameters.width
        let embeddingRows = try rows("tok_embeddings.weight", isCut: !isCutIntoColumns)
        guard let embedding, let vocabularySize = head ?? embeddingRows, let innerWidth = try rows("layers.0.feed_forward.w1.weight")
        else { throw FileError(path, "has no 'tok_embeddings.weight' or no 'layers.0.feed_forward.w1.weight'") }
        for (key, stated, stored) in [
            ("vocab_size", parameters.vocabularySize, vocabularySize), ("hidden_dim", parameters.innerWidth, innerWidth),
        ] {
            guard let stated, stated != stored else { continue }
            throw FileError(
                parameters.file.path, at: "'\(key)'", "is \(stated), but the tensors have \(stored) rows",
                hint: "params.json is that of another model")
        }
        let made = parameters.config(
            vocabularySize: vocabularySize, innerWidth: innerWidth, hasHead: head != nil, scalarType: embedding.scalarType)
        try self.init(
            sources, isInPieces: isInPieces, config: made.config, warnings: made.warnings, authority: "params.json", path: path)
    }

    /// - Parameters:
    ///   - config: config.json of the model.
    ///   - authority: what says so.
    init(
        _ sources: [any TensorSource], isInPieces: Bool, config: JSONObject, warnings: [String], authority: String, path: String
    ) throws(FileError) {
        let description: ModelDescription
        do throws(ModelError) { description = try ModelDescription(config: .object(config)) } catch {
            throw FileError(path, error.message, hint: error.hint)
        }
        // Tables of cosines and frequencies follow from the parameters; scales of activations are of no use to weights.
        let habits = RearrangedSource.Habits(
            spelling: Self.spelling, pairsRows: true, scaleEnd: isInPieces ? nil : ".qscale_weight",
            leavesOut: { $0.hasSuffix("rope.freqs") || $0.hasSuffix(".qscale_act") }, authority: authority)
        source = try RearrangedSource(sources, isInPieces: isInPieces, as: description, habits, path: path)
        self.config = config
        self.warnings = warnings
    }
}
