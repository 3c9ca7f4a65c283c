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
    ///   - sample: texts of training samples that go along; none unless they are asked for.
    package static func write(
        _ model: TrainableModel, to output: consuming AtomicOutput, baseFingerprint: String, baseName: String, tool: String,
        sample: [String] = []
    ) throws(FileError) {
        guard case .lowRank(let settings, _) = model.tuning else { preconditionFailure("only LoRA trains an adapter") }
        let configuration = try AdapterConfiguration(
            rank: settings.rank, alpha: settings.alpha, targetModules: targetModules(model),
            usesRankStabilization: settings.usesRSLoRA, fanInFanOut: model.configuration.spelling.hasConv1D, dropout: settings.dropout,
            others: [("base_model_name_or_path", .string(baseName))] + targetParameters(model).map { ("target_parameters", .strings($0)) })
        let factors = OutputFactor.all(of: model)
        let plan = AdapterPlan(
            configuration: configuration, tensors: factors.map(\.info), baseFingerprint: baseFingerprint, tool: tool, sample: sample)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        let named = Dictionary(factors.map { ($0.info.name, $0) }) { first, _ in first }
        for (index, info) in plan.tensors.enumerated() {
            guard let factor = named[info.name] else { preconditionFailure("the plan was made of the factors") }
            try writer.write(factor.values(model.parameters), tensor: index)
        }
        try output.commit(try writer.finish())
    }

    /// Ends of names, where they select just the tuned layers; whole names otherwise.
    private static func targetModules(_ model: TrainableModel) -> [String] {
        targets(model.places.pairs.filter { $0.experts == nil }.map(\.name), among: model.configuration.linearModules, parts: 1)
    }

    /// The same of parameters of experts; nil of none.
    private static func targetParameters(_ model: TrainableModel) -> [[String]] {
        let tuned = model.places.pairs.filter { $0.experts != nil }.map(\.name)
        return tuned.isEmpty ? [] : [targets(tuned, among: model.configuration.expertParameters.map(\.name), parts: 2)]
    }

    private static func targets(_ tuned: [String], among all: [String], parts: Int) -> [String] {
        func end(_ name: String) -> String { name.split(separator: ".").suffix(parts).joined(separator: ".") }
        let ends = Set(tuned.map(end))
        return Set(all.filter { ends.contains(end($0)) }) == Set(tuned) ? ends.sorted() : tuned.sorted()
    }
}
