import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// What a tensor is, told by its name and shape; `FourBitLayersTests` compare with what transformers makes of it.
@Suite struct LinearLayersTests {
    private static func role(_ name: String, _ dimensions: [Int] = [8, 8]) throws -> LinearLayers.Role {
        LinearLayers.role(of: name, shape: try #require(Shape(dimensions)))
    }

    /// Names of checkpoints as they are published, where they differ from those of the classes.
    @Test(arguments: [
        ("embed_out.weight", LinearLayers.Role.head), ("gpt_neox.embed_in.weight", .embedding), ("lm_head.weight", .head),
        ("language_model.lm_head.weight", .head), ("cls.predictions.decoder.weight", .head), ("lm_head.decoder.weight", .head),
        ("lm_head.dense.weight", .linear), ("vocab_projector.weight", .head), ("score.weight", .head), ("classifier.weight", .head),
        ("qa_outputs.weight", .head), ("output.weight", .head), ("tok_embeddings.weight", .embedding),
        ("layers.0.attention.wo.weight", .linear),
        ("layers.0.feed_forward.w2.weight", .linear), ("h.0.attn.c_attn.weight", .linear), ("wte.weight", .embedding),
        ("wpe.weight", .embedding),
        ("model.layers.0.block_sparse_moe.gate.weight", .other), ("model.layers.0.block_sparse_moe.experts.7.w1.weight", .linear),
        ("model.layers.0.mlp.experts.11.down_proj.weight", .linear), ("model.layers.0.mlp.gate.weight", .other),
        ("model.layers.0.feed_forward.router.weight", .other), ("transformer.word_embeddings.weight", .embedding),
        ("model.decoder.embed_positions.weight", .embedding), ("emb.weight", .embedding), ("transformer.tok_emb.weight", .embedding),
        ("shared.weight", .embedding), ("encoder.block.0.layer.1.DenseReluDense.wo.weight", .other),
        ("encoder.layer.0.attention.output.dense.weight", .linear), ("pooler.dense.weight", .linear), ("model.norm.weight", .other),
        ("transformer.w.weight", .embedding), ("model.decoder.embed_tokens.2.weight", .embedding),
        ("model.layers.0.block_sparse_moe.router.layer.weight", .other), ("backbone.layers.1.mixer.gate.weight", .other),
        ("model.layers.0.mlp.shared_expert_gate.weight", .linear), ("model.layers.0.self_attn.indexer.weights_proj.weight", .other),
        ("text_projection.weight", .head), ("h.0.ln_1.weight", .other), ("rel_pos_bias", .other), ("h.0.attn.masked_bias", .other),
        ("", .other), ("...", .other),
    ]) func publishedNames(_ name: String, _ role: LinearLayers.Role) throws {
        #expect(try Self.role(name) == role)
    }

    /// A bias tells linear layers from tables, and heads that transformers makes 4-bit from those that it leaves out.
    @Test(arguments: [
        ("classifier.weight", LinearLayers.Role.head, LinearLayers.Role.linear), ("score.weight", .head, .linear),
        ("visual.patch_embedding.weight", .embedding, .linear), ("lm_head.weight", .head, .head),
    ]) func biasTellsMore(_ name: String, _ alone: LinearLayers.Role, _ withBias: LinearLayers.Role) throws {
        let shape = try #require(Shape([8, 8]))
        #expect(LinearLayers.role(of: name, shape: shape) == alone)
        #expect(LinearLayers.role(of: name, shape: shape, hasBias: true) == withBias)
    }

    @Test(arguments: [
        ("bert/encoder/layer_0/attention/self/query/kernel", LinearLayers.Role.linear), ("bert/embeddings/word_embeddings", .embedding),
        ("bert/embeddings/word_embeddings/adam_m", .other), ("bert/encoder/layer_0/output/dense/kernel", .linear),
        ("bert/encoder/layer_0/output/dense/kernel/Adam", .other), ("dense/kernel/Adam_1", .other), ("dense/kernel/Momentum", .other),
        ("dense/kernel/RMSProp_1", .other), ("dense/kernel/ExponentialMovingAverage", .other), ("dense/kernel", .linear),
        ("dense/bias", .other),
        ("model/h0/attn/c_attn/w", .linear), ("model/wte", .embedding), ("model/wpe", .embedding), ("model/h0/ln_1/g", .other),
        ("layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE", .embedding),
        ("layer_with_weights-1/kernel/.ATTRIBUTES/VARIABLE_VALUE", .linear),
        ("layer_with_weights-1/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE", .other),
        ("optimizer/_variables/3/.ATTRIBUTES/VARIABLE_VALUE", .other), ("global_step", .other),
    ]) func tensorFlowNames(_ name: String, _ role: LinearLayers.Role) throws {
        #expect(try Self.role(name) == role)
    }

    @Test(arguments: [[], [8], [0, 8], [8, 0], [1, 8, 8], [2, 8, 8, 8]]) func onlyMatricesHaveARole(_ dimensions: [Int]) throws {
        #expect(try Self.role("h.0.attn.c_proj.weight", dimensions) == .other)
    }

    @Test(arguments: [
        ("lm_head", true), ("embed_out", true), ("model.lm_head", true), ("cls.predictions.decoder", true), ("score", false),
        ("classifier", false), ("model.decoder", false), ("lm_head.dense", false), ("", false),
    ]) func onlyOutputEmbeddingsAreSkippedByThemselves(_ module: String, _ isOutputEmbedding: Bool) {
        #expect(LinearLayers.isOutputEmbedding(module) == isOutputEmbedding)
    }
}
