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
        package var hasBias: Bool
        /// What logits are multiplied by, bias included.
        package var scale: Float
        /// c, where logits z become c tanh(z / c), after the factor.
        package var cap: Float?

        package init(isTied: Bool, hasBias: Bool = false, scale: Float = 1, cap: Float? = nil) {
            self.isTied = isTied
            self.hasBias = hasBias
            self.scale = scale
            self.cap = cap
        }
    }

    /// The family.
    package private(set) var architecture: Architecture
    /// What its modules are called: as the family has it, but where the configuration decides.
    package private(set) var spelling: Spelling
    /// V: rows of the embedding, which may be more than the tokenizer knows; adapters can bring a table with others.
    package var vocabularySize: Int
    /// Positions that the model was made for; where positions are learned a hard limit, their table has no more.
    package private(set) var contextLength: Int
    /// C.
    package let width: Int
    /// E: of rows of the embedding, which are projected to C, and hidden states back, where it is another (OPT of 350M).
    package let embeddingWidth: Int
    /// What rows of the embedding are multiplied by.
    package var embeddingScale: Float
    /// The same in single precision, as programs for GGUF files have it.
    package let unroundedEmbeddingScale: Float
    /// Whether the factor is kept in the type of the weights (Gemma in transformers).
    package let roundsEmbeddingScale: Bool
    /// Of the embedding, positions and all; nil for none (BLOOM has one).
    package let embeddingNorm: Norm?
    /// Whether a table [context, C] of positions is added to the embedding, instead of a rotation in the layers.
    package let hasLearnedPositions: Bool
    /// Rows of that table before the first position's (OPT).
    package let positionOffset: Int
    package var layers: [LayerDescription]
    package let finalNorm: Norm
    package var head: Head
    /// Tokens that end a text; empty where none are named.
    package var endTokenIDs: [Int]
    /// What config.json says that is not followed, as transformers does not follow it either.
    package var remarks: [String] = []

    init(
        architecture: Architecture, spelling: Spelling? = nil, vocabularySize: Int, contextLength: Int, width: Int,
        embeddingWidth: Int? = nil, embeddingScale: Float = 1, roundsEmbeddingScale: Bool = false, embeddingNorm: Norm? = nil,
        hasLearnedPositions: Bool,
        positionOffset: Int = 0, layers: [LayerDescription], finalNorm: Norm, head: Head, endTokenIDs: [Int]
    ) {
        self.architecture = architecture
        self.spelling = spelling ?? architecture.spelling
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.width = width
        self.embeddingWidth = embeddingWidth ?? width
        self.embeddingScale = embeddingScale
        unroundedEmbeddingScale = embeddingScale
        self.roundsEmbeddingScale = roundsEmbeddingScale
        self.embeddingNorm = embeddingNorm
        self.hasLearnedPositions = hasLearnedPositions
        self.positionOffset = positionOffset
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        self.endTokenIDs = endTokenIDs
    }

    /// `model_type` of config.json: `gpt2`, `llama`, `gemma2`.
    package var modelType: String { architecture.modelType }

    /// Of the first layer that has experts; nil where none has.
    package var mixture: Mixture? { layers.lazy.compactMap(\.feedForward.mixture).first }

    /// With as many positions as a rotation whose base grows reaches: config.json states those of pretraining.
    func stretched() -> ModelDescription {
        var description = self
        for layer in layers {
            guard case .dynamic(let factor, let length)? = layer.attention.rotary?.scaling else { continue }
            description.contextLength = max(description.contextLength, Int(min(factor * length, Double(Int32.max))))
        }
        return description
    }

    /// The same as the text part of a larger model.
    func nested(in architecture: Architecture) -> ModelDescription {
        var description = self
        description.architecture = architecture
        description.spelling = architecture.spelling
        return description
    }

    /// With as many rows in embedding and head as these weights have.
    package func fitted(vocabularySize: Int) -> ModelDescription {
        var description = self
        description.vocabularySize = vocabularySize
        return description
    }
}

/// What a norm does with a row x of width W: `x / rms(x) * w`, or `(x - mean) / deviation * w + b`; w may be 1 and b 0 throughout.
package struct Norm: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// Root mean square; never with b.
        case rms
        /// Mean and variance.
        case layer
        /// Rows stay as they are: a model may do without its last norm (OPT of 350M).
        case none
    }

    package let kind: Kind
    package let epsilon: Float
    /// The factor is w + 1 (Gemma).
    package let addsOne: Bool
    /// Without weights it only normalizes (OLMo 1).
    package let hasWeight: Bool
    package let hasBias: Bool

    /// - Parameter hasBias: nil for a bias beside every weight of a LayerNorm.
    package init(_ kind: Kind, epsilon: Float, addsOne: Bool = false, hasWeight: Bool = true, hasBias: Bool? = nil) {
        precondition(kind == .layer || hasBias != true, "no RMSNorm has a bias")
        self.kind = kind
        self.epsilon = epsilon
        self.addsOne = addsOne
        self.hasWeight = hasWeight
        self.hasBias = hasBias ?? (kind == .layer && hasWeight)
    }
}
