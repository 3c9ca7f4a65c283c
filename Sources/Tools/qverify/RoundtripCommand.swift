import Calibration
import Checkpoints
import CommandLineKit
import Comparison
import JSONText
import Quantization
import Streaming
import TensorCore
import ToolSupport

/// `qverify roundtrip`.
func roundtrip(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    if let (part, output) = try arguments.reportPart(without: ["max-rel-rmse", "all"]) {
        return try roundtripPart(part, output: output, arguments, console)
    }
    let measures = RunMeasures()
    let source = try console.openCheckpoint(arguments.positional(always: "source"), for: .computing)
    let model = try console.openCheckpoint(arguments.positional(always: "model"), for: .computing)
    let progress = console.progress("comparing", total: source.storedByteCount)
    let resources = try arguments.resources(for: [source, model], progress: progress)
    let checksBits = arguments.flag("bit-exact")
    for name in ["calibrate", "imatrix"] where arguments.isGiven(name) {
        guard checksBits else { throw UsageError("--\(name) is for --bit-exact, which is not given") }
        guard model.isCalibrated else {
            throw UsageError("--\(name) is for codes that were chosen by it, but \(model.path) has the nearest ones")
        }
    }
    let calibration =
        checksBits && model.isCalibrated ? try CalibrationCheck(source, model, arguments, pool: resources.pool, console) : nil
    var report = try Roundtrip(source: source, model: model, checksBits: checksBits, resources: resources).run()
    progress.finish()
    if let calibration { report = report.with(bits: try calibration.run(console)) }
    return try tellRoundtrip(
        report, checksBits: checksBits, byteCount: source.storedByteCount, measures, arguments, console)
}

/// What is said of a comparison, of one run or joined from parts.
///
/// - Parameter byteCount: of the source.
func tellRoundtrip(
    _ report: RoundtripReport, checksBits: Bool, byteCount: Int, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let failures = failures(of: report, checksBits: checksBits, arguments)
    if arguments.flag("json") {
        try writeJSON(report, failures: failures, measures, console)
    } else {
        let shown = arguments.flag("all") ? report.rows : Array(report.rows.filter { $0.relativeRMSE != 0 }.prefix(10))
        try console.write(table(report, shown))
        let hidden = report.rows.count - shown.count
        if hidden > 0 { try console.writeLine("\(hidden) more, with less error or none (--all lists them)") }
        for failure in failures { try console.writeLine("NOT OK: \(failure.terminalSafe)") }
        if failures.isEmpty { try console.writeLine(verdict(report, checksBits: checksBits)) }
        console.note(measures.summary(byteCount: byteCount))
    }
    return failures.isEmpty ? .done : .no
}

/// Why the answer is no; empty where it is yes.
private func failures(of report: RoundtripReport, checksBits: Bool, _ arguments: ParsedArguments) -> [String] {
    var failures = roundtripFailures(of: report)
    if let limit = arguments.number("max-rel-rmse") {
        failures.add(report.rows.filter { $0.relativeRMSE > limit }.map(\.name), "have a relative RMSE above \(limit)")
    }
    guard checksBits else { return failures }
    guard let note = report.distillation, note.bestStep > 0 else {
        failures.add(report.rows.filter { $0.isBitExact != true }.map(\.name), "are not bit-exact")
        return failures
    }
    let isOther = { (row: RoundtripReport.Row) in row.isBitExact == false && !row.isTuned }
    failures.add(report.rows.filter { isOther($0) && $0.isQuantized }.map(\.name), "have other codes than calibrating gives")
    failures.add(report.rows.filter { isOther($0) && !$0.isQuantized }.map(\.name), "are not bit-exact")
    failures.append(
        "\(note.words), which is not computed again; codes of \(report.rows.count { $0.isQuantized && $0.isBitExact == nil }) weights are "
            + "those that calibrating the source with this text gives")
    return failures
}

