import Architectures
package import ByteIO
package import Checkpoints
import JSONText
import TensorCore
import Transformer

/// Writes what full fine-tuning has made of a model as a Hugging Face folder: f32 weights, configuration, tokenizer.
package enum ModelFolderOutput {
    /// Of the weights, with their room on disk: made before the run, so that a full disk is an error then.
    package static func writer(for model: TrainableModel, in output: borrowing AtomicOutput) throws(FileError) -> ShardedWriter {
        guard model.configuration.spelling.nesting == nil else {
            throw FileError(
                output.destination, "would hold the text part of a \(model.configuration.modelType) alone, which is no model of that kind",
                hint: "an adapter leaves the rest of the model as it is")
        }
        let tensors = model.parameters.slots.map { slot in
            guard let info = TensorInfo(name: slot.name, scalarType: .f32, shape: slot.shape) else {
                preconditionFailure("what lies in memory can be counted")
            }
            return info
        }
        return try ShardedWriter([.init(name: ShardedWriter.names(count: 1)[0], tensors: tensors)], to: output, isFolder: true)
    }

    /// - Parameters:
    ///   - output: the folder, as it was opened before the run.
    ///   - writer: made by `writer(for:in:)`.
    ///   - checkpoint: the model that was tuned; its companion files come along.
    package static func write(
        _ model: TrainableModel, of checkpoint: Checkpoint, to output: consuming AtomicOutput, _ writer: ShardedWriter
    ) throws(FileError) {
        let parameters = model.parameters
        for slot in parameters.slots.indices {
            let values = UnsafeRawBufferPointer(start: parameters.value(slot), count: 4 * parameters.slots[slot].count)
            try writer.write(values, stored: slot)
        }
        try writer.finish()
        var files = writer.files
        for companion in checkpoint.files {
            var bytes = try companion.bytes()
            if companion.name == "config.json" { bytes = try configuration(bytes, of: model, checkpoint) }
            files.append(try output.createFile(named: companion.name, holding: bytes))
        }
        try output.commit(files)
    }

    /// The configuration with the type of the weights as they are now, and with what is known of the head.
    private static func configuration(_ bytes: [UInt8], of model: TrainableModel, _ checkpoint: Checkpoint) throws(FileError) -> [UInt8] {
        guard let object = try? JSONValue(parsing: bytes).object else { throw FileError(checkpoint.path, "config.json is no JSON object") }
        let isStatedTied = object["tie_word_embeddings"]?.bool ?? model.configuration.architecture.isTiedByDefault
        let tuned = HuggingFaceConfig.tuned(
            object, isUntied: isStatedTied && !model.configuration.head.isTied, wasPacked: checkpoint.hasPackedWeights)
        return Array((tuned.text(.indented) + "\n").utf8)
    }
}
