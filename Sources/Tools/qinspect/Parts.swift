import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import Parts
import Streaming
import TensorCore
import ToolSupport

extension ParsedArguments {
    /// The option that decides which tensors statistics are of, as it would be typed.
    fileprivate var typedMatch: [String] { string("match").map { ["--match \($0)"] } ?? [] }
}

/// `qinspect check --part`.
func checkPart(_ part: PartNumber, output: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "file"), for: .looking)
    let source = checkpoint.source
    let share = Partition(units: [], of: source, count: part.count).share(of: part)
    let task = try ReportTask(
        part, tool: "qinspect \(toolVersion)", command: "check", options: [], itemCount: source.tensors.count, of: [checkpoint])
    let progress = console.progress("checking", total: share.inputByteCount)
    let resources = try arguments.resources(for: [checkpoint], progress: progress)
    let made = try task.run(output: output, replaces: arguments.flag("force")) {
        let found = try IntegrityCheck(checkpoint, resources: resources).find(in: share.sources)
        return share.sources.map { ($0, found[$0]?.document ?? .null) }
    }
    progress.finish()
    return try tellPart(made.part, wasPresent: made.wasPresent, byteCount: share.inputByteCount, measures, arguments, console)
}

/// `qinspect stats --part`.
func statsPart(_ part: PartNumber, output: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let pattern = try arguments.matchPattern()
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "file"), for: .looking)
    let isIncluded = { (name: String) in pattern?.matches(name) ?? true }
    let progress = console.progress("reading", total: Statistics.byteCount(of: checkpoint, where: isIncluded) / part.count)
    let resources = try arguments.resources(for: [checkpoint], progress: progress)
    let statistics = Statistics(checkpoint, resources: resources, where: isIncluded), units = statistics.parts
    let share = Partition(units: units, of: checkpoint.source, count: part.count).share(of: part)
    let task = try ReportTask(
        part, tool: "qinspect \(toolVersion)", command: "stats", options: arguments.typedMatch, itemCount: units.count, of: [checkpoint])
    let made = try task.run(output: output, replaces: arguments.flag("force")) {
        zip(share.units, try statistics.find(in: share.units)).map { ($0, $1.document) }
    }
    progress.finish()
    let byteCount = share.units.flatMap { units[$0] }.reduce(0) { $0 + checkpoint.source.tensors[$1].byteCount }
    return try tellPart(made.part, wasPresent: made.wasPresent, byteCount: byteCount, measures, arguments, console)
}

// MARK: - Joining

let joinCommand = Command(
    "join", summary: "print the report whose parts 'check' or 'stats' made",
    discussion: """
        Parts are what 'check' and 'stats' write with --part. They may be named in any order, all of them and each once; what is \
        missing is told as a range for 'sbatch --array'. What is printed, and the exit status, are those of one run without --part. \
        Of the model the header is read, where the parts were given it; --match is the one that the parts were made with.
        """,
    arguments: [Argument("part", .oneOrMore, help: "parts of one report: REPORT.part-*")],
    options: [.path("model", "MODEL", help: "the model, where it lies elsewhere now"), .match, .diffable, .json],
    example: "qinspect join stats.part-*", run: join)

/// `qinspect join`.
private func join(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let set = try ReportSet(paths: arguments.positionals("part"))
    guard ["check", "stats"].contains(set.frame.command) else { throw set.otherTool(than: "qinspect") }
    guard arguments.typedMatch.joined(separator: " ") == set.frame.options else {
        throw UsageError(
            "the parts were made \(set.frame.options.isEmpty ? "without --match" : "with '\(set.frame.options)'"), which has to be the same here"
        )
    }
    let path = arguments.string("model") ?? set.models[0]
    let checkpoint = try console.openCheckpoint(path, for: .looking)
    try set.check([checkpoint])
    let resources = try Resources(threadCount: 1)
    switch set.frame.command {
    case "check":
        guard !arguments.flag("diffable") else { throw UsageError("--diffable is for statistics, but these are parts of 'check'") }
        guard set.items.count == checkpoint.source.tensors.count else { throw set.damage(item: checkpoint.source.tensors.count) }
        let tensors = try set.found { IntegrityCheck.Found(document: $1) }
        let report = IntegrityCheck(checkpoint, resources: resources).report(
            of: Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($0, $1) }))
        return try tellIntegrity(report, of: checkpoint, path: path, measures, arguments, console)
    case "stats":
        let pattern = try arguments.matchPattern()
        let statistics = Statistics(checkpoint, resources: resources) { pattern?.matches($0) ?? true }
        guard set.items.count == statistics.parts.count else { throw set.damage(item: statistics.parts.count) }
        return try tellStatistics(
            statistics.report(of: try set.found { statistics.statistics(of: $0, from: $1) }), of: checkpoint, path: path, measures,
            arguments,
            console)
    default: throw set.damage(item: 0)
    }
}
