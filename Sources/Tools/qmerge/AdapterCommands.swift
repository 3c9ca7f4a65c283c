import AdapterAlgebra
import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ToolSupport

/// `qmerge --combine METHOD ADAPTER... -o OUTPUT`.
func combine(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let path = arguments.string(always: "output")
    let name = arguments.string("combine") ?? ""
    let words = try arguments.positionals("input").map { word throws(UsageError) in try AdapterWord(word) }
    let rank = arguments.integer("rank")
    guard (name == "svd") == (rank != nil) else {
        throw UsageError(
            name == "svd" ? "--combine svd needs a --rank" : "--rank is for --combine svd; \(name) has the rank of its adapters")
    }
    try requireLoRA(path)
    for word in words where !Adapter.isPresent(at: word.path) && FilePath.kind(of: word.path) != .missing {
        throw UsageError(
            "--combine makes an adapter of adapters, but \(word.path) is none",
            hint: "to merge several into a base, name them after it without --combine: they are added up exactly")
    }
    let adapters = try words.map { WeightedAdapter(try console.openAdapter($0.path), weight: $0.weight) }
    let method: AdapterCombination.Method = rank.map { .svd(rank: $0) } ?? (name == "cat" ? .cat : .linear)
    let combination = try AdapterCombination(adapters, method: method)
    guard !arguments.flag("dry-run") else {
        return try describe(path, moduleCount: combination.moduleCount, rank: rank, arguments, console)
    }
    let progress = console.progress("combining", total: combination.moduleCount)
    let rows = try combination.run(path: path, replaces: arguments.flag("force"), tool: "qmerge \(toolVersion)") {
        progress.advance(by: $0)
    }
    progress.finish()
    let shown = rows.map { (module: $0.module, rank: Optional($0.rank), ratio: Double?.none, energy: $0.keptEnergy) }
    try report(shown, path: path, hasBase: false, measures, arguments, console)
    return .done
}

/// `qmerge --extract BASE TUNED --rank R -o OUTPUT`.
func extract(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let inputs = arguments.positionals("input"), path = arguments.string(always: "output")
    guard inputs.count == 2 else { throw UsageError("--extract takes two models, BASE and TUNED, but \(inputs.count) are named") }
    guard let rank = arguments.integer("rank") else { throw UsageError("--extract needs a --rank") }
    try requireLoRA(path)
    let base = try console.openCheckpoint(inputs[0], for: .computing), tuned = try console.openCheckpoint(inputs[1], for: .computing)
    let progress = console.progress("extracting", total: base.tensors.count)
    let resources = try arguments.resources(for: [base, tuned], progress: progress)
    let extraction = try AdapterExtraction(base: base, tuned: tuned, rank: rank, resources: resources)
    if !extraction.leftOut.isEmpty {
        progress.finish()
        return try refuse(extraction.leftOut, path, arguments, console)
    }
    guard !arguments.flag("dry-run") else {
        progress.finish()
        return try describe(path, moduleCount: extraction.moduleCount, rank: rank, arguments, console)
    }
    let rows = try extraction.run(path: path, replaces: arguments.flag("force"), tool: "qmerge \(toolVersion)")
    progress.finish()
    let shown = rows.map { (module: $0.module, rank: $0.rank, ratio: $0.deltaRatio, energy: Optional($0.keptEnergy)) }
    try report(shown, path: path, hasBase: true, measures, arguments, console)
    return .done
}

/// An adapter that lacks something does not lead to the tuned model, so none is written.
private func refuse(
    _ leftOut: [(name: String, reason: String)], _ path: String, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    if arguments.flag("json") {
        try console.writeJSON(["output": .null, "left_out": .strings(leftOut.map(\.name))])
    } else {
        for item in leftOut.prefix(10) {
            try console.writeLine("'\(item.name.terminalSafe)' differs, and has no place in an adapter: \(item.reason.terminalSafe)")
        }
    }
    console.warning(
        "\(leftOut.count == 1 ? "1 tensor that differs has" : "\(leftOut.count) tensors that differ have") no place in an adapter, so "
            + "\(path) would not lead to the tuned model and is not written",
        hint: "keep the tuned model; an adapter holds weights, biases, norms, embeddings and heads of modules that the base has")
    return .no
}

/// What `--dry-run` prints.
private func describe(
    _ path: String, moduleCount: Int, rank: Int?, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "modules": .integer(moduleCount), "rank": rank.map { .integer($0) } ?? .null,
        ])
    } else {
        let limit = rank.map { ", rank \($0) at most" } ?? ""
        try console.writeLine("\(path) would be an adapter of \(moduleCount) modules\(limit)")
    }
    return .done
}

private func requireLoRA(_ path: String) throws(UsageError) {
    guard path.hasSuffix(".lora") else {
        throw UsageError(
            "an adapter is written as a .lora file, but '\(path)' does not end so", hint: "qconvert to-peft makes a PEFT folder of it")
    }
}

private func report(
    _ rows: [(module: String, rank: Int?, ratio: Double?, energy: Double?)], path: String, hasBase: Bool, _ measures: RunMeasures,
    _ arguments: ParsedArguments, _ console: Console
) throws {
    let byteCount = try InputFile(path: path).byteCount
    guard !arguments.flag("json") else {
        let modules = rows.map { row -> JSONValue in
            .object([
                "module": .string(row.module), "rank": row.rank.map { .integer($0) } ?? .null,
                "delta_ratio": row.ratio.map { .double($0) } ?? .null,
                "kept_energy": row.energy.map { .double($0) } ?? .null,
                "relative_error": row.energy.map { .double((1 - $0).squareRoot()) } ?? .null,
            ])
        }
        return try console.writeJSON([
            "output": .string(path), "bytes": .integer(byteCount), "modules": .array(modules), "left_out": .array([]),
            "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
    }
    var table = Table(
        [.init("module", canShrink: true), .init("rank", .right)] + (hasBase ? [.init("D / W", .decimal)] : []) + [
            .init("energy kept", .decimal), .init("rel error", .decimal),
        ])
    for row in rows {
        let ratio = row.ratio.map { NumberText.percent($0, decimals: 2) } ?? "-"
        table.addRow(
            [.init(row.module), .init(row.rank.map { String($0) } ?? "whole")] + (hasBase ? [.init(ratio)] : []) + [
                .init(row.energy.map { NumberText.percent($0, decimals: 2) } ?? "-"),
                .init(row.energy.map { NumberText.significant((1 - $0).squareRoot(), digits: 3) } ?? "-"),
            ])
    }
    try console.write(table)
    try console.writeLine("\(path): an adapter of \(rows.count) modules, \(NumberText.byteCount(byteCount))")
}
