import ByteIO
import Calibration
import Checkpoints
import CommandLineKit
import Conversion
import GGUFFormat
import JSONText
import ModelLoading
import Quantization
import Streaming
import ToolSupport
import Transformer

/// What `--imatrix` asks for: scales that are searched for by the importance of each input.
struct ImportanceSetup {
    private let file: ImportanceFile
    let note: ImportanceNote
    private let model: LayeredModel

    /// Nil where there is no such file.
    ///
    /// - Throws: where options exclude each other, the checkpoint is no model whose weights have names in GGUF files, or the file is none.
    init?(_ arguments: ParsedArguments, _ checkpoint: Checkpoint) throws {
        guard let path = arguments.string("imatrix") else { return nil }
        for name in ["calibrate", "allow-nonfinite"] where arguments.isGiven(name) {
            throw UsageError("--imatrix and --\(name) exclude each other")
        }
        guard arguments.string("quant-type") != "fp4" else {
            throw UsageError("--imatrix chooses codes of nf4, but --quant-type fp4 is asked for")
        }
        model = try LayeredModel(checkpoint)
        file = try ImportanceFile(path: path)
        note = try ImportanceNote(file)
    }

    /// The search for the scales of a plan's weights, on the threads of its resources.
    func search(of plan: ConversionPlan, _ resources: Resources, _ console: Console) throws -> ConversionCalibration {
        guard plan.settings.quantType == .nf4 else {
            throw OperationError(
                "\(plan.checkpoint.path) is \(plan.settings) already, but codes are chosen of nf4 alone",
                hint: "start from the model before it was quantized")
        }
        let search = try ImportanceSearch(file, for: model, plan.settings, engine: MatrixEngine(pool: resources.pool))
        let names = Set(search.importances.keys)
        if let first = search.missing.first {
            console.warning(
                "\(file.path) says nothing of \(search.missing.count) weights like '\(first)': these get the nearest codes")
        }
        let count = plan.items.count { item in
            if case .quantize = item.step { names.contains(item.tensor.name) } else { false }
        }
        guard count > 0 else {
            throw OperationError(
                "\(plan.checkpoint.path): there is nothing to search for: no weight that \(file.path) tells of is to be quantized",
                hint: "a model that is 4-bit already is repacked as it is: start from the one before")
        }
        let progress = console.progress("searching", total: count, unit: .items("weights"))
        var done = 0
        return ConversionCalibration(search, of: names) {
            done += 1
            progress.advance(by: 1)
            if done == count { progress.finish() }
        }
    }
}

extension CalibrationReport {
    /// What the report says of a search.
    func lines(_ note: ImportanceNote) -> [String] {
        let ratio = meanRatio.map {
            "; errors, weighted by it, are \(NumberText.fixed($0, decimals: 2)) of the nearest codes' (geometric mean)"
        }
        let texts = note.texts.isEmpty ? "" : " (of \(note.texts.joined(separator: ", ").terminalSafe))"
        var lines = [
            "scales searched for by the importance in \(note.name.terminalSafe)\(texts): \(calibratedCount) of \(rows.count) weights\(ratio ?? "")"
        ]
        if unreachedCount > 0 { lines.append("\(unreachedCount) weights have the nearest codes, as it says nothing of them") }
        return lines
    }

    func document(_ note: ImportanceNote) -> JSONValue {
        var object = note.document.object ?? JSONObject()
        object["searched"] = .integer(calibratedCount)
        object["plain"] = .integer(rows.count - calibratedCount)
        object["unreached"] = .integer(unreachedCount)
        object["mean_error_ratio"] = meanRatio.map { .double($0) } ?? .null
        object["tensors"] = .array(rows.map(\.document))
        return .object(object)
    }
}

extension CalibrationReport.Row {
    /// Of calibrations and of searches.
    var document: JSONValue {
        var object = JSONObject([
            "name": .string(name), "calibrated": .bool(isCalibrated), "error": errors.calibrated.map { .double($0) } ?? .null,
            "plain_error": .double(errors.plain),
        ])
        if isOfExperts {
            object["experts"] = .array(
                matrices.map { .object(["codes": .string($0.choice.rawValue), "tokens": .integer($0.tokenCount)]) })
        }
        return .object(object)
    }
}
