import Architectures
import ByteIO
import Calibration
import Checkpoints
import CommandLineKit
import Comparison
import ModelLoading
import ModelToolSupport
import Parallelism
import Quantization
import Streaming
import ToolSupport
import Transformer

/// Codes of a calibrated model, chosen once more.
struct CalibrationCheck {
    private let bits: CalibratedBits
    private let layerCount: Int

    /// - Throws: where it cannot be told how the model was calibrated, or the text is another.
    init(_ source: Checkpoint, _ model: Checkpoint, _ arguments: ParsedArguments, pool: WorkerPool, _ console: Console) throws {
        guard let note = model.calibrationNote, let settings = model.tensors.lazy.compactMap({ $0.quantized?.state.settings }).first else {
            throw Failure("\(model.path): its codes are calibrated, but its lineage does not say how")
        }
        guard settings.quantType == .nf4 else {
            throw Failure("\(model.path): it says that its codes are calibrated, but they are \(settings), and not nf4")
        }
        let given = arguments.strings("calibrate")
        let texts = given.isEmpty && note.texts == [CalibrationInput.defaultWord] ? note.texts : given
        guard !texts.isEmpty else {
            throw Failure(
                "\(model.path): its codes were chosen by calibration: whether every byte is right can be told with the text alone",
                hint: "--calibrate gives it (\(note.texts.joined(separator: ", ")), \(note.textDigest))")
        }
        let layered = try LayeredModel(source)
        let input = try CalibrationInput(texts, tokenLimit: note.tokenCount, for: layered, console)
        guard input.digest == note.textDigest else {
            throw Failure(
                "\(model.path) was calibrated with another text: \(note.textDigest), but \(texts.joined(separator: ", ")) is \(input.digest)",
                hint: "give the files in the order in which they were given then (\(note.texts.joined(separator: ", ")))")
        }
        let samples = input.samples
        guard samples.tokenCount == note.tokenCount, samples.heldOutCount == note.heldOutCount, input.window == note.window else {
            throw Failure(
                "\(model.path) was calibrated on \(note.tokenCount) tokens (\(note.heldOutCount) held out, windows of \(note.window)), but the text "
                    + "gives \(samples.tokenCount) (\(samples.heldOutCount), \(input.window))",
                hint: "the source's tokenizer is another than it was")
        }
        try CalibrationMemory(layered, samples).check(source.path, limit: arguments.byteCount("max-memory"))
        let pass = try CalibrationPass(layered, samples, engine: MatrixEngine(pool: pool))
        bits = CalibratedBits(ModelCalibration(pass, settings, damping: note.damping), model: model)
        layerCount = layered.configuration.layers.count
    }

    /// By the names of tensors, whether every byte is what calibration gives.
    func run(_ console: Console) throws -> [String: Bool] {
        let progress = console.progress("calibrating", total: layerCount, unit: .items("layers"))
        let result = try bits.run { progress.advance(by: 1) }
        progress.finish()
        return result
    }
}
