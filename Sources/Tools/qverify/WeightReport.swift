import Checkpoints
import CommandLineKit
import Comparison
import Inspection
import JSONText
import Quantization
import ToolSupport

/// Errors of weights, layer by layer.
struct WeightReport {
    private struct Layer {
        let name: String
        var rows: [RoundtripReport.Row] = []

        var elementCount: Int { rows.reduce(0) { $0 + $1.statistics.elementCount } }
        /// Norm of all errors by the norm of all weights.
        var relativeRMSE: Double {
            let error = rows.reduce(0) { $0 + $1.statistics.errorSquareSum }
            return error == 0 ? 0 : (error / rows.reduce(0) { $0 + $1.statistics.referenceSquareSum }).squareRoot()
        }
        var worst: RoundtripReport.Row? { rows.max { $0.relativeRMSE < $1.relativeRMSE } }
        var largestBoundShare: Double? { rows.compactMap(\.largestBoundShare).max() }
    }

    private let report: RoundtripReport
    /// Of what layers put out; nil where nobody asks.
    let outputs: OutputErrors?
    private let layers: [Layer]

    init(_ report: RoundtripReport, _ outputs: OutputErrors?) {
        self.report = report
        self.outputs = outputs
        var byName: [String: Layer] = [:]
        for row in report.rows where row.isQuantized || row.relativeRMSE != 0 {
            let name = LayerListing.layer(of: row.name) ?? "outside of layers"
            byName[name, default: Layer(name: name)].rows.append(row)
        }
        layers = byName.values.sorted { NaturalOrder.precedes($0.name, $1.name) }
    }

    var failures: [String] { roundtripFailures(of: report) }

    func table() -> Table {
        var columns: [Table.Column] = [
            .init("layer", canShrink: true), .init("weights", .right), .init("rel RMSE", .decimal), .init("of bound", .right),
            .init("worst tensor", canShrink: true), .init("rel RMSE", .decimal),
        ]
        if outputs != nil { columns.append(.init("outputs", .decimal)) }
        var table = Table(columns)
        for layer in layers {
            let isNamed = layer.worst.map { layer.name == LayerListing.layer(of: $0.name) } ?? false
            var cells: [Table.Cell] = [
                .init(layer.name), .init(NumberText.grouped(layer.elementCount)), .init(Self.shown(layer.relativeRMSE)),
                .init(layer.largestBoundShare.map { NumberText.percent($0, decimals: 1) } ?? "-"),
                .init(layer.worst.map { String($0.name.dropFirst(isNamed ? layer.name.count + 1 : 0)) } ?? ""),
                .init(layer.worst.map { Self.shown($0.relativeRMSE) } ?? ""),
            ]
            if let outputs { cells.append(.init(outputs.mean(of: layer.rows.map(\.name)).map { Self.shown($0) } ?? "-")) }
            table.addRow(cells)
        }
        if let totals = report.quantizedTotals {
            table.addTotal([
                "all quantized weights", .init(NumberText.grouped(totals.elementCount)), .init(Self.shown(totals.relativeError)),
            ])
        }
        return table
    }

    private static func shown(_ error: Double) -> String { NumberText.fixed(error, decimals: 5) }

    var document: JSONObject {
        func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
        func document(_ row: RoundtripReport.Row) -> JSONValue {
            .object([
                "name": .string(row.name), "type": .string(row.typeName), "relative_rmse": .double(row.relativeRMSE),
                "snr_db": .double(row.statistics.decibels), "cosine": .double(row.statistics.cosineSimilarity),
                "share_of_bound": number(row.largestBoundShare), "output_error": number(outputs?.errors[row.name]),
            ])
        }
        let layers = layers.map { layer -> JSONValue in
            .object([
                "name": .string(layer.name), "weights": .integer(layer.elementCount), "relative_rmse": .double(layer.relativeRMSE),
                "share_of_bound": number(layer.largestBoundShare), "output_error": number(outputs?.mean(of: layer.rows.map(\.name))),
                "tensors": .array(layer.rows.map(document)),
            ])
        }
        return JSONObject([
            "quantized": report.quantizedTotals.map { .object($0.document) } ?? .null, "missing": .strings(report.missing),
            "extra": .strings(report.extra), "mismatched": .strings(report.mismatched.map(\.name)), "layers": .array(layers),
            "unchanged_tensors": .integer(report.rows.count { !$0.isQuantized && $0.relativeRMSE == 0 }),
        ])
    }
}
