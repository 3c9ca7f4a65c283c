import ByteIO
import Checkpoints
import CommandLineKit
import Inspection
import Quantization
import Streaming
import TensorCore
import ToolSupport

/// `qinspect stats`.
func stats(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    if let (part, output) = try arguments.reportPart(without: ["diffable"]) {
        return try statsPart(part, output: output, arguments, console)
    }
    let measures = RunMeasures()
    let path = arguments.positional(always: "file")
    let pattern = try arguments.matchPattern()
    let checkpoint = try console.openTensors(path)
    let isIncluded = { (name: String) in pattern?.matches(name) ?? true }
    let progress = console.progress("reading", total: Statistics.byteCount(of: checkpoint, where: isIncluded))
    let resources = try arguments.resources(for: [checkpoint], progress: progress)
    let report = try Statistics(checkpoint, resources: resources, where: isIncluded).run()
    progress.finish()
    return try tellStatistics(report, of: checkpoint, path: path, measures, arguments, console)
}

/// What is said of statistics, of one run or joined from parts.
func tellStatistics(
    _ report: StatisticsReport, of checkpoint: any NamedTensors, path: String, _ measures: RunMeasures, _ arguments: ParsedArguments,
    _ console: Console
) throws -> ExitCode {
    warnOfDamage(report, console)
    if arguments.flag("json") {
        try writeStatisticsJSON(report, checkpoint, isDiffable: arguments.flag("diffable"), measures, console)
    } else if arguments.flag("diffable") {
        for tensor in report.tensors { try console.writeLine(diffableLine(tensor)) }
        for entry in report.unreadable { try console.writeLine("\(entry.name.terminalSafe)\t\(entry.shape)\t\(entry.typeName)") }
    } else {
        try console.writeLine("\(path): \(checkpoint.title)\(modelType(checkpoint))")
        try console.write(elementTable(report))
        if report.tensors.contains(where: { $0.blocks != nil }) {
            try console.writeLine()
            try console.write(blockTable(report))
        }
        console.note(measures.summary(byteCount: report.byteCount))
    }
    return .done
}

func warnOfDamage(_ report: StatisticsReport, _ console: Console) {
    for case .damaged(let error) in report.tensors.map(\.elements) { console.warning(error.description, hint: error.hint) }
}

/// Name, shape, type and the measures, each with 6 digits, between tabs.
private func diffableLine(_ tensor: TensorStatistics) -> String {
    var fields = [tensor.row.name.terminalSafe, tensor.row.shape.description, tensor.row.typeName]
    switch tensor.elements {
    case .real(let reals):
        let summary = reals.summary
        fields += [summary.minimum, summary.maximum, summary.mean, summary.standardDeviation].map { numberText($0, digits: 6) }
        fields += [summary.zeroCount, summary.nonfiniteCount, reals.outlierCount].map(String.init)
    case .integer(let integers):
        fields += [integers.range.map { "\($0.lowerBound)" } ?? "-", integers.range.map { "\($0.upperBound)" } ?? "-", "-", "-"]
        fields.append(String(integers.zeroCount))
    case .complex, .damaged: break
    }
    return fields.joined(separator: "\t")
}

/// At most so many digits; `-` where there is no number.
func numberText(_ value: Double?, digits: Int) -> String { value.map { NumberText.significant($0, digits: digits) } ?? "-" }

// MARK: - Elements

private func elementTable(_ report: StatisticsReport) -> Table {
    let hasNonfinite = report.tensors.contains { ($0.reals?.summary.nonfiniteCount ?? 0) > 0 }
    var table = Table(
        [
            .init("tensor", canShrink: true), .init("min", .decimal), .init("max", .decimal), .init("mean", .decimal),
            .init("std", .decimal),
            .init("zeros", .right), .init(">6 std", .right),
        ] + (hasNonfinite ? [.init("NaN/Inf", .right)] : []))
    addRows(report.tensors, to: &table) { elementCells($0) + (hasNonfinite ? [nonfiniteCell([$0])] : []) }
    for entry in report.unreadable { table.addRow([.init(entry.name, .dim), .init(entry.typeName, .dim)]) }
    let reals = report.tensors.compactMap(\.reals)
    let zeroCount = reals.reduce(0) { $0 + $1.summary.zeroCount }, finiteCount = reals.reduce(0) { $0 + $1.summary.finiteCount }
    table.addTotal(
        [
            .init(counted(report.tensors.count, "tensor")), .init(numberText(reals.compactMap(\.summary.minimum).min(), digits: 3)),
            .init(numberText(reals.compactMap(\.summary.maximum).max(), digits: 3)), .init(""), .init(""),
            .init(shareText(zeroCount, of: finiteCount)), .init(NumberText.grouped(reals.reduce(0) { $0 + $1.outlierCount })),
        ] + (hasNonfinite ? [nonfiniteCell(report.tensors)] : []))
    return table
}

