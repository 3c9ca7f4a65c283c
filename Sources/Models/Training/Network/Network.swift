import Architectures
package import ByteIO
package import ModelLoading
import Transformer

/// The layers of a model and what is trained of them, before any memory for activations is planned.
package struct Network {
    let configuration: ModelDescription
    let tuning: Tuning
    /// What LoRA trains; nothing where everything is trained.
    let places: FactorPlaces
    package let parameters: ParameterSet
    /// Weights whose constants are trained, by the names of their modules.
    let scaledWeights: [String: ScaledWeight]
    let embedding: EmbeddingLayer
    let blocks: [TransformerBlock<TunableLinear>]
    let head: OutputHead

    /// Of the updates of projections of embedding and head; 0 for none.
    var projectionRank: Int { max(embedding.update?.rank ?? 0, head.update?.rank ?? 0) }
}

extension Network {
    /// - Parameter observer: of linear layers, on the way back.
    /// - Throws: where there is no memory for what is trained.
    package init(_ model: LoadedModel, tuning: Tuning, observer: GradientObserver? = nil) throws(FileError) {
        self = try NetworkBuilder.build(model.configuration, model.weights, tuning: tuning, observer: observer)
    }
}
