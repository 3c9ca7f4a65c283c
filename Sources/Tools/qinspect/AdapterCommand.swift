import Adapters
import CommandLineKit
import Inspection
import JSONText
import Streaming
import ToolSupport

/// `qinspect adapter`.
func adapter(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let adapter = try console.openAdapter(arguments.positional(always: "adapter"))
    let listing = try AdapterListing(adapter, resources: try Resources(threadCount: arguments.integer("threads")))
    if arguments.flag("json") {
        try writeJSON(listing, console)
    } else {
        try writeSummary(listing, console)
        try console.write(table(listing))
    }
    return .done
}

private func writeSummary(_ listing: AdapterListing, _ console: Console) throws {
    let adapter = listing.adapter, configuration = adapter.configuration
    try console.writeLine("\(adapter.path): LoRA adapter, \(adapter.form.rawValue)")
    func line(_ title: String, _ text: String?) throws {
        if let text { try console.writeLine("  \(title.padded(to: 15)) \(text.terminalSafe)") }
    }
    try line("trained on", configuration.baseModelName)
    try line("fingerprint", adapter.baseFingerprint)
    try line("written by", adapter.tool)
    let sample = adapter.sample
    try line(
        "holds",
        sample.isEmpty
            ? nil
            : "\(sample.count) training samples as text, \(NumberText.byteCount(sample.reduce(0) { $0 + $1.utf8.count })), for merging")
    try line("target modules", configuration.targetModules.isEmpty ? nil : configuration.targetModules.joined(separator: ", "))
    for (index, form) in listing.forms.enumerated() {
        let count = listing.forms.count == 1 ? "" : ", \(form.count) module\(form.count == 1 ? "" : "s")"
        let rule = configuration.usesRankStabilization ? " = alpha / sqrt(rank)" : ""
        try line(
            index == 0 ? "rank" : "",
            "\(form.rank), lora_alpha \(decimal(form.alpha)), scaling \(decimal(form.scaling))\(rule)\(count)")
    }
    let extras = extras(of: configuration)
    try line("besides", extras.isEmpty ? nil : extras.joined(separator: ", "))
}

/// What goes beyond the two factors.
private func extras(of configuration: AdapterConfiguration) -> [String] {
    var extras: [String] = []
    if configuration.usesDoRA { extras.append("use_dora") }
    if configuration.hasLoRABias { extras.append("lora_bias") }
    if configuration.bias != .none { extras.append("bias \(configuration.bias.rawValue)") }
    if !configuration.modulesToSave.isEmpty { extras.append("modules_to_save \(configuration.modulesToSave.joined(separator: ", "))") }
    if configuration.tokenIndices != nil { extras.append("trainable_token_indices") }
    return extras
}

private func table(_ listing: AdapterListing) -> Table {
    var table = Table([
        .init("module", canShrink: true), .init("weight"), .init("rank", .right), .init("scaling", .decimal), .init("|A|", .decimal),
        .init("|B|", .decimal), .init("|delta|", .decimal), .init("trained", .right),
    ])
    let runs = listing.rows.runs { $0.layer == $1.layer }
    let isGrouped = listing.rows.contains { $0.layer != nil }
    for run in runs {
        if isGrouped, let first = run.first {
            let deltas = run.compactMap { $0.norms?.delta }
            let delta = deltas.isEmpty ? "-" : decimal(deltas.reduce(0) { $0 + $1 * $1 }.squareRoot())
            table.addGroup([
                .init(first.layer ?? "outside of layers"), "", "", "", "", "", .init(delta),
                .init(NumberText.grouped(run.reduce(0) { $0 + $1.module.trainedCount })),
            ])
        }
        for row in run { table.addRow(cells(row)) }
    }
    table.addTotal([
        .init("\(NumberText.grouped(listing.rows.count)) change\(listing.rows.count == 1 ? "" : "s")"), "", "", "", "", "",
        .init(decimal(listing.deltaNorm)), .init(NumberText.grouped(listing.adapter.trainedCount)),
    ])
    return table
}

private func cells(_ row: AdapterListing.Row) -> [Table.Cell] {
    let trained = Table.Cell(NumberText.grouped(row.module.trainedCount))
    guard let update = row.module.update, let norms = row.norms else {
        return [.init("\(row.shortName) (\(row.module.word))"), .init(row.module.shapeText), "-", "-", "-", "-", "-", trained]
    }
    let kind = row.module.word == "linear" ? "" : " (\(row.module.word))"
    return [
        .init(row.shortName + kind), .init(row.module.shapeText), .init(String(update.rank)), .init(decimal(update.scaling)),
        .init(decimal(norms.a)), .init(decimal(norms.b)), .init(decimal(norms.delta)), trained,
    ]
}

private func decimal(_ value: Double) -> String { NumberText.significant(value, digits: 4) }

extension AdapterModule {
    /// What is changed, in a word: `linear`, `embedding`, `bias`, `rows`.
    fileprivate var word: String {
        switch change {
        case .linear: "linear"
        case .embedding: "embedding"
        case .replacement(let parameter, _): parameter == "weight" ? "replaced" : "replaced \(parameter)"
        case .experts: "all experts"
        case .rows(_, let indices): "\(indices.count) row\(indices.count == 1 ? "" : "s") replaced"
        }
    }

    /// Shape of the weight that is changed, as [out, in]; of replaced parts, that of the replacement; of experts, that of each.
    fileprivate var shapeDimensions: [Int] {
        switch change {
        case .linear(let update): [update.outputCount, update.inputCount]
        case .embedding(let update): [update.inputCount, update.outputCount]
        case .replacement(_, let tensor), .rows(let tensor, _): tensor.dimensions
        case .experts(let update): [update.b.dimensions[0], update.a.dimensions[1]]
        }
    }

    fileprivate var shapeText: String { "\(shapeDimensions)" }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

private func writeJSON(_ listing: AdapterListing, _ console: Console) throws {
    let adapter = listing.adapter
    try console.writeJSON([
        "path": .string(adapter.path), "form": .string(adapter.form.rawValue),
        "base": adapter.configuration.baseModelName.map { .string($0) } ?? .null,
        "base_fingerprint": adapter.baseFingerprint.map { .string($0) } ?? .null,
        "calibration_sample": .integer(adapter.sample.count), "tool": adapter.tool.map { .string($0) } ?? .null,
        "bytes": .integer(adapter.storedByteCount),
        "trained": .integer(adapter.trainedCount), "delta_norm": .double(listing.deltaNorm),
        "modules": .array(listing.rows.map(document)), "config": .object(adapter.configuration.document),
        "warnings": .strings(adapter.warnings),
    ])
}

private func document(_ row: AdapterListing.Row) -> JSONValue {
    var object = JSONObject([
        "name": .string(row.module.name), "change": .string(row.module.word), "parameter": .string(row.module.parameterName),
        "shape": .array(row.module.shapeDimensions.map { .integer($0) }), "trained": .integer(row.module.trainedCount),
    ])
    if let update = row.module.update, let norms = row.norms {
        object["rank"] = .integer(update.rank)
        object["lora_alpha"] = .double(update.alpha)
        object["scaling"] = .double(update.scaling)
        object["norm_a"] = .double(norms.a)
        object["norm_b"] = .double(norms.b)
        object["norm_delta"] = .double(norms.delta)
    }
    return .object(object)
}
