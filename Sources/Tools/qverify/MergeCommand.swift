import Adapters
import Checkpoints
import CommandLineKit
import JSONText
import Merging
import Streaming
import ToolSupport

/// `qverify merge`.
func verifyMerge(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let base = try console.openCheckpoint(arguments.positional(always: "base"), for: .computing)
    let path = arguments.positional(always: "merged")
    let merged = try console.openCheckpoint(path, for: .computing)
    let adapters = try arguments.positionals("adapter").map { word in
        let named = try AdapterWord(word)
        return WeightedAdapter(try console.openAdapter(named.path), weight: named.weight)
    }
    let reference = try arguments.string("reference").map { try console.openCheckpoint($0, for: .computing) }
    guard let form = MergeVerification.form(of: merged, base: base) else {
        throw OperationError(
            "\(path) is a \(merged.kind.title) of a form that no merge into \(base.path) has",
            hint: "a .qnf of a .qnf, a dense model of a dense one, or one of a single type as --to writes it")
    }
    let plan = try MergePlan(base: base, reference: reference, adapters: adapters, form: form)
    let progress = console.progress("comparing", total: plan.inputByteCount)
    let resources = try arguments.resources(for: [base, merged], progress: progress)
    let report = try MergeVerification(plan, merged: merged, resources: resources).run()
    progress.finish()
    if arguments.flag("json") {
        try console.writeJSON([
            "ok": .bool(report.isEqual), "compared": .integer(report.comparedCount), "compared_bytes": .integer(report.comparedByteCount),
            "differing": .array(
                report.differing.map { .object(["name": .string($0.name), "first_byte": .integer($0.offset)]) }),
            "missing": .strings(report.missing.map(\.name)), "extra": .strings(report.extra), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
        return report.isEqual ? .done : .no
    }
    for row in report.differing.prefix(10) {
        try console.writeLine("'\(row.name.terminalSafe)' differs from byte \(NumberText.grouped(row.offset)) on")
    }
    for row in report.missing.prefix(10) { try console.writeLine("'\(row.name.terminalSafe)' is not there as \(row.expected)") }
    for name in report.extra.prefix(10) { try console.writeLine("'\(name.terminalSafe)' is not what a merge writes") }
    let count = "\(NumberText.grouped(report.comparedCount)) stored tensors, \(NumberText.byteCount(report.comparedByteCount))"
    try console.writeLine(
        report.isEqual
            ? "OK: \(path) is what merging gives, byte for byte; \(count) compared"
            : "NOT OK: \(report.differing.count) differ, \(report.missing.count) are missing, \(report.extra.count) are too many; \(count) compared"
    )
    console.note(measures.summary(byteCount: plan.inputByteCount))
    return report.isEqual ? .done : .no
}
