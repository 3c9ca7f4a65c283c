import Architectures
import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Comparison
import GGUFFormat
import ModelLoading
import Parallelism
import Quantization
import Streaming
import ToolSupport
import Transformer

/// Codes of a calibrated model, chosen once more.
struct CalibrationCheck {
    private let bits: CalibratedBits
    private let layerCount: Int
    private let label: String

    /// - Throws: where it cannot be told how the model was calibrated, or the text is another.
    init(_ source: Checkpoint, _ model: Checkpoint, _ arguments: ParsedArguments, pool: WorkerPool, _ console: Console) throws {
        if model.isSearched {
            label = "searching"
            (bits, layerCount) = try Self.search(source, model, arguments, pool: pool)
            return
        }
        label = "calibrating"
        guard !arguments.isGiven("imatrix") else { throw UsageError("\(model.path) says nothing of an imatrix, but --imatrix is given") }
        guard let note = model.calibrationNote, let settings = model.tensors.lazy.compactMap({ $0.quantized?.state.settings }).first else {
            throw Failure("\(model.path): its codes are calibrated, but its lineage does not say how")
        }
        guard settings.quantType == .nf4 else {
            throw Failure("\(model.path): it says that its codes are calibrated, but they are \(settings), and not nf4")
        }
        let given = arguments.strings("calibrate")
        let names = note.texts.map(\.name)
        let texts = given.isEmpty && names == [CalibrationText.defaultWord] ? names : given
        guard !texts.isEmpty else {
            throw Failure(
                "\(model.path): its codes were chosen by calibration: whether every byte is right can be told with the text alone",
                hint:
                    "--calibrate gives it (\(note.texts.map { "\($0.name), CRC-32C \($0.checksum)" }.joined(separator: "; ").terminalSafe))"
            )
        }
        let layered = try LayeredModel(source)
        let text = try CalibrationText(texts, tokenLimit: note.tokenLimit, for: layered, console)
        guard text.digest == note.samplesDigest else {
            throw Failure(
                "\(model.path) was calibrated on other tokens: \(note.samplesDigest), but those of \(texts.joined(separator: ", ")) are "
                    + "\(text.digest)",
                hint: "give the files in the order in which they were given then (\(names.joined(separator: ", ").terminalSafe))")
        }
        let samples = text.samples
        try CalibrationMemory(layered, samples, chunkWidth: note.chunkWidth).check(source.path, limit: arguments.byteCount("max-memory"))
        let pass = try CalibrationPass(
            layered, samples, chunkWidth: note.chunkWidth, engine: MatrixEngine(pool: pool))
        bits = CalibratedBits(ModelCalibration(pass, settings, damping: note.damping), model: model)
        layerCount = layered.configuration.layers.count
    }

    /// Scales that are searched for once more, and how many weights have some.
    private static func search(
        _ source: Checkpoint, _ model: Checkpoint, _ arguments: ParsedArguments, pool: WorkerPool
    ) throws -> (CalibratedBits, Int) {
        guard let stated = model.statedImportance, let settings = model.tensors.lazy.compactMap({ $0.quantized?.state.settings }).first,
            settings.quantType == .nf4
        else { throw Failure("\(model.path): its scales were searched for by an imatrix, but its lineage does not say which") }
        guard let path = arguments.string("imatrix") else {
            throw Failure(
                "\(model.path): its scales were searched for by an imatrix: whether every byte is right can be told with that alone",
                hint: "--imatrix gives it (\(stated.name.terminalSafe), CRC-32C \(stated.checksum.terminalSafe))")
        }
        let file = try ImportanceFile(path: path)
        let found = try CRC32C(of: file.file.allBytes(limit: ImportanceFile.byteCountLimit)).description
        guard found == stated.checksum else {
            throw Failure(
                "\(model.path) was made by another imatrix, with the CRC-32C \(stated.checksum.terminalSafe), but that of \(path) is \(found)"
            )
        }
        let search = try ImportanceSearch(file, for: LayeredModel(source), settings, engine: MatrixEngine(pool: pool))
        let count = model.tensors.count { $0.quantized != nil && search.importances[$0.name] != nil }
        return (CalibratedBits(search, settings, model: model), count)
    }

    /// By the names of tensors, whether every byte is what calibration gives.
    func run(_ console: Console) throws -> [String: Bool] {
        let progress = console.progress(label, total: layerCount, unit: .items(label == "searching" ? "weights" : "layers"))
        let result = try bits.run { progress.advance(by: 1) }
        progress.finish()
        return result
    }
}
