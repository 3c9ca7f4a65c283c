import Adapters
import Checkpoints
import CommandLineKit
import Comparison
import JSONText
import Quantization
import TensorCore
import ToolSupport

/// `qinspect diff`.
func diff(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let pattern = try arguments.matchPattern()
    let first = try console.openTensors(arguments.positional(always: "a"))
    let second = try console.openTensors(arguments.positional(always: "b"))
    let configuration = try configurationDifferences(first, second)
    let progress = console.progress("comparing", total: first.storedByteCount)
    let resources = try arguments.resources(for: [first, second], progress: progress)
    let report = try ModelDiff(first, second, matching: pattern, resources: resources).run()
    progress.finish()
    let comparison = DiffListing(
        first: first, second: second, configuration: configuration, report: report, tolerance: arguments.number("tolerance"),
        listsAll: arguments.flag("all"))
    if arguments.flag("json") {
        try comparison.writeJSON(measures, console)
    } else {
        try comparison.writeText(console)
        console.note(measures.summary(byteCount: first.storedByteCount))
    }
    return comparison.isEqual ? .done : .no
}

/// Of two adapters, what makes equal tensors mean something else; an adapter and a model have nothing to compare.
private func configurationDifferences(_ first: any NamedTensors, _ second: any NamedTensors) throws -> [ConfigurationDifference] {
    let areAdapters = [first, second].map { $0 is AdapterTensors }
    guard areAdapters[0] == areAdapters[1] else {
        let (adapter, model) = areAdapters[0] ? (first, second) : (second, first)
        throw Failure("\(adapter.path) is an adapter, but \(model.path) is a model", hint: "compare adapters with adapters")
    }
    guard areAdapters[0] else { return [] }
    return try Adapter.open(first.path).configuration.differences(from: Adapter.open(second.path).configuration)
}

/// What `qinspect diff` says of two models.
private struct DiffListing {
    let first: any NamedTensors
    let second: any NamedTensors
    /// Of two adapters.
    let configuration: [ConfigurationDifference]
    let report: ModelDiffReport
    /// Nil: bits and types count, too.
    let tolerance: Double?
    let listsAll: Bool

    /// Rows listed of each kind of difference where not all are asked for.
    private static let limit = 10

    var isEqual: Bool { report.isEqual(within: tolerance) && configuration.isEmpty }

    private var differing: [ModelDiffReport.Row] { report.rows.filter { !$0.hasEqualValues } }
    private var recoded: [ModelDiffReport.Row] { report.rows.filter { $0.hasEqualValues && !$0.isIdentical } }
    private var identicalCount: Int { report.rows.count(where: \.isIdentical) }

    // MARK: - Text

    func writeText(_ console: Console) throws {
        for (letter, model) in [("A", first), ("B", second)] {
            let count = NumberText.grouped(model.tensors.count)
            try console.writeLine("\(letter): \(model.path): \(model.title), \(count) tensor\(model.tensors.count == 1 ? "" : "s")")
        }
        for difference in configuration {
            let (a, b) = (difference.first.text(.python), difference.second.text(.python))
            try console.writeLine("\(difference.field): \(a) in A, \(b) in B".terminalSafe)
        }
        try writeStructure(console)
        try writeErrors(console)
        for note in notes { try console.writeLine(note.terminalSafe) }
        try console.writeLine(verdict)
    }

    /// Tensors that only one has, or that have two shapes.
    private func writeStructure(_ console: Console) throws {
        func cell(_ entry: ModelDiffReport.Entry) -> Table.Cell { .init("\(entry.typeName) \(entry.shape)") }
        let kinds: [[[Table.Cell]]] = [
            report.onlyInFirst.map { [.init($0.name), cell($0), "-"] }, report.onlyInSecond.map { [.init($0.name), "-", cell($0)] },
            report.mismatched.map { [.init($0.first.name), cell($0.first), cell($0.second)] },
        ]
        guard kinds.contains(where: { !$0.isEmpty }) else { return }
        var table = Table([.init("tensor", canShrink: true), .init("in A"), .init("in B")])
        for rows in kinds { for row in listsAll ? rows[...] : rows.prefix(Self.limit) { table.addRow(row) } }
        try console.write(table)
        try writeHiddenCount(kinds.reduce(0) { $0 + (listsAll ? 0 : max(0, $1.count - Self.limit)) }, console)
    }

