import Architectures
import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import ModelLoading
import ModelToolSupport
import Parallelism
import Quantization
import Streaming
import ToolSupport
import Transformer

/// What `--calibrate` asks for, with all that can be refused refused before the work begins.
struct CalibrationSetup {
    let model: LayeredModel
    let text: CalibrationText
    let memory: CalibrationMemory
    /// Where finished layers are kept.
    private let checkpoints: String?
    /// Where what layers saw goes; nil where nobody asks for it.
    private let importance: (matrix: ImportanceMatrix, path: String)?

    /// Nil where nothing is to be calibrated.
    ///
    /// - Throws: where options exclude each other, the checkpoint is no model that can be run, has no tokenizer, or a text does not do.
    init?(_ arguments: ParsedArguments, _ checkpoint: Checkpoint, _ console: Console) throws {
        let texts = arguments.strings("calibrate")
        guard !texts.isEmpty else {
            for name in ["tokens", "checkpoints", "write-imatrix"] where arguments.isGiven(name) {
                throw UsageError("--\(name) is for --calibrate TEXT, which is not given")
            }
            return nil
        }
        guard arguments.string("quant-type") != "fp4" else {
            throw UsageError("--calibrate chooses codes of nf4, but --quant-type fp4 is asked for")
        }
        guard !arguments.flag("allow-nonfinite") else {
            throw UsageError("--calibrate and --allow-nonfinite exclude each other: no model with such weights can be run")
        }
        checkpoints = arguments.string("checkpoints")
        model = try LayeredModel(checkpoint)
        importance = arguments.string("write-imatrix").map { [model] in (ImportanceMatrix(model.configuration), $0) }
        if let importance {
            guard checkpoints == nil else {
                throw UsageError("--write-imatrix and --checkpoints exclude each other: what layers saw is not kept with them")
            }
            guard arguments.flag("force") || FilePath.kind(of: importance.path) == .missing else {
                throw FileError(importance.path, "exists already", hint: "`replaces` replaces it")
            }
        }
        text = try CalibrationText(texts, tokenLimit: arguments.integer(always: "tokens"), for: model, console)
        let limit = arguments.byteCount("max-memory")
        memory = CalibrationMemory.fitting(limit, model, text.samples)
        try memory.check(checkpoint.path, limit: limit)
        if let warning = memory.chunkWarning { console.warning(warning) }
        let asked = arguments.integer(always: "tokens")
        if arguments.isGiven("tokens"), text.samples.tokenCount + text.window <= asked {
            console.warning(
                "the text gives \(NumberText.grouped(text.samples.tokenCount)) tokens, fewer than the \(NumberText.grouped(asked)) asked for"
            )
        }
    }

    /// Writes what layers saw, where that was asked for, once they were run.
    func writeImportance(of checkpoint: Checkpoint, replaces: Bool) throws {
        guard let importance else { return }
        try importance.matrix.write(to: importance.path, note, replaces: replaces, inputs: checkpoint.inputFiles)
    }

    var note: CalibrationNote { text.note(damping: CalibratedQuantizer.defaultDamping, chunkWidth: memory.chunkWidth) }

    /// What will be done, in a line.
    var summary: String {
        "\(NumberText.grouped(text.samples.tokenCount)) tokens in windows of \(text.window), \(NumberText.grouped(text.samples.heldOutCount)) of "
            + "them held out; \(model.configuration.layers.count) layers; about \(NumberText.byteCount(memory.total)) of memory"
    }

