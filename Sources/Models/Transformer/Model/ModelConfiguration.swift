/// Everything about a model that decides what its forward pass computes: two families, all members by configuration.
///
/// Letters used throughout this module:
///
///     B  sequences of a batch      C  width of the hidden states     H  query heads         D  width of a head
///     T  positions of a sequence   I  width inside of the MLP        K  key/value heads     V  vocabulary
package struct ModelConfiguration: Sendable, Hashable {
    package enum Family: String, Sendable, Hashable {
        /// LayerNorm with bias, learned positions, fused query/key/value, two-layer MLP.
        case gpt2 = "GPT-2"
        /// RMSNorm, rotary positions, grouped-query attention, gated MLP with SiLU.
        case llama = "Llama"
    }

    package let family: Family
    /// `model_type` of config.json: `gpt2`, `llama`, `mistral`, `qwen2`, `qwen3`.
    package let modelType: String
    /// V: rows of the embedding, which may be more than the tokenizer knows; adapters can bring a table with others.
    package internal(set) var vocabularySize: Int
    /// Positions that the model was made for; for GPT-2 a hard limit, its table of positions has no more.
    package let contextLength: Int
    package let layerCount: Int
    /// C.
    package let width: Int
    /// I.
    package let innerWidth: Int
    /// H.
    package let headCount: Int
    /// K; H is a multiple of it.
    package let keyValueHeadCount: Int
    /// D; not always C / H.
    package let headWidth: Int
    package let normEpsilon: Float
    /// Nil where positions are learned (GPT-2).
    package let rotary: RotaryEmbedding?
    /// Keys that a query sees at most, itself included, in each layer; nil for all.
    package let slidingWindows: [Int?]
    /// Whether the logits are taken with the transposed embedding; by config.json until the stored tensors are known.
    package var hasTiedHead: Bool
    /// Biases, too, are what config.json says until the stored tensors are known.
    package var hasQueryKeyValueBias: Bool
    package var hasAttentionOutputBias: Bool
    package var hasMLPBias: Bool
    /// RMSNorm of each head's query and key before they are rotated (Qwen3).
    package let hasQueryKeyNorm: Bool
    /// Tokens that end a text; empty where none are named.
    package var endTokenIDs: [Int]
    /// Of the plain MLP (GPT-2); a gated one has SiLU.
    package internal(set) var activation = Activation.geluTanh
    /// Whether scores are divided by the root of D. A GPT-2 may leave that out.
    package internal(set) var scalesAttentionByWidth = true
    /// Whether scores are divided by the number of the layer, counted from 1, too.
    package internal(set) var scalesAttentionByLayer = false
    /// What config.json says that is not followed, as transformers does not follow it either.
    package var remarks: [String] = []

    /// The same with as many rows in embedding and head as these weights have.
    package func fitted(to weights: ModelWeights) -> ModelConfiguration {
        var configuration = self
        configuration.vocabularySize = weights.head.matrix.outputCount
        return configuration
    }

    /// H * D, the width of all queries together.
    package var queryWidth: Int { headCount * headWidth }
    /// K * D, the width of all keys, and of all values.
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }
    /// What scores of a layer, counted from 0, are multiplied by before the softmax.
    package func attentionScale(layer: Int) -> Float {
        let scale = scalesAttentionByWidth ? 1 / Float(headWidth).squareRoot() : 1
        return scalesAttentionByLayer ? scale / Float(layer + 1) : scale
    }
}