    /// Tensors with other values, the worst first, under the types that they have in A and in B.
    private func writeErrors(_ console: Console) throws {
        let rows = listsAll ? report.rows : Array(differing.prefix(Self.limit))
        guard !rows.isEmpty else { return }
        var table = Table([
            .init("tensor", canShrink: true), .init("rel RMSE", .decimal), .init("max err", .decimal), .init("mean err", .decimal),
            .init("cosine", .decimal), .init("differ", .right),
        ])
        let groups = Dictionary(grouping: rows.indices, by: { Self.types(of: rows[$0]) })
        for (types, indices) in groups.sorted(by: { $0.value[0] < $1.value[0] }) {
            table.addGroup([.init(types)])
            for index in indices { table.addRow(Self.cells(rows[index])) }
        }
        try console.write(table)
        try writeHiddenCount(listsAll ? 0 : differing.count - rows.count, console)
    }

    private static func types(of row: ModelDiffReport.Row) -> String {
        row.hasSameType ? row.first.typeName : "\(row.first.typeName) -> \(row.second.typeName)"
    }

    private static func cells(_ row: ModelDiffReport.Row) -> [Table.Cell] {
        guard let error = row.statistics else {
            return [.init(row.first.name), "-", "-", "-", "-", .init(row.difference.map { share($0, of: row) } ?? "-")]
        }
        return [
            .init(row.first.name), .init(NumberText.significant(error.relativeError, digits: 4)),
            .init(NumberText.significant(error.largestError, digits: 3)), .init(NumberText.significant(error.meanError, digits: 3)),
            .init(NumberText.fixed(error.cosineSimilarity, decimals: 6)), .init(row.difference.map { share($0, of: row) } ?? "-"),
        ]
    }

    /// A few elements are worth their number, many a share: `1`, `98.2%`.
    private static func share(_ difference: ElementDifference, of row: ModelDiffReport.Row) -> String {
        guard difference.differingCount >= 1000 else { return String(difference.differingCount) }
        return NumberText.percent(Double(difference.differingCount) / Double(row.first.shape.elementCount), decimals: 1)
    }

    private func writeHiddenCount(_ count: Int, _ console: Console) throws {
        if count > 0 { try console.writeLine("\(NumberText.grouped(count)) more (--all lists them)") }
    }

    /// What is worth knowing, but no difference by itself.
    private var notes: [String] {
        var notes = report.prefixes.map { prefix, isInFirst, count in
            "names: \(Self.tensors(count)) with the prefix '\(prefix)' in \(isInFirst ? "A" : "B") alone"
        }
        for (types, rows) in Dictionary(grouping: recoded, by: Self.types(of:)).sorted(by: { $0.key < $1.key }) {
            notes.append("equal values: \(Self.tensors(rows.count)), \(types)\(rows[0].hasSameType ? " in other bits" : "")")
        }
        let nonfinite = report.rows.filter { ($0.difference?.equalNonfiniteCount ?? 0) > 0 }
        if let first = nonfinite.first {
            let count = nonfinite.reduce(0) { $0 + ($1.difference?.equalNonfiniteCount ?? 0) }
            notes.append(
                "not finite: \(NumberText.grouped(count)) NaN or infinities, the same in A and B, in \(Self.tensors(nonfinite.count)), "
                    + "the first is '\(first.first.name)'")
        }
        for (letter, model) in [("A", first), ("B", second)] where !model.source.unreadableTensors.isEmpty {
            notes.append("not compared: \(model.source.unreadableTensors.count) entries of \(letter) that hold no numbers")
        }
        return notes
    }