    /// A digest of all that decides what the calibrated file holds.
    ///
    /// - Parameter options: those that shape it.
    func identity(of plan: ConversionPlan, options: [String]) throws -> String {
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 1))
        let calibration = ModelCalibration(try CalibrationPass(model, text.samples, engine: engine), plan.settings)
        var digest = SHA256()
        digest.append(Array(try plan.calibrationIdentity(calibration).utf8))
        digest.append(Array(JSONValue.strings(options).text(.compact).utf8))
        return digest.finish()
    }

    /// The calibration of a plan's weights, on the threads of its resources.
    func calibration(of plan: ConversionPlan, _ resources: Resources, _ console: Console) throws -> ConversionCalibration {
        guard plan.settings.quantType == .nf4 else {
            throw OperationError(
                "\(plan.checkpoint.path) is \(plan.settings) already, but codes are chosen of nf4 alone",
                hint: "start from the model before it was quantized")
        }
        let engine = MatrixEngine(pool: resources.pool)
        let calibration = ModelCalibration(
            try CalibrationPass(model, text.samples, chunkWidth: memory.chunkWidth, engine: engine), plan.settings)
        let names = Set(try plan.calibratedItems(calibration).keys)
        let journal = try checkpoints.map { try CalibrationJournal(folder: $0, identity: plan.calibrationIdentity(calibration)) }
        console.note("calibrating: \(summary)")
        if let journal, journal.finishedCount > 0 {
            console.note("\(journal.folder): goes on after \(journal.finishedCount) of \(model.configuration.layers.count) layers")
        }
        let layers = console.progress("calibrating", total: model.configuration.layers.count, unit: .items("layers"))
        let count = model.configuration.layers.count
        var done = 0
        return ConversionCalibration(calibration, of: names, journal: journal, importance: importance?.matrix) {
            done += 1
            layers.advance(by: 1)
            if done == count { layers.finish() }
        }
    }
}

extension CalibrationReport {
    /// What the report says of it.
    func lines(_ note: CalibrationNote) -> [String] {
        let ratio = meanRatio.map {
            "; errors of their outputs are \(NumberText.fixed($0, decimals: 2)) of the nearest codes' (geometric mean)"
        }
        var lines = [
            "calibrated on \(NumberText.grouped(note.tokenCount)) tokens: \(calibratedCount) of \(rows.count) weights\(ratio ?? "")"
        ]
        let plain = rows.filter { !$0.isCalibrated && !$0.isOfExperts }
        for row in plain.prefix(Self.shownLimit) {
            let other = row.errors.calibrated.map { "\(NumberText.significant($0, digits: 3)) calibrated, " } ?? ""
            guard row.errors.calibrated != nil else {
                lines.append("\(row.name): nearest codes, as its inputs are all 0")
                continue
            }
            lines.append(
                "\(row.name): nearest codes, which are as good here (error of outputs \(other)\(NumberText.significant(row.errors.plain, digits: 3)) "
                    + "plain)")
        }
        if plain.count > Self.shownLimit { lines.append("\(plain.count - Self.shownLimit) more have the nearest codes (--json lists all)") }
        if let line = expertLine { lines.append(line) }
        if unreachedCount > 0 {
            lines.append("\(unreachedCount) weights have the nearest codes: what is no linear layer is not calibrated")
        }
        return lines
    }

    /// How many matrices of experts were chosen how; nil where there are none.
    private var expertLine: String? {
        let counts = [ModelCalibration.Choice.calibrated, .searched, .nearest].map { expertCount($0) }
        guard counts.reduce(0, +) > 0 else { return nil }
        return
            "matrices of experts: \(NumberText.grouped(counts[0])) calibrated, \(NumberText.grouped(counts[1])) by the importance of their "
            + "inputs alone (an expert sees fewer tokens than it has inputs), \(NumberText.grouped(counts[2])) nearest codes"
            + (counts[2] > 0 ? " (hardly asked, or as good); more --tokens reach more of them" : "")
    }

    private static let shownLimit = 5

    func document(_ note: CalibrationNote) -> JSONValue {
        .object([
            "texts": .array(note.texts.map(\.document)), "samples": .string(note.samplesDigest), "tokens": .integer(note.tokenCount),
            "held_out": .integer(note.heldOutCount), "calibrated": .integer(calibratedCount),
            "plain": .integer(rows.count - calibratedCount),
            "experts": .object([
                "calibrated": .integer(expertCount(.calibrated)), "searched": .integer(expertCount(.searched)),
                "nearest": .integer(expertCount(.nearest)),
            ]),
            "unreached": .integer(unreachedCount), "mean_error_ratio": meanRatio.map { .double($0) } ?? .null,
            "moments": momentsDigest.map { .string($0) } ?? .null, "tensors": .array(rows.map(\.document)),
        ])
    }
}
