import CommandLineKit
import Comparison
import Inspection
import TensorCore

/// Errors by layer (rows) and kind of weight (columns), and the scale of their colours.
struct HeatMap {
    struct Kind {
        /// `self_attn.q_proj`.
        let name: String
        /// What is enough to tell it from the others: `q_proj`.
        let label: String
    }

    /// Columns at most; those with most weights are kept.
    private static let limit = 24
    /// Errors that are close together get close colours: the scale spans at least this share of its middle.
    private static let narrowestSpan = 0.08
    /// The order in which the parts of a layer are used; others follow by their names.
    private static let order = [
        "q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn", "o_proj", "out_proj", "dense", "gate_proj", "up_proj",
        "gate_up_proj", "c_fc", "fc1", "down_proj", "fc2", "c_proj",
    ]

    /// Kinds that differ from the source somewhere.
    let kinds: [Kind]
    /// Of the scale.
    let range: ClosedRange<Double>
    /// What is not in the map, in sentences.
    let remarks: [String]
    private let cells: [[ErrorSum?]]

    init(content: ReportContent, rows: [ModelDiffReport.Row]) {
        var sums: [String: [Int: ErrorSum]] = [:]
        var weights: [String: Int] = [:]
        for row in rows where row.statistics != nil {
            guard let layer = LayerListing.layer(of: row.second.name), let band = content.bands.index(ofLayer: layer) else { continue }
            let kind = LayerListing.kind(of: row.second.name, inLayer: layer)
            sums[kind, default: [:]][band, default: ErrorSum()].add(row)
            weights[kind, default: 0] += row.second.shape.elementCount
        }
        let changed = sums.filter { $0.value.values.contains { $0.relativeError != 0 } }.keys
        let kept = changed.sorted { (-(weights[$0] ?? 0), $0) < (-(weights[$1] ?? 0), $1) }.prefix(Self.limit)
        let names = kept.sorted { Self.rank($0) < Self.rank($1) }
        kinds = zip(names, Self.labels(names)).map { Kind(name: $0, label: $1) }
        cells = content.bands.bands.indices.map { band in names.map { sums[$0]?[band] } }
        let errors = cells.joined().compactMap { $0?.relativeError }.filter { $0 > 0 && $0.isFinite }
        range = Self.range(from: errors.min() ?? 0, to: errors.max() ?? 1)
        remarks = Self.remarks(sums.keys.filter { !changed.contains($0) }, hiddenCount: changed.count - kept.count)
    }

    func cell(band: Int, kind: Int) -> ErrorSum? { cells[band][kind] }

    func hasCells(inBand band: Int) -> Bool { cells[band].contains { $0 != nil } }

    var hasExactCells: Bool { cells.joined().contains { $0?.relativeError == 0 } }

    /// Of the colours, 0 for the smallest error; what is not finite is the largest.
    func step(of error: Double) -> Int {
        let last = Palette.heatStepCount - 1
        guard error.isFinite, range.upperBound > range.lowerBound else { return last }
        let share = (error - range.lowerBound) / (range.upperBound - range.lowerBound)
        return max(0, min(last, Int(share * Double(Palette.heatStepCount))))
    }

    private static func range(from smallest: Double, to largest: Double) -> ClosedRange<Double> {
        let middle = (smallest + largest) / 2, half = max(largest - smallest, narrowestSpan * middle) / 2
        return middle - half...middle + half
    }

    private static func remarks(_ exact: [String], hiddenCount: Int) -> [String] {
        var remarks: [String] = []
        if !exact.isEmpty {
            let shown = exact.sorted().prefix(12).joined(separator: ", ")
            remarks.append("The same values in every layer: \(shown)\(exact.count > 12 ? ", and \(exact.count - 12) more kinds" : "").")
        }
        if hiddenCount > 0 { remarks.append("\(NumberText.grouped(hiddenCount)) smaller kinds of weight are left out.") }
        return remarks
    }

    /// Attention before the rest, then the order of use, then names.
    private static func rank(_ kind: String) -> (Int, Int, String) {
        let last = kind.split(separator: ".").last.map(String.init) ?? kind
        let isAttention = kind.contains("attn") || kind.contains("attention")
        return (isAttention ? 0 : 1, order.firstIndex(of: last) ?? order.count, kind)
    }

    /// The last part of each name where no other has the same, else the whole.
    private static func labels(_ names: [String]) -> [String] {
        let last = names.map { $0.split(separator: ".").last.map(String.init) ?? $0 }
        let counts = Dictionary(last.map { ($0, 1) }, uniquingKeysWith: +)
        return zip(names, last).map { counts[$1] == 1 ? $1 : $0 }
    }
}