    private var verdict: String {
        let limit = tolerance.map { " within \(NumberText.significant($0, digits: 6))" } ?? ""
        guard isEqual else {
            let listed = differences.map { "\(NumberText.grouped($0.count)) \($0.kind)" }.joined(separator: ", ")
            return "DIFFERENT\(limit): of \(Self.tensors(tensorCount)), \(listed); \(NumberText.grouped(identicalCount)) identical"
        }
        guard let largest = differing.compactMap(\.relativeRMSE).max() else {
            return "EQUAL\(limit): \(Self.tensors(tensorCount)), \(recoded.isEmpty ? "every bit" : "every value")"
        }
        return "EQUAL\(limit): \(Self.tensors(tensorCount)); \(NumberText.grouped(differing.count)) differ, by a relative RMSE of at most "
            + NumberText.significant(largest, digits: 4)
    }

    /// Why the models are not equal, with the number of tensors for each reason.
    private var differences: [(count: Int, kind: String)] {
        let refused = report.rows.filter { !$0.isEqual(within: tolerance) }
        let inValueCount = refused.count { !$0.hasEqualValues }
        let inTypeCount = refused.count { $0.hasEqualValues && !$0.hasSameType }
        let differences = [
            (inValueCount, "in value"), (inTypeCount, "in type only"), (refused.count - inValueCount - inTypeCount, "in bits only"),
            (report.mismatched.count, "in shape"), (report.onlyInFirst.count, "only in A"), (report.onlyInSecond.count, "only in B"),
            (configuration.count, "in configuration"),
        ]
        return differences.filter { $0.0 > 0 }
    }

    private var tensorCount: Int {
        report.rows.count + report.mismatched.count + report.onlyInFirst.count + report.onlyInSecond.count
    }

    private static func tensors(_ count: Int) -> String { "\(NumberText.grouped(count)) tensor\(count == 1 ? "" : "s")" }

    // MARK: - JSON

    func writeJSON(_ measures: RunMeasures, _ console: Console) throws {
        let rows = listsAll ? report.rows : report.rows.filter { !$0.isIdentical }
        try console.writeJSON([
            "a": Self.document(first), "b": Self.document(second), "equal": .bool(isEqual),
            "tolerance": tolerance.map { .double($0) } ?? .null, "identical": .integer(identicalCount),
            "equal_values": .integer(recoded.count), "different": .integer(differing.count),
            "only_in_a": .array(report.onlyInFirst.map(Self.document)), "only_in_b": .array(report.onlyInSecond.map(Self.document)),
            "mismatched": .array(
                report.mismatched.map { .object(["a": Self.document($0.first), "b": Self.document($0.second)]) }),
            "config": .array(
                configuration.map { .object(["field": .string($0.field), "a": $0.first, "b": $0.second]) }),
            "prefixes": .array(
                report.prefixes.map { prefix, isInFirst, count in
                    .object([
                        "prefix": .string(prefix), "only_in": .string(isInFirst ? "a" : "b"), "tensors": .integer(count),
                    ])
                }),
            "tensors": .array(rows.map(Self.document)), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    }

    private static func document(_ checkpoint: any NamedTensors) -> JSONValue {
        .object([
            "path": .string(checkpoint.path), "kind": .string(checkpoint.title), "tensors": .integer(checkpoint.tensors.count),
            "unreadable": .strings(checkpoint.source.unreadableTensors.map(\.name)),
        ])
    }

    private static func document(_ entry: ModelDiffReport.Entry) -> JSONValue {
        .object([
            "name": .string(entry.name), "type": .string(entry.typeName), "shape": .array(entry.shape.dimensions.map { .integer($0) }),
        ])
    }

    private static func document(_ row: ModelDiffReport.Row) -> JSONValue {
        var object = JSONObject([
            "a": document(row.first), "b": document(row.second), "identical": .bool(row.isIdentical),
            "differing": row.difference.map { .integer($0.differingCount) } ?? .null,
            "equal_nonfinite": row.difference.map { .integer($0.equalNonfiniteCount) } ?? .null,
        ])
        for member in row.statistics?.document.members ?? [] { object[member.key] = member.value }
        return .object(object)
    }
}
