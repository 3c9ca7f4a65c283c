import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelToolSupport
import Parallelism
import Records
import ToolSupport
import Training

/// `qtrain evaluate`.
func evaluate(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let options = ModelOptions(
        path: arguments.positional(always: "model"), adapters: arguments.string("adapter").map { [$0] } ?? [],
        tokenizer: arguments.string("tokenizer"), threadCount: arguments.integer("threads"))
    let answerLimit = arguments.integer(always: "answer-length")
    let dataOptions = try DataOptions(arguments)
    let model = try console.openModel(options) { _ in nil }
    let data = try TrainingData(model, dataOptions, console)
    let part = DataSplit.Part(rawValue: arguments.string(always: "part")) ?? .test
    let outcome = try data.samples(part, console)
    guard !outcome.samples.isEmpty else {
        throw Failure(
            "\(data.set.path): the \(part.rawValue) split has no \(data.unit) to evaluate",
            hint: "--split and --part choose others; --max-length may cut all there is to learn")
    }
    let inputs = model.checkpoint.inputFiles + [try InputFile(path: data.set.path)] + model.adapters.flatMap(\.adapter.files)
    let output = try arguments.string("output").map {
        try AtomicOutput(destination: $0, replaces: arguments.flag("force"), inputs: inputs)
    }
    try model.checkMemory(
        positions: AnswerSession.contextLength(model.configuration, data, answerLimit: answerLimit), isExact: true)
    let resources = ComputeResources(pool: WorkerPool(threadCount: options.threadCount))
    let session = AnswerSession(
        model.configuration, try model.weights(engine: resources.engine), data, resources, answerLimit: answerLimit)
    let asked = data.split.indices(part).prefix(arguments.integer("answers") ?? (output == nil ? 0 : .max))
    let progress = console.progress("evaluating", total: outcome.samples.count + asked.count, unit: .items(data.unit))
    let loss = try session.loss(outcome, progress: progress)
    let (answers, unanswerable) = try session.answers(to: asked, progress: progress)
    progress.finish()
    if let first = unanswerable.first {
        console.warning(
            "\(data.set.path): \(unanswerable.count) questions fill the context and leave no room for an answer, first \(first)")
    }
    if let output {
        let file = try output.file()
        try file.write(Array((JSONValue.array(answers.map(\.document)).text(.indented) + "\n").utf8), atOffset: 0)
        try output.commit([file])
    }
    let exact = answers.filter(\.isExact).count
    if arguments.flag("json") {
        try console.writeJSON([
            "part": .string(part.rawValue), "records": .integer(data.split.indices(part).count), "loss": .double(loss.mean),
            "learned_tokens": .integer(loss.count), "answers": .integer(answers.count), "unanswerable": .integer(unanswerable.count),
            "exact": .integer(exact),
        ])
        return .done
    }
    try console.writeLine(
        "\(part.rawValue) split: \(data.split.indices(part).count) \(data.unit), loss \(NumberText.fixed(loss.mean, decimals: 4)) over "
            + "\(NumberText.grouped(loss.count)) tokens")
    if !answers.isEmpty {
        try console.writeLine(
            "answers exactly as expected: \(exact) of \(answers.count) (\(NumberText.percent(Double(exact) / Double(answers.count))))")
    }
    return .done
}
