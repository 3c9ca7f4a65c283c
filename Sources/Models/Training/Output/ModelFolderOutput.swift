import Architectures
package import ByteIO
package import Checkpoints
import JSONText
import SafetensorsFormat
import TensorCore
import Transformer

/// Writes what full fine-tuning has made of a model as a Hugging Face folder: f32 weights, configuration, tokenizer.
package enum ModelFolderOutput {
    /// The file of the weights, with their room on disk: made before the run, so that a full disk is an error then.
    package static func weightsFile(for model: TrainableModel, in output: borrowing AtomicOutput) throws(FileError) -> OutputFile {
        let file = try output.createFile(named: "model.safetensors")
        try file.reserve(byteCount: 4 * model.parameters.elementCount)
        return file
    }

    /// - Parameters:
    ///   - output: the folder, as it was opened before the run.
    ///   - weights: its `weightsFile`.
    ///   - checkpoint: the model that was tuned; its companion files come along.
    package static func write(
        _ model: TrainableModel, of checkpoint: Checkpoint, to output: consuming AtomicOutput, weights: OutputFile
    ) throws(FileError) {
        let parameters = model.parameters
        let plan = parameters.slots.map { slot in
            guard let info = TensorInfo(name: slot.name, scalarType: .f32, shape: slot.shape) else {
                preconditionFailure("what lies in memory can be counted")
            }
            return info
        }
        let metadata = [(key: "format", value: "pt")]
        var files = [weights]
        let writer = try SafetensorsWriter(file: weights, plan: plan, metadata: metadata)
        for slot in parameters.slots.indices {
            let values = UnsafeRawBufferPointer(start: parameters.value(slot), count: 4 * parameters.slots[slot].count)
            try writer.write(values, tensor: slot)
        }
        try writer.finish { _ in metadata }
        for companion in checkpoint.files {
            var bytes = try companion.bytes()
            if companion.name == "config.json" { bytes = try configuration(bytes, of: model, path: checkpoint.path) }
            files.append(try output.createFile(named: companion.name, holding: bytes))
        }
        try output.commit(files)
    }

    /// The configuration with the type of the weights as they are now, and with what is known of the head.
    private static func configuration(_ bytes: [UInt8], of model: TrainableModel, path: String) throws(FileError) -> [UInt8] {
        guard let object = try? JSONValue(parsing: bytes).object else { throw FileError(path, "config.json is no JSON object") }
        let isStatedTied = object["tie_word_embeddings"]?.bool ?? model.configuration.architecture.isTiedByDefault
        let tuned = HuggingFaceConfig.tuned(object, isUntied: isStatedTied && !model.configuration.head.isTied)
        return Array((tuned.text(.indented) + "\n").utf8)
    }
}
