package import Architectures
package import ByteIO
package import Checkpoints
package import Transformer

/// A model whose layers are read one after another: for who needs each of them once, and has no memory for all.
package struct LayeredModel: Sendable {
    package let checkpoint: Checkpoint
    package let configuration: ModelDescription
    /// All but the layers.
    package let outside: ModelWeights
    private let index: WeightIndex

    /// Checks everything about the weights but their values, as `LoadedModel` does.
    ///
    /// - Parameter known: what `describedModel` gave for the checkpoint, where it was asked for before.
    /// - Throws: `FileError` where the checkpoint is no model that can be run, naming every tensor that is missing.
    package init(_ checkpoint: Checkpoint, configuration known: ModelDescription? = nil) throws(FileError) {
        let configuration = if let known { known } else { try checkpoint.describedModel() }
        index = try WeightIndex(checkpoint, configuration)
        self.checkpoint = checkpoint
        self.configuration = configuration
        outside = try WeightReading(checkpoint, configuration, index).outside()
    }

    /// The weights of a layer, mapped or decoded now, and let go of with the value.
    package func layer(_ number: Int) throws(FileError) -> LayerWeights {
        try WeightReading(checkpoint, configuration, index).layer(number)
    }

    /// The tensor that holds the weight of a module of a layer: `model.layers.0.self_attn.q_proj`.
    ///
    /// - Precondition: the model has such a linear layer.
    package func weight(ofModule name: String) -> LogicalTensor {
        guard let entry = index[name + ".weight"] else { preconditionFailure("every weight is among the expected tensors") }
        return entry.tensor
    }

    /// The tensor that holds the weight of a module, or the weights of all experts of a layer where they lie in one.
    ///
    /// - Precondition: the model has such a module.
    package func weight(of key: ModuleKey) -> LogicalTensor {
        guard let entry = index[configuration.spelling.tensor(key, .weight)] else {
            preconditionFailure("every weight is among the expected tensors")
        }
        return entry.tensor
    }
}
