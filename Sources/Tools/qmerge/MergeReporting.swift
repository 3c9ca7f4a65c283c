import Adapters
import Checkpoints
import CommandLineKit
import JSONText
import Merging
import ToolSupport

/// The tensors of which least survived, and all together.
///
/// How a tensor changes and its type are columns only where they are not the same for all: names are long, and a line has
/// 80 characters.
func table(_ report: MergeReport, all: Bool) -> Table {
    let isUniform = commonChange(report) != nil, total = report.flips
    let titles = total == nil ? ["noise", "changed", "rel RMSE"] : ["effect", "error", "changed", "requantized"]
    var table = Table(
        [.init("tensor", canShrink: true)] + (isUniform ? [] : [.init("change"), .init("type")])
            + (["D / W", "survival"] + titles).map { .init($0, .decimal) })
    func cells(
        _ measures: MergeReport.Measures, effect: Double?, error: Double?, requantized: Double?
    ) -> [Table.Cell] {
        func percent(_ value: Double?, decimals: Int = 1) -> Table.Cell {
            .init(value.map { NumberText.percent($0, decimals: decimals) } ?? "-")
        }
        let first = [percent(measures.deltaRatio, decimals: 2), percent(measures.survival)]
        let changed = percent(measures.changedShare, decimals: 2)
        guard total != nil else {
            return first + [percent(measures.noise), changed, .init(NumberText.significant(measures.relativeRMSE, digits: 3))]
        }
        return first + [percent(effect), percent(error), changed, percent(requantized)]
    }
    let rows = all ? report.rows : Array(report.rows.enumerated().sorted(by: precedes).prefix(10).map(\.element))
    for row in rows {
        let name = row.name.hasSuffix(".weight") ? String(row.name.dropLast(".weight".count)) : row.name
        table.addRow(
            [.init(name)] + (isUniform ? [] : [.init(row.change), .init(row.typeName)])
                + cells(row.measures, effect: row.flips?.survival, error: row.flips?.error, requantized: row.flips?.requantized))
    }
    let hidden = report.rows.count - rows.count
    table.addTotal(
        [.init("\(report.rows.count) tensors\(hidden > 0 ? ", \(hidden) not shown" : "")")] + (isUniform ? [] : [.init(""), .init("")])
            + cells(report.total, effect: total?.survival, error: total?.error, requantized: total?.requantized))
    return table
}

/// Change and type of all tensors, where every one has the same.
private func commonChange(_ report: MergeReport) -> String? {
    guard let first = report.rows.first, report.rows.allSatisfy({ $0.change == first.change && $0.typeName == first.typeName }) else {
        return nil
    }
    return "\(first.change), \(first.typeName)"
}

/// Least survival first, NaN before all; equal ones in the order of the report.
private func precedes(_ a: (offset: Int, element: MergeReport.Row), _ b: (offset: Int, element: MergeReport.Row)) -> Bool {
    let (first, second) = (a.element.survival, b.element.survival)
    if first.isNaN != second.isNaN { return first.isNaN }
    return first == second || first.isNaN ? a.offset < b.offset : first < second
}

/// The last line of the text.
func summary(_ outcome: MergeOutcome, _ plan: MergePlan, path: String) -> String {
    var parts = ["\(path): \(NumberText.byteCount(outcome.outputByteCount))"]
    let change = commonChange(outcome.report).map { " (\($0))" } ?? ""
    let kept =
        outcome.report.flips.map { flips in
            "\(NumberText.percent(flips.survival)) of the effect is kept in \(flips.count) flipped ones, \(NumberText.percent(flips.leastSurvival)) at "
                + "least (quantized again \(NumberText.percent(flips.requantized)))"
        } ?? "\(NumberText.percent(outcome.report.total.survival)) of the delta survived"
    parts.append("\(outcome.report.rows.count) tensors changed\(change), \(kept)")
    if let reference = plan.reference { parts.append("merged into the weights of \(reference.path)") }
    if let calibration = outcome.report.calibration {
        parts.append(
            "codes chosen by a text: errors of outputs are \(NumberText.fixed(calibration.ratio, decimals: 2)) of the nearest codes' "
                + "(\(calibration.count) weights, geometric mean)")
    }
    if let undo = outcome.undoByteCount {
        let share = Double(undo) / Double(max(1, outcome.outputByteCount))
        parts.append(
            "undo record \(NumberText.byteCount(undo)) (\(NumberText.percent(share)) of the file\(plan.base.kind == .huggingFace ? "s" : ""))"
        )
    } else {
        parts.append("no undo record")
    }
    return parts.joined(separator: "; ")
}

