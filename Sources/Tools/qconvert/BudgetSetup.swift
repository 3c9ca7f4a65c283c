import Architectures
import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import ModelLoading
import Parallelism
import Quantization
import Sensitivity
import Streaming
import TensorCore
import ToolSupport
import Training

/// What `--budget` asks for: which weights stay in 16 bits, by what quantizing each of them does to the predictions.
struct BudgetSetup {
    private let bits: Double
    private let type: ScalarType?
    /// Where sensitivities are kept, and found.
    private let path: String?
    /// What was found there.
    private let saved: Sensitivity?
    private let subject: JSONObject
    private let model: LayeredModel
    private let loaded: LoadedModel
    private let samples: CalibrationSamples
    private let note: CalibrationNote
    private let memoryLimit: Int?
    private let linearNames: Set<String>

    /// Nil where there is no budget.
    ///
    /// - Parameter plan: without one.
    /// - Throws: where the budget is too small, the checkpoint is no model that can be run, or the file of sensitivities is another's.
    init?(
        _ arguments: ParsedArguments, _ plan: ConversionPlan, _ calibration: CalibrationSetup?, castingTo type: ScalarType?,
        _ console: Console
    ) throws {
        guard let bits = arguments.number("budget") else {
            guard !arguments.isGiven("sensitivity") else { throw UsageError("--sensitivity is for --budget BITS, which is not given") }
            return nil
        }
        guard !arguments.flag("allow-nonfinite") else {
            throw UsageError("--budget and --allow-nonfinite exclude each other: no model with such weights can be run")
        }
        self.bits = bits
        self.type = type
        path = arguments.string("sensitivity")
        model = try calibration?.model ?? LayeredModel(plan.checkpoint)
        loaded = try LoadedModel(plan.checkpoint, configuration: model.configuration)
        memoryLimit = arguments.byteCount("max-memory")
        let tensors = model.configuration.linearWeights.map { [model] in model.weight(ofModule: $0.module).name }
        linearNames = Set(tensors)
        // Before anything is measured: are there bits for any?
        let even = Dictionary(tensors.map { ($0, 1.0) }) { first, _ in first }
        _ = try plan.budget(bits: bits, linearNames: linearNames, divergences: even, castingTo: type)
        if let calibration {
            (samples, note) = (calibration.text.samples, calibration.note)
        } else {
            let text = try CalibrationText(
                [CalibrationText.defaultWord], tokenLimit: CalibrationText.defaultTokenLimit, for: model, console)
            (samples, note) = (text.samples, text.note(damping: CalibratedQuantizer.defaultDamping))
        }
        subject = JSONObject([
            "files": .array(plan.checkpoint.inputFiles.map { .array([.string($0.name), .integer($0.byteCount)]) }),
            "settings": .string(plan.settings.description),
            "quantizer": .string(
                calibration != nil ? CalibratedQuantizer.name : plan.importance != nil ? ImportanceSearch.name : NearestQuantizer().name),
            "calibration": calibration?.note.document ?? .null, "imatrix": plan.importance?.document ?? .null,
        ])
        saved = try path.flatMap { [subject] path throws(FileError) in
            FilePath.kind(of: path) == .missing ? nil : try SensitivityFile(path: path, subject: subject).sensitivity
        }
        if let saved, let path { try Self.check(saved, path, plan, linearNames) }
    }

    /// Refuses sensitivities of other weights than those that are quantized.
    private static func check(_ saved: Sensitivity, _ path: String, _ plan: ConversionPlan, _ linearNames: Set<String>) throws(FileError) {
        let known = Set(saved.rows.map(\.name))
        let wanted = plan.items.filter { item in
            guard case .quantize = item.step else { return false }
            return linearNames.contains(item.tensor.name)
        }
        guard let item = wanted.first(where: { !known.contains($0.tensor.name) }) else { return }
        throw FileError(
            path, "says nothing of '\(item.tensor.name)', which is to be quantized",
            hint: "other weights were quantized when it was measured; without the file it is measured anew")
    }

