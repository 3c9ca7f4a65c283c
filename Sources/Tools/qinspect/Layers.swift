import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import TensorCore
import ToolSupport

/// `qinspect layers`.
func layers(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let path = arguments.positional(always: "file")
    let pattern = try arguments.matchPattern()
    let checkpoint = try console.openTensors(path)
    let listing = LayerListing(checkpoint, matching: pattern)
    if arguments.flag("json") {
        try writeJSON(listing, checkpoint, isDiffable: arguments.flag("diffable"), console)
    } else if arguments.flag("diffable") {
        for row in listing.rows {
            try console.writeLine("\(row.name.terminalSafe)\t\(row.shape)\t\(row.typeName)")
        }
        for entry in listing.unreadable {
            try console.writeLine("\(entry.name.terminalSafe)\t\(entry.shape)\t\(entry.typeName)")
        }
    } else {
        try console.writeLine("\(path): \(checkpoint.title)\(modelType(checkpoint))")
        try console.write(table(listing))
        if let note = leftoverNote(listing) { try console.writeLine(note) }
    }
    return .done
}

func modelType(_ checkpoint: any NamedTensors) -> String {
    checkpoint.modelType.map { ", \($0.terminalSafe)" } ?? ""
}

/// What lies beside the weights and is left behind where these are written dense, by kind.
private func leftoverNote(_ listing: LayerListing) -> String? {
    guard !listing.leftovers.isEmpty else { return nil }
    var kinds: [(end: String, count: Int)] = []
    for row in listing.leftovers {
        let end = String(row.name[(row.name.lastIndex(of: ".") ?? row.name.startIndex)...])
        if let place = kinds.firstIndex(where: { $0.end == end }) { kinds[place].count += 1 } else { kinds.append((end, 1)) }
    }
    let listed = kinds.map { "\($0.end.terminalSafe) (\($0.count), \(types(listing, $0.end)))" }.joined(separator: ", ")
    return "left out of exports and of .qnf: \(listed)"
}

private func types(_ listing: LayerListing, _ end: String) -> String {
    var names: [String] = []
    for row in listing.leftovers where row.name.hasSuffix(end) && !names.contains(row.typeName) { names.append(row.typeName) }
    return names.joined(separator: "/")
}

private func table(_ listing: LayerListing) -> Table {
    var table = Table([
        .init("tensor", canShrink: true), .init("shape"), .init("type"), .init("bits", .decimal), .init("bytes", .right),
    ])
    let runs = listing.rows.runs { $0.layer == $1.layer }
    let isGrouped = listing.rows.contains { $0.layer != nil }
    for run in runs {
        if isGrouped, let first = run.first {
            table.addGroup([
                .init(first.layer ?? "outside of layers"), .init(NumberText.grouped(run.reduce(0) { $0 + $1.shape.elementCount })),
                .init(""),
                .init(bits(run)), .init(NumberText.grouped(run.reduce(0) { $0 + $1.byteCount })),
            ])
        }
        for row in run {
            table.addRow([
                .init(row.shortName), .init(row.shape.description), .init(row.typeName), .init(bits([row])),
                .init(NumberText.grouped(row.byteCount)),
            ])
        }
    }
    for entry in listing.unreadable {
        table.addRow([
            .init(entry.name, .dim), .init("\(entry.shape)"), .init(entry.typeName), .init("-"), .init(NumberText.grouped(entry.byteCount)),
        ])
    }
    table.addTotal([
        .init("\(NumberText.grouped(listing.rows.count)) tensors"), .init(NumberText.grouped(listing.elementCount)), .init(""),
        .init(bits(listing.rows)), .init(NumberText.grouped(listing.byteCount)),
    ])
    return table
}

/// Bits an element of these takes on average.
private func bits(_ rows: some Collection<LayerListing.Row>) -> String {
    let elementCount = rows.reduce(0) { $0 + $1.shape.elementCount }
    guard elementCount > 0 else { return "-" }
    return NumberText.fixed(8 * Double(rows.reduce(0) { $0 + $1.byteCount }) / Double(elementCount), decimals: 2)
}

private func writeJSON(_ listing: LayerListing, _ checkpoint: any NamedTensors, isDiffable: Bool, _ console: Console) throws {
    func document(_ row: LayerListing.Row) -> JSONValue {
        var object = JSONObject([
            "name": .string(row.name), "shape": .array(row.shape.dimensions.map { .integer($0) }), "type": .string(row.typeName),
        ])
        if !isDiffable {
            object["bytes"] = .integer(row.byteCount)
            object["bits_per_weight"] = row.bitsPerElement.map { .double($0) } ?? .null
        }
        return .object(object)
    }
    let unreadable = listing.unreadable.map { entry -> JSONValue in
        .object([
            "name": .string(entry.name), "shape": .array(entry.shape.map { .integer($0) }), "type": .string(entry.typeName),
        ])
    }
    let modelType = checkpoint.modelType.map(JSONValue.string) ?? .null
    if isDiffable {
        try console.writeJSON([
            "model_type": modelType, "tensors": .array(listing.rows.map(document)), "unreadable": .array(unreadable),
        ])
    } else {
        try console.writeJSON([
            "path": .string(checkpoint.path), "kind": .string(checkpoint.title), "model_type": modelType,
            "weights": .integer(listing.elementCount), "bytes": .integer(listing.byteCount),
            "tensors": .array(listing.rows.map(document)), "unreadable": .array(unreadable),
            "left_out": .array(listing.leftovers.map(document)),
        ])
    }
}

extension Array {
    /// The longest stretches whose neighbours belong together.
    func runs(_ belongTogether: (Element, Element) -> Bool) -> [ArraySlice<Element>] {
        var runs: [ArraySlice<Element>] = []
        var start = startIndex
        for index in indices where index + 1 == endIndex || !belongTogether(self[index], self[index + 1]) {
            runs.append(self[start...index])
            start = index + 1
        }
        return runs
    }
}
