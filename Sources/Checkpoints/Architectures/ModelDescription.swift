/// What a model computes, as data: a forward pass follows it and knows no family by name.
///
/// config.json is one way to make it (`init(config:)`), other formats have others. Letters used for shapes throughout:
///
///     B  sequences of a batch      C  width of the hidden states     H  query heads         D  width of a head
///     T  positions of a sequence   I  width inside of the MLP        K  key/value heads     V  vocabulary
package struct ModelDescription: Sendable, Hashable {
    package struct Head: Sendable, Hashable {
        /// Whether the logits are taken with the transposed embedding; by config.json until the stored tensors are known.
        package var isTied: Bool
        /// c, where logits z become c tanh(z / c).
        package var cap: Float?

        package init(isTied: Bool, cap: Float? = nil) {
            self.isTied = isTied
            self.cap = cap
        }
    }

    /// The family, with its names.
    package let architecture: Architecture
    /// V: rows of the embedding, which may be more than the tokenizer knows; adapters can bring a table with others.
    package var vocabularySize: Int
    /// Positions that the model was made for; where positions are learned a hard limit, their table has no more.
    package let contextLength: Int
    /// C.
    package let width: Int
    /// What rows of the embedding are multiplied by, before anything is rounded.
    package var embeddingScale: Float
    /// Whether a table [context, C] of positions is added to the embedding, instead of a rotation in the layers.
    package let hasLearnedPositions: Bool
    package var layers: [LayerDescription]
    package let finalNorm: Norm
    package var head: Head
    /// Tokens that end a text; empty where none are named.
    package var endTokenIDs: [Int]
    /// What config.json says that is not followed, as transformers does not follow it either.
    package var remarks: [String] = []

    init(
        architecture: Architecture, vocabularySize: Int, contextLength: Int, width: Int, embeddingScale: Float = 1,
        hasLearnedPositions: Bool, layers: [LayerDescription], finalNorm: Norm, head: Head, endTokenIDs: [Int]
    ) {
        self.architecture = architecture
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.width = width
        self.embeddingScale = embeddingScale
        self.hasLearnedPositions = hasLearnedPositions
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        self.endTokenIDs = endTokenIDs
    }

    /// `model_type` of config.json: `gpt2`, `llama`, `gemma2`.
    package var modelType: String { architecture.modelType }

    /// With as many rows in embedding and head as these weights have.
    package func fitted(vocabularySize: Int) -> ModelDescription {
        var description = self
        description.vocabularySize = vocabularySize
        return description
    }
}

/// What a norm does with a row x of width W: `x / rms(x) * w`, or `(x - mean) / deviation * w + b`.
package struct Norm: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// Root mean square; w alone.
        case rms
        /// Mean and variance; w and b.
        case layer
    }

    package let kind: Kind
    package let epsilon: Float
    /// The factor is w + 1 (Gemma).
    package let addsOne: Bool

    package init(_ kind: Kind, epsilon: Float, addsOne: Bool = false) {
        self.kind = kind
        self.epsilon = epsilon
        self.addsOne = addsOne
    }

    package var hasBias: Bool { kind == .layer }
}
