/// All weights of a model as plain values.
///
/// Matrices point into memory that they keep alive: a copy of this struct costs little, shares them, and can carry other
/// adapters.
package struct ModelWeights: Sendable {
    package var embedding: EmbeddingTable
    /// [context, C], learned positions; nil where positions are rotated.
    package var positions: EmbeddingTable?
    package var layers: [LayerWeights]
    package var finalNorm: NormWeights
    /// [V, C], without bias; with a tied head its matrix is the embedding's.
    package var head: LinearLayer
    /// Rows [C] that take the place of rows of the head: adapters that train single tokens replace them there, and of a tied one
    /// on both sides.
    package var replacedHeadRows: [Int: [Float]] = [:]

    package init(
        embedding: EmbeddingTable, positions: EmbeddingTable?, layers: [LayerWeights], finalNorm: NormWeights, head: LinearLayer
    ) {
        self.embedding = embedding
        self.positions = positions
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
    }

    /// Changes each linear layer in turn, the head last.
    package mutating func forEachLinearLayer<Failure: Error>(
        _ body: (inout LinearLayer) throws(Failure) -> Void
    ) throws(Failure) {
        for index in layers.indices { try layers[index].forEachLinearLayer(body) }
        try body(&head)
    }

    /// Changes each norm in turn.
    package mutating func forEachNorm<Failure: Error>(_ body: (inout NormWeights) throws(Failure) -> Void) throws(Failure) {
        for index in layers.indices {
            try body(&layers[index].attentionNorm)
            if var norm = layers[index].queryNorm {
                try body(&norm)
                layers[index].queryNorm = norm
            }
            if var norm = layers[index].keyNorm {
                try body(&norm)
                layers[index].keyNorm = norm
            }
            try body(&layers[index].mlpNorm)
        }
        try body(&finalNorm)
    }
}
