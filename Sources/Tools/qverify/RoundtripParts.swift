import Checkpoints
import CommandLineKit
import Comparison
import Parts
import Streaming
import TensorCore
import ToolSupport

/// `qverify roundtrip --part`.
func roundtripPart(_ part: PartNumber, output: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    for name in ["calibrate", "imatrix"] where arguments.isGiven(name) {
        throw UsageError("--\(name) goes through the whole model, layer after layer, and cannot be done in parts")
    }
    let source = try console.openCheckpoint(arguments.positional(always: "source"), for: .computing)
    let model = try console.openCheckpoint(arguments.positional(always: "model"), for: .computing)
    let checksBits = arguments.flag("bit-exact")
    guard !checksBits || !model.isCalibrated else {
        throw UsageError(
            "--bit-exact of \(model.path) would have to choose its codes by calibration again, which cannot be done in parts",
            hint: "leave --bit-exact out, or run without --part")
    }
    let pairs = Roundtrip.pairs(source: source, model: model)
    let share = Partition(units: pairs.map(\.source), of: source.source, count: part.count).share(of: part)
    let byteCount = share.units.flatMap { pairs[$0].source }.reduce(0) { $0 + source.source.tensors[$1].byteCount }
    let task = try ReportTask(
        part, tool: "qverify \(toolVersion)", command: "roundtrip", options: checksBits ? ["--bit-exact"] : [], itemCount: pairs.count,
        of: [source, model])
    let progress = console.progress("comparing", total: byteCount)
    let resources = try arguments.resources(for: [source, model], progress: progress)
    let roundtrip = Roundtrip(source: source, model: model, checksBits: checksBits, resources: resources)
    let made = try task.run(output: output, replaces: arguments.flag("force")) {
        zip(share.units, try roundtrip.find(in: share.units)).map { ($0, $1.document) }
    }
    progress.finish()
    return try tellPart(made.part, wasPresent: made.wasPresent, byteCount: byteCount, measures, arguments, console)
}

let joinCommand = Command(
    "join", summary: "print the report whose parts 'roundtrip' made",
    discussion: """
        Parts are what 'roundtrip' writes with --part. They may be named in any order, all of them and each once; what is missing is told \
        as a range for 'sbatch --array'. What is printed, and the exit status, are those of one run without --part. Of the models the \
        headers are read, where the parts were given them.
        """,
    arguments: [Argument("part", .oneOrMore, help: "parts of one report: REPORT.part-*")],
    options: [
        .path("source", "SOURCE", help: "the model before quantization, where it lies elsewhere now"),
        .path("model", "MODEL", help: "the model that was judged, likewise"), .maximumRelativeRMSE, .allTensors, .json,
    ],
    example: "qverify join roundtrip.part-* --max-rel-rmse 0.12", run: join)

/// `qverify join`.
private func join(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let set = try ReportSet(paths: arguments.positionals("part"))
    guard set.frame.command == "roundtrip" else { throw set.otherTool(than: "qverify") }
    guard set.models.count == 2 else { throw set.damage(item: 0) }
    let source = try console.openCheckpoint(arguments.string("source") ?? set.models[0], for: .computing)
    let model = try console.openCheckpoint(arguments.string("model") ?? set.models[1], for: .computing)
    try set.check([source, model])
    let checksBits = set.frame.options == "--bit-exact"
    let roundtrip = Roundtrip(source: source, model: model, checksBits: checksBits, resources: try Resources(threadCount: 1))
    let pairCount = Roundtrip.pairs(source: source, model: model).count
    guard set.items.count == pairCount else { throw set.damage(item: pairCount) }
    let report = roundtrip.report(of: try set.found { RoundtripFinding(document: $1) })
    return try tellRoundtrip(
        report, checksBits: checksBits, byteCount: source.storedByteCount, measures, arguments, console)
}
