package import Architectures
package import ByteIO
package import Checkpoints
import JSONText
package import Parallelism
import Quantization
import TensorCore
package import Transformer

/// A checkpoint that can be run: what it computes, and its weights where they lie.
package struct LoadedModel: Sendable {
    package let checkpoint: Checkpoint
    package let configuration: ModelDescription
    package let weights: ModelWeights
    /// What is odd, but no reason to refuse it.
    package let warnings: [String]

    /// Maps the weights of a checkpoint and checks everything about them but their values.
    ///
    /// - Parameter known: what `describedModel` gave for the checkpoint, where it was asked for before.
    /// - Throws: `FileError` where the checkpoint is no model that can be run, naming every tensor that is missing.
    package init(_ checkpoint: Checkpoint, configuration known: ModelDescription? = nil) throws(FileError) {
        let configuration = if let known { known } else { try checkpoint.describedModel() }
        let index = try WeightIndex(checkpoint, configuration)
        self.checkpoint = checkpoint
        self.configuration = configuration
        weights = try WeightReading(checkpoint, configuration, index).weights()
        warnings = Self.warnings(configuration, index)
    }

    /// The same model with an output head in 8 bits, made now: 1.06 bytes an element instead of 2 or 4 are read for each token.
    ///
    /// A head that is 4-bit stays: it is smaller already.
    package func withCompactHead(pool: WorkerPool) -> LoadedModel {
        guard weights.head.matrix.isDense else { return self }
        var weights = weights
        weights.head.matrix = weights.head.matrix.quantizedToBytes(pool: pool)
        return LoadedModel(checkpoint: checkpoint, configuration: configuration, weights: weights, warnings: warnings)
    }

    private init(checkpoint: Checkpoint, configuration: ModelDescription, weights: ModelWeights, warnings: [String]) {
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.weights = weights
        self.warnings = warnings
    }

    private static func warnings(_ configuration: ModelDescription, _ index: WeightIndex) -> [String] {
        let names = index.unusedNames
        guard !names.isEmpty else { return configuration.remarks }
        return configuration.remarks + ["\(names.count) tensors are not used by the model: \(TensorGroups.text(names))"]
    }
}