/// Names the recipe that loses less in this case.
func warn(_ lost: [MergeReport.Row], _ report: MergeReport, _ plan: MergePlan, _ arguments: ParsedArguments, _ console: Console) {
    let limit = NumberText.significant(100 * arguments.number(always: "min-survival"), digits: 6)
    let least = lost.min { $0.survival < $1.survival }
    let which = least.map { ", '\($0.name)' kept \(NumberText.percent($0.survival))" } ?? ""
    let isFourBit = lost.contains { $0.typeName == "NF4" || $0.typeName == "FP4" }
    let reference = plan.reference == nil ? "; --reference SOURCE merges into the weights before quantization" : ""
    let canFlip = plan.form == .qnf && plan.reference == nil && report.flips == nil
    let flips =
        canFlip
        ? "--method flips, best with --calibrate FILE of its training data and --calibrate default, flips codes until nearly all of its effect is "
            + "there; or " : ""
    console.warning(
        report.flips.map { flips in
            "less than \(limit)% of the effect, or of the delta, is there in \(lost.count) of \(report.rows.count) tensors\(which); in those that "
                + "were flipped \(NumberText.percent(flips.survival)) at the mean"
        } ?? "less than \(limit)% of the delta survived in \(lost.count) of \(report.rows.count) tensors\(which); over all "
            + "\(NumberText.percent(report.total.survival)) did",
        hint: isFourBit
            ? "\(flips)keep the adapter beside the base and apply it at run time, or write a dense model with --to bf16\(reference)"
            : "the deltas are small against the steps of the type; --to f32 keeps them")
}

func writeJSON(
    _ outcome: MergeOutcome, _ plan: MergePlan, path: String, lost: Int, _ predictions: MergedPredictions?, _ measures: RunMeasures,
    _ console: Console
) throws {
    func document(_ measures: MergeReport.Measures) -> JSONObject {
        JSONObject([
            "elements": .integer(measures.elementCount), "delta_ratio": .double(measures.deltaRatio),
            "survival": .double(measures.survival),
            "noise": .double(measures.noise), "changed_share": measures.changedShare.map { .double($0) } ?? .null,
            "relative_rmse": .double(measures.relativeRMSE),
        ])
    }
    let rows = outcome.report.rows.map { row -> JSONValue in
        var object = JSONObject(["name": .string(row.name), "change": .string(row.change), "type": .string(row.typeName)])
        for member in document(row.measures).members { object[member.key] = member.value }
        if let calibration = row.calibration {
            object["activation_error"] = .double(calibration.error)
            object["nearest_activation_error"] = .double(calibration.nearestError)
        }
        if let flips = row.flips {
            object["mu"] = .double(flips.mu)
            object["aim"] = .double(flips.aim)
            object["activation_survival"] = .double(flips.survival)
            object["activation_error"] = .double(flips.error)
            object["requantized_survival"] = .double(flips.requantized)
        }
        return .object(object)
    }
    var total = document(outcome.report.total)
    if let calibration = outcome.report.calibration {
        total["calibrated"] = .integer(calibration.count)
        total["activation_error_ratio"] = .double(calibration.ratio)
    }
    if let flips = outcome.report.flips {
        total["flipped"] = .integer(flips.count)
        total["activation_survival"] = .double(flips.survival)
        total["least_activation_survival"] = .double(flips.leastSurvival)
        total["activation_error"] = .double(flips.error)
        total["requantized_survival"] = .double(flips.requantized)
    }
    try console.writeJSON([
        "output": outcome.isWritten ? .string(path) : .null, "bytes": .integer(outcome.outputByteCount),
        "overflowed": .integer(outcome.overflows.reduce(0) { $0 + $1.count }),
        "undo_bytes": outcome.undoByteCount.map { .integer($0) } ?? .null,
        "base": .string(plan.base.path), "base_fingerprint": .string(outcome.baseFingerprint.description),
        "reference": plan.reference.map { .string($0.path) } ?? .null,
        "adapters": .array(
            plan.adapters.map { .object(["path": .string($0.adapter.path), "weight": .double($0.weight)]) }),
        "below_min_survival": .integer(lost), "total": .object(total), "tensors": .array(rows),
        "predictions": predictions?.document ?? .null,
        "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
    ])
}