/// Why a model is not what its source becomes, whatever limits are set.
func roundtripFailures(of report: RoundtripReport) -> [String] {
    var failures: [String] = []
    failures.add(report.missing, "of the source are missing in the model")
    failures.add(report.extra, "of the model are not in the source")
    failures.add(report.mismatched.map { "\($0.name)' (\($0.source) and \($0.model)) '" }, "differ in shape")
    failures.add(report.rows.filter { $0.relativeRMSE.isNaN }.map(\.name), "hold values that are not finite")
    failures.add(report.rows.filter(\.isBeyondBound).map(\.name), "have errors beyond what the format allows")
    failures.add(report.rows.filter(\.isChanged).map(\.name), "are dense but not what the source holds")
    return failures
}

extension DistillationNote {
    /// What was tuned: `constants of 210 weights and 61 norms were tuned by distillation`.
    fileprivate var words: String { "constants of \(weightCount) weights and \(vectors.count) norms were tuned by distillation" }
}

extension [String] {
    /// Adds that tensors of these names, if any, are not as they should be.
    fileprivate mutating func add(_ names: [String], _ what: String) {
        guard let first = names.first else { return }
        append("\(names.count) tensors \(what), the first is '\(first)'")
    }
}

private func verdict(_ report: RoundtripReport, checksBits: Bool) -> String {
    let bits = checksBits ? "; every byte is what quantizing the source gives" : ""
    if let note = report.distillation, note.bestStep > 0 {
        let largest = report.rows.filter(\.isTuned).map(\.relativeRMSE).max() ?? 0
        return "OK: \(report.rows.count) tensors compared; codes were chosen by calibration, and \(note.words), norms by up to "
            + "\(NumberText.percent(largest, decimals: 1)), so that no bound holds for single weights"
    }
    guard !report.isCalibrated else {
        return "OK: \(report.rows.count) tensors compared; codes were chosen by calibration, so that no bound holds for single weights"
            + (checksBits ? "; every byte is what calibrating the source with this text gives" : "")
    }
    return "OK: \(report.rows.count) tensors compared, all errors within the bound of the format\(bits)"
}

private func table(_ report: RoundtripReport, _ shown: [RoundtripReport.Row]) -> Table {
    var table = Table([
        .init("tensor", canShrink: true), .init("type"), .init("rel RMSE", .decimal), .init("of bound", .right), .init("SNR dB", .decimal),
        .init("cosine", .decimal),
    ])
    func cells(_ name: String, _ type: String, _ totals: ErrorStatistics.Totals, bound: Double?) -> [Table.Cell] {
        [
            .init(name), .init(type), .init(NumberText.significant(totals.relativeError, digits: 4)),
            .init(bound.map { NumberText.percent($0, decimals: 1) } ?? "-"),
            .init(totals.relativeError == 0 ? "exact" : NumberText.fixed(totals.decibels, decimals: 2)),
            .init(NumberText.fixed(totals.cosineSimilarity, decimals: 6)),
        ]
    }
    for row in shown { table.addRow(cells(row.name, row.typeName, row.statistics, bound: row.largestBoundShare)) }
    if let totals = report.quantizedTotals {
        let bound = report.rows.compactMap(\.largestBoundShare).max()
        table.addTotal(cells("all quantized weights", "", totals, bound: bound))
    }
    return table
}

private func writeJSON(_ report: RoundtripReport, failures: [String], _ measures: RunMeasures, _ console: Console) throws {
    let rows = report.rows.map { row -> JSONValue in
        var object = JSONObject([
            "name": .string(row.name), "type": .string(row.typeName), "shape": .array(row.shape.dimensions.map { .integer($0) }),
        ])
        for member in row.statistics.document.members { object[member.key] = member.value }
        object["share_of_bound"] = row.largestBoundShare.map { .double($0) } ?? .null
        object["bit_exact"] = row.isBitExact.map { .bool($0) } ?? .null
        if row.isTuned { object["tuned"] = .bool(true) }
        return .object(object)
    }
    try console.writeJSON([
        "ok": .bool(failures.isEmpty), "failures": .strings(failures), "calibrated": .bool(report.isCalibrated),
        "distillation": report.distillation?.document ?? .null,
        "missing": .strings(report.missing),
        "extra": .strings(report.extra), "mismatched": .strings(report.mismatched.map(\.name)),
        "quantized": report.quantizedTotals.map { .object($0.document) } ?? .null, "tensors": .array(rows),
        "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
    ])
}
