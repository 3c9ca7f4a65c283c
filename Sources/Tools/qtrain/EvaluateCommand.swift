import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import ModelToolSupport
import Parallelism
import ToolSupport
import Training
import Transformer

/// `qtrain evaluate`.
func evaluate(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "model"), for: .running)
    let loaded = try LoadedModel(checkpoint)
    let named = try arguments.string("adapter").map { try NamedAdapter($0) }
    try named?.passOnWarnings(for: checkpoint, console)
    let adapters = named.map { [(adapter: $0.adapter, factor: $0.weight)] } ?? []
    let rowCount = try loaded.vocabularySize(with: adapters)
    let files = try AdapterTokenizer.files(
        arguments.string("tokenizer").flatMap(AdapterTokenizer.Choice.init), of: adapters.map(\.adapter), base: checkpoint,
        isResized: rowCount != nil, console)
    let data = try TrainingData(loaded, arguments, console, tokenizerFiles: files, rowCount: rowCount)
    let part = DataSplit.Part(rawValue: arguments.string(always: "part")) ?? .test
    let outcome = try data.samples(part, console)
    guard !outcome.samples.isEmpty else {
        throw Failure(
            "\(data.set.path): the \(part.rawValue) split has no \(data.unit) to evaluate",
            hint: "--split and --part choose others; --max-length may cut all there is to learn")
    }
    let inputs = checkpoint.inputFiles + [try InputFile(path: data.set.path)] + (named?.adapter.files ?? [])
    let output = try arguments.string("output").map {
        try AtomicOutput(destination: $0, replaces: arguments.flag("force"), inputs: inputs)
    }
    let resources = ComputeResources(pool: WorkerPool(threadCount: arguments.integer("threads")))
    let weights = try loaded.weights(with: adapters, engine: resources.engine)
    let session = AnswerSession(loaded.configuration, weights, data, resources, answerLimit: arguments.integer(always: "answer-length"))
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