    /// Whether it is known already what will stay.
    var isKnown: Bool { saved != nil }

    /// The budget of a plan, where nothing has to be measured for it.
    func knownBudget(of plan: ConversionPlan) throws -> BitBudget? { try saved.map { try budget(of: plan, $0) } }

    private func budget(of plan: ConversionPlan, _ sensitivity: Sensitivity) throws(OperationError) -> BitBudget {
        try plan.budget(
            bits: bits, linearNames: linearNames,
            divergences: Dictionary(sensitivity.rows.map { ($0.name, $0.divergence) }) { first, _ in first }, castingTo: type)
    }

    /// Measures what each weight's quantization does, and chooses.
    ///
    /// - Parameter outcomes: of a calibration, by the names of tensors; others become the nearest codes.
    func measuredBudget(
        of plan: ConversionPlan, _ outcomes: [String: ModelCalibration.Outcome], _ resources: Resources, _ console: Console
    ) throws -> BitBudget {
        let measurement = try SensitivityMeasurement(
            model, on: samples, plan.settings, resources: ComputeResources(pool: resources.pool))
        let needed = measurement.byteCount(try measurement.network(loaded))
        let allowed = min(memoryLimit ?? .max, AvailableMemory.byteCount ?? .max)
        guard needed <= allowed else {
            throw Failure(
                "measuring how much each weight of \(plan.checkpoint.path) matters takes about \(NumberText.byteCount(needed)) of memory beside "
                    + "the weights, but there are \(NumberText.byteCount(allowed))")
        }
        var wanted: Set<String> = []
        for item in plan.items {
            if case .quantize = item.step, linearNames.contains(item.tensor.name) { wanted.insert(item.tensor.name) }
        }
        console.note(
            "measuring what quantizing each of \(wanted.count) weights does to the predictions, on "
                + "\(NumberText.grouped(measurement.tokenCount)) tokens, back and forth through the model")
        let progress = console.progress("measuring", total: measurement.passCount, unit: .items("passes"))
        let settings = plan.settings, source = plan.checkpoint.path
        let sensitivity = try measurement.run(
            loaded, wanted: { wanted.contains($0) },
            quantized: { tensor, elements in
                if let outcome = outcomes[tensor.name] { return outcome.weight }
                guard let nearest = elements.withUnsafeBufferPointer({ FourBitWeight(nearest: $0, settings) }) else {
                    throw FileError(source, at: "tensor '\(tensor.name)'", "cannot be quantized: it has values that are not finite")
                }
                return nearest
            }, progress: { progress.advance(by: 1) })
        progress.finish()
        if let path {
            let circumstances: JSONValue = .object([
                "sequences": .integer(measurement.sequenceCount), "tokens": .integer(measurement.tokenCount),
                "text": .array(note.texts.map(\.document)), "samples": .string(note.samplesDigest),
            ])
            try SensitivityFile(subject: subject, circumstances: circumstances, sensitivity: sensitivity).write(to: path)
        }
        return try budget(of: plan, sensitivity)
    }
}

extension BitBudget {
    /// What the report says of it: how many of each kind, those with most first.
    var line: String {
        "\(kept.count) weights stay in 16 bits, which spares \(NumberText.percent(sparedShare)) of what quantizing does to the predictions: "
            + "\(NumberText.fixed(reachedBits, decimals: 3)) bits a weight of the \(NumberText.significant(bits, digits: 4)) allowed"
            + (kinds.isEmpty ? "" : " (\(kinds))")
    }

    /// `20 v_proj, 3 down_proj`.
    private var kinds: String {
        var counts: [String: Int] = [:]
        for weight in kept {
            let parts = weight.name.split(separator: ".").filter { !["weight", "w"].contains($0) }
            counts[parts.last.map { String($0) } ?? weight.name, default: 0] += 1
        }
        return counts.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            .terminalSafe
    }
}
