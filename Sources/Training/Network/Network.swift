import Transformer

/// The layers of a model and what is trained of them, before any memory is planned.
struct Network {
    let configuration: ModelConfiguration
    let parameters: ParameterSet
    let embedding: EmbeddingLayer
    let blocks: [TransformerBlock]
    let head: OutputHead
}
