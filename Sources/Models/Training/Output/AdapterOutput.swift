import Adapters
import Architectures
package import ByteIO
import JSONText
import TensorCore
import Transformer

/// Writes what LoRA has trained as a `.lora` file.
package enum AdapterOutput {
    /// Takes the room of the factors on disk before the run, so that a full disk is an error then.
    package static func reserve(_ model: TrainableModel, in output: borrowing AtomicOutput) throws(FileError) {
        try output.file().reserve(byteCount: 4 * model.parameters.elementCount)
    }

    /// - Parameters:
    ///   - output: the file, as it was opened before the run.
    ///   - baseFingerprint: of the weights it was trained on.
    ///   - baseName: how the base was called on the command line.
    ///   - tool: `qtrain 0.1.0`.
    package static func write(
        _ model: TrainableModel, to output: consuming AtomicOutput, baseFingerprint: String, baseName: String, tool: String
    ) throws(FileError) {
        guard case .lowRank(let settings, _) = model.tuning else { preconditionFailure("only LoRA trains an adapter") }
        let parameters = model.parameters
        let configuration = try AdapterConfiguration(
            rank: settings.rank, alpha: settings.alpha, targetModules: targetModules(model),
            usesRankStabilization: settings.usesRSLoRA, fanInFanOut: model.configuration.spelling.hasConv1D, dropout: settings.dropout,
            others: [("base_model_name_or_path", .string(baseName))])
        let infos = parameters.slots.map { slot in
            guard let info = TensorInfo(name: slot.name, scalarType: .f32, shape: slot.shape) else {
                preconditionFailure("what lies in memory can be counted")
            }
            return info
        }
        let plan = AdapterPlan(configuration: configuration, tensors: infos, baseFingerprint: baseFingerprint, tool: tool)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        for (index, info) in plan.tensors.enumerated() {
            guard let slot = parameters.slots.firstIndex(where: { $0.name == info.name }) else {
                preconditionFailure("the plan was made of the slots")
            }
            try writer.write(parameters.array(slot), tensor: index)
        }
        try output.commit(try writer.finish())
    }

    /// Ends of names, where they select just the tuned layers; whole names otherwise.
    private static func targetModules(_ model: TrainableModel) -> [String] {
        let tuned = Set(model.tunedModules)
        let ends = Set(tuned.map(lastPart))
        let all = model.configuration.linearWeights + model.configuration.expertWeights
        let selected = all.map(\.module).filter { ends.contains(lastPart($0)) }
        return Set(selected) == tuned ? ends.sorted() : tuned.sorted()
    }

    private static func lastPart(_ name: String) -> String {
        String(name[(name.lastIndex(of: ".").map(name.index(after:)) ?? name.startIndex)...])
    }
}