private func elementCells(_ tensor: TensorStatistics) -> [Table.Cell] {
    switch tensor.elements {
    case .real(let reals):
        let summary = reals.summary
        return [summary.minimum, summary.maximum, summary.mean, summary.standardDeviation].map { .init(numberText($0, digits: 3)) } + [
            .init(shareText(summary.zeroCount, of: summary.finiteCount)),
            .init(reals.outlierCount == 0 ? "-" : NumberText.grouped(reals.outlierCount)),
        ]
    case .integer(let integers):
        let ends = integers.range.map { ["\($0.lowerBound)", "\($0.upperBound)"] } ?? ["-", "-"]
        return (ends + ["-", "-", shareText(integers.zeroCount, of: tensor.row.shape.elementCount), "-"]).map { .init($0) }
    case .complex, .damaged: return Array(repeating: .init("-", .dim), count: 6)
    }
}

private func nonfiniteCell(_ tensors: [TensorStatistics]) -> Table.Cell {
    let count = tensors.reduce(0) { $0 + ($1.reals?.summary.nonfiniteCount ?? 0) }
    return count == 0 ? .init("-") : .init(NumberText.grouped(count), .red)
}

/// In percent, with two digits where it is small; `-` where there are none.
func shareText(_ count: Int, of total: Int) -> String {
    guard count > 0, total > 0 else { return "-" }
    let share = Double(count) / Double(total)
    if count == total { return "100%" }
    return share < 0.00005 ? "<.01%" : NumberText.percent(share, decimals: share < 0.0995 ? 2 : 1)
}

// MARK: - 4-bit blocks

private func blockTable(_ report: StatisticsReport) -> Table {
    var table = Table([
        .init("4-bit tensor", canShrink: true), .init("entropy", .decimal), .init("0 code", .right), .init("absmax min", .decimal),
        .init("median", .decimal), .init("99 %", .decimal), .init("max", .decimal),
    ])
    let tensors = report.tensors.filter { $0.blocks != nil }
    addRows(tensors, to: &table) { tensor in
        guard let blocks = tensor.blocks else { return [] }
        return usageCells(blocks.codeCounts, zeroShare: blocks.zeroCodeShare)
            + [blocks.absmax?.minimum, blocks.absmax?.median, blocks.absmax?.value(at: 99), blocks.absmax?.maximum].map {
                .init(numberText($0.map(Double.init), digits: 3))
            }
    }
    let all = tensors.compactMap(\.blocks)
    let counts = all.reduce(into: [UInt64](repeating: 0, count: 16)) { sums, blocks in
        for code in sums.indices { sums[code] += blocks.codeCounts[code] }
    }
    let total = Double(counts.reduce(0, +))
    let zeroShare = all.reduce(0) { $0 + $1.zeroCodeShare * Double($1.codeCounts.reduce(0, +)) } / max(total, 1)
    table.addTotal(
        [.init(counted(tensors.count, "tensor"))] + usageCells(counts, zeroShare: zeroShare) + [
            .init(numberText(all.compactMap { $0.absmax.map { Double($0.minimum) } }.min(), digits: 3)), .init(""), .init(""),
            .init(numberText(all.compactMap { $0.absmax.map { Double($0.maximum) } }.max(), digits: 3)),
        ])
    return table
}

private func usageCells(_ counts: [UInt64], zeroShare: Double) -> [Table.Cell] {
    [.init(NumberText.fixed(CodeUsage.entropy(of: counts), decimals: 3)), .init(NumberText.percent(zeroShare))]
}

/// Rows in groups by layer, where there are layers.
private func addRows(_ tensors: [TensorStatistics], to table: inout Table, _ cells: (TensorStatistics) -> [Table.Cell]) {
    let isGrouped = tensors.contains { $0.row.layer != nil }
    for run in tensors.runs({ $0.row.layer == $1.row.layer }) {
        if isGrouped, let first = run.first { table.addGroup([.init(first.row.layer ?? "outside of layers")]) }
        for tensor in run { table.addRow([.init(tensor.row.shortName)] + cells(tensor)) }
    }
}

/// `1 tensor`, `1,234 tensors`.
func counted(_ count: Int, _ noun: String) -> String { "\(NumberText.grouped(count)) \(noun)\(count == 1 ? "" : "s")" }
