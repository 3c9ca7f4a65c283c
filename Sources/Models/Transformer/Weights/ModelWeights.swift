package import Architectures

/// All weights of a model as plain values.
///
/// Matrices point into memory that they keep alive: a copy of this struct costs little, shares them, and can carry other
/// adapters.
package struct ModelWeights: Sendable {
    package var embedding: EmbeddingTable
    /// From the width of the embedding to that of the model, [C, E], and back, [E, C]; nil where they are the same.
    package var inputProjection: LinearLayer?
    package var outputProjection: LinearLayer?
    /// [context, C], learned positions; nil where positions are rotated.
    package var positions: EmbeddingTable?
    /// Of both, where the model has one.
    package var embeddingNorm: NormWeights?
    package var layers: [LayerWeights]
    package var finalNorm: NormWeights
    /// [V, C]; with a tied head its matrix is the embedding's.
    package var head: LinearLayer
    /// Rows [C] that take the place of rows of the head: adapters that train single tokens replace them there, and of a tied one
    /// on both sides.
    package var replacedHeadRows: [Int: [Float]] = [:]

    package init(
        embedding: EmbeddingTable, positions: EmbeddingTable?, embeddingNorm: NormWeights? = nil, layers: [LayerWeights],
        finalNorm: NormWeights, head: LinearLayer
    ) {
        self.embedding = embedding
        self.positions = positions
        self.embeddingNorm = embeddingNorm
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
    }

    /// Changes each linear layer in turn, those of the layers in order, the head last.
    package mutating func forEachLinearLayer<Failure: Error>(
        _ body: (inout LinearLayer) throws(Failure) -> Void
    ) throws(Failure) {
        for projection in [\ModelWeights.inputProjection, \.outputProjection] {
            guard var layer = self[keyPath: projection] else { continue }
            try body(&layer)
            self[keyPath: projection] = layer
        }
        for index in layers.indices { try layers[index].forEachLinearLayer(body) }
        try body(&head)
    }

    /// Changes each norm in turn.
    package mutating func forEachNorm<Failure: Error>(_ body: (inout NormWeights) throws(Failure) -> Void) throws(Failure) {
        if var norm = embeddingNorm {
            try body(&norm)
            embeddingNorm = norm
        }
        for index in layers.indices {
            try layers[index].forEachNorm(body)
        }
        try body(&finalNorm)
    }

    /// The matrix of a linear layer or of a table.
    ///
    /// - Precondition: the model has such a module.
    package func matrix(_ key: ModuleKey) -> WeightMatrix {
        switch key.role {
        case .embedding: return embedding.matrix
        case .positions:
            guard let positions else { preconditionFailure("only a model with a table of positions is asked for it") }
            return positions.matrix
        case .head: return head.matrix
        case .inputProjection, .outputProjection:
            guard let layer = key.role == .inputProjection ? inputProjection : outputProjection else {
                preconditionFailure("only a model with another width of its embedding is asked for it")
            }
            return layer.matrix
        default: return linear(key).matrix
        }
    }

    /// The weight or bias of a norm, or the bias of a linear layer; nil where it has none.
    ///
    /// - Precondition: the model has such a module.
    package func vector(_ key: ModuleKey, _ part: ExpectedTensor.Part) -> [Float]? {
        switch key.role {
        case .embeddingNorm: return embeddingNorm?[part]
        case .finalNorm: return finalNorm[part]
        case .head: return head.bias
        case .sinks: return layer(key).sinks
        case .inputProjection, .outputProjection: return nil
        default: break
        }
        return key.role.isNorm ? layer(key)[norm: key.role][part] : linear(key).bias
    }

    private func linear(_ key: ModuleKey) -> LinearLayer {
        let layer = layer(key)
        return key.expert.map { layer.experts[$0][linear: key.role] } ?? layer[linear: key.role]
    }

    private func layer(_ key: ModuleKey) -> LayerWeights {
        guard let number = key.layer else { preconditionFailure("\(key.role) stands in a layer") }
        return layers[number]
    }
}
