import ByteIO
import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import Quantization
import TensorCore
import ToolSupport

/// `qinspect tensor`.
func tensor(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let path = arguments.positional(always: "file"), name = arguments.positional(always: "name")
    let selection = try arguments.selection()
    let checkpoint = try console.openTensors(path)
    switch try checkpoint.entry(named: name) {
    case .unreadable(let entry): try show(entry, checkpoint, arguments, console)
    case .tensor(let tensor): try show(tensor, selection, checkpoint, arguments, console)
    }
    return .done
}

private func show(
    _ tensor: LogicalTensor, _ selection: TensorSlice.Selection, _ checkpoint: any NamedTensors, _ arguments: ParsedArguments,
    _ console: Console
) throws {
    let isIncluded = { (name: String) in name.utf8.elementsEqual(tensor.name.utf8) }
    let progress = console.progress("reading", total: Statistics.byteCount(of: checkpoint, where: isIncluded))
    let resources = try arguments.resources(for: [checkpoint], progress: progress)
    let bins = Statistics.Bins(count: arguments.integer(always: "bins"))
    let report = try Statistics(checkpoint, bins: bins, resources: resources, where: isIncluded).run()
    progress.finish()
    warnOfDamage(report, console)
    for statistics in report.tensors {
        // What the slice would be decoded with is damaged, as was just said.
        let isDamaged = if case .damaged = statistics.elements { true } else { false }
        let slice = isDamaged ? nil : try TensorSlice(of: tensor, in: checkpoint, selection)
        if arguments.flag("json") {
            try writeTensorJSON(statistics, slice, checkpoint, console)
        } else {
            try write(statistics, slice, path: arguments.positional(always: "file"), console)
        }
    }
}

/// Strings and other entries without numbers: all that is known of them is what `layers` lists.
private func show(_ entry: UnreadableTensor, _ checkpoint: any NamedTensors, _ arguments: ParsedArguments, _ console: Console) throws {
    if arguments.flag("json") {
        try console.writeJSON([
            "path": .string(checkpoint.path),
            "tensor": .object([
                "name": .string(entry.name), "shape": .array(entry.shape.map { .integer($0) }), "type": .string(entry.typeName),
            ]),
        ])
    } else {
        try console.writeLine("\(arguments.positional(always: "file")): \(entry.name.terminalSafe)")
        try console.writeLine("\(entry.typeName), shape \(entry.shape): its elements are no numbers and are not read")
    }
}

private func write(_ statistics: TensorStatistics, _ slice: TensorSlice?, path: String, _ console: Console) throws {
    let row = statistics.row
    try console.writeLine("\(path): \(row.name.terminalSafe)")
    let type = statistics.blocks == nil ? row.typeName : "\(row.typeName) of \(statistics.scalarType.rawValue)"
    try console.writeLine("\(type), shape \(row.shape), \(NumberText.exactByteCount(row.byteCount))")
    if let slice {
        try console.writeLine()
        try console.write(
            SliceText(
                slice, rank: row.shape.dimensions.count, width: console.outputTerminal.isTerminal ? console.outputTerminal.width : nil
            ).text)
        for block in slice.blocks {
            try console.writeLine()
            try console.write(BlockText(block).text)
        }
    }
    try console.writeLine()
    for line in summaryLines(statistics) { try console.writeLine(line) }
    if let blocks = statistics.blocks {
        try console.writeLine(
            "\n\(console.style.bold("codes")), \(NumberText.fixed(blocks.entropy, decimals: 3)) bits of information in each")
        try console.write(Drawing.table(blocks))
    }
    if let histogram = statistics.reals?.histogram {
        try console.writeLine("\n\(console.style.bold("histogram"))")
        try console.write(Drawing.table(histogram))
    }
}

private func summaryLines(_ statistics: TensorStatistics) -> [String] {
    func text(_ value: Double?) -> String { numberText(value, digits: 6) }
    var lines: [String] = []
    switch statistics.elements {
    case .real(let reals):
        let summary = reals.summary
        guard summary.elementCount > 0 else { return ["no elements"] }
        lines.append("min \(text(summary.minimum)), max \(text(summary.maximum)), absmax \(text(summary.absmax))")
        lines.append("mean \(text(summary.mean)), standard deviation \(text(summary.standardDeviation))")
        lines.append(
            "\(counted(summary.elementCount, "element")): \(countText(summary.zeroCount, of: summary.elementCount, "zero", "zeros")), "
                + "\(countText(reals.outlierCount, of: summary.elementCount, "is", "are")) more than 6 standard deviations from the mean")
        if summary.nonfiniteCount > 0 {
            lines.append(
                "not finite: \(NumberText.grouped(summary.nanCount)) NaN, \(NumberText.grouped(summary.positiveInfinityCount)) +infinity, "
                    + "\(NumberText.grouped(summary.negativeInfinityCount)) -infinity; all else is of the others")
        }
    case .integer(let integers):
        let count = statistics.row.shape.elementCount
        guard let range = integers.range else { return ["no elements"] }
        lines.append("min \(range.lowerBound), max \(range.upperBound)")
        lines.append("\(counted(count, "element")): \(countText(integers.zeroCount, of: count, "zero", "zeros"))")
    case .complex:
        lines.append("\(counted(statistics.row.shape.elementCount, "element")): complex numbers have no order, so there is no range")
    case .damaged: break
    }
    if let blocks = statistics.blocks, let absmax = blocks.absmax {
        let values = [absmax.minimum, absmax.median, absmax.value(at: 99), absmax.maximum].map { text(Double($0)) }
        lines.append(
            "\(counted(blocks.blockCount, "block")): absmax min \(values[0]), median \(values[1]), 99 % \(values[2]), max \(values[3])")
    }
    return lines
}

/// `no zeros`, `1 zero`, `12 zeros (0.03%)`.
private func countText(_ count: Int, of total: Int, _ one: String, _ many: String) -> String {
    if count == 0 { return one == "is" ? "none is" : "no \(many)" }
    let words = "\(NumberText.grouped(count)) \(count == 1 ? one : many)"
    return one == "is" ? words : "\(words) (\(shareText(count, of: total)))"
}
