import Checkpoints
import CommandLineKit
import JSONText
import Merging
import ModelToolSupport
import Records
import ToolSupport
import Training

/// `qtrain MODEL`.
func train(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let options = try TrainOptions(arguments)
    // What a run takes is known once its data is.
    let model = try console.openModel(options.model) { _ in nil }
    if options.isFull, model.checkpoint.tensors.contains(where: { $0.quantized != nil }) {
        throw Failure(
            "\(model.path): --full trains dense weights, but these are 4-bit",
            hint: "train LoRA factors beside them (leave out --full), or take the original model")
    }
    let merge = try MergeInto(model.checkpoint, options, arguments)
    let data = try TrainingData(model, options.data, console)
    let setup = try TrainSetup(model.loaded, data, options, console)
    let isJSON = arguments.flag("json")
    if arguments.flag("dry-run") { return try setup.describe(asJSON: isJSON, console) }
    // Opened before the long work: what cannot be written is an error now.
    let output = try RunOutput(setup, sample: sample(setup, console))
    let outcome = try setup.run(console, measures, into: output)
    let merged = try merge?.run(options.files.output, replaces: options.files.replaces || options.files.resumes, console)
    try report(outcome, setup, merged, measures, asJSON: isJSON, console)
    return .done
}

/// Texts of as many training samples as were asked for, and says so; none where none were.
private func sample(_ setup: TrainSetup, _ console: Console) throws -> [String] {
    guard let count = setup.options.files.sampleCount else { return [] }
    let sample = try CalibrationSample(setup.samples.samples, setup.data.tokenizer, count: count)
    console.note(
        "\(setup.options.files.output) will hold \(sample.texts.count) of \(setup.samples.samples.count) training samples as text, "
            + "\(NumberText.grouped(sample.tokenCount)) tokens, for merging: whoever gets it can read them")
    return sample.texts
}

private func report(
    _ outcome: TrainOutcome, _ setup: TrainSetup, _ merged: MergeOutcome?, _ measures: RunMeasures, asJSON: Bool, _ console: Console
) throws {
    let path = setup.options.files.output, history = outcome.history
    let first = history.evaluations.first
    // Of what is written.
    let last = setup.options.keepsBest ? history.best : history.evaluations.last
    if setup.options.keepsBest, last?.step == 0 {
        console.warning(
            "the validation loss was never lower than before the first step: \(path) is what the run began with",
            hint: "a lower --lr, or other data")
    }
    if asJSON {
        var document = JSONObject([
            "output": .string(path), "steps": .integer(history.losses.count),
            "output_step": .integer(setup.options.keepsBest ? last?.step ?? 0 : history.losses.count),
            "ended_early": .bool(history.losses.count < setup.run.plan.stepCount),
            "trained_parameters": .integer(setup.model.parameters.elementCount),
            "loss": .double(history.losses.last ?? .nan), "validation_loss_before": .double(first?.loss ?? .nan),
            "validation_loss": .double(last?.loss ?? .nan), "test_loss": .double(outcome.testLoss ?? .nan),
            "tokens": .integer(outcome.tokenCount), "tokens_per_second": .double(outcome.tokensPerSecond),
            "start_seconds": .double(outcome.startSeconds),
            "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
        if let merged { document["merged"] = merged.document }
        return try console.writeJSON(document)
    }
    func text(_ loss: Double?) -> String { loss.map { NumberText.fixed($0, decimals: 4) } ?? "-" }
    let numbers = "\(text(history.losses.first)) -> \(text(history.losses.last))"
    // With two words' distance to both sides, on one line of a terminal.
    let room = console.outputTerminal.isTerminal ? console.outputTerminal.width - numbers.count - 9 : 60
    try console.writeLine("loss  \(Sparkline.text(history.losses, width: min(60, room)))  \(numbers)")
    if let first, let last {
        let place = setup.options.keepsBest ? "after step \(last.step), the lowest, which is written" : "after"
        try console.writeLine("validation loss \(text(first.loss)) before, \(text(last.loss)) \(place)")
    }
    if let test = outcome.testLoss { try console.writeLine("test loss \(text(test)) after") }
    let kind =
        setup.options.isFull
        ? "all weights in f32"
        : "\(NumberText.grouped(setup.model.parameters.elementCount)) parameters of \(setup.model.tunedModules.count) layers"
    try console.writeLine("\(path): \(kind), \(history.losses.count) steps")
    if let merged, let path = setup.options.files.merged { try console.writeLine("\(path): \(merged.line)") }
    console.note(
        "\(NumberText.duration(seconds: measures.seconds)), \(outcome.speed), "
            + "\(NumberText.byteCount(measures.peakMemory)) of memory at most")
}
