package import Checkpoints
package import Quantization
package import TensorCore

/// How far a model is from the source it was made of, tensor by tensor.
package struct RoundtripReport: Sendable {
    package struct Row: Sendable {
        package let name: String
        package let shape: Shape
        package let typeName: String
        package let statistics: ErrorStatistics.Totals
        /// Largest error as a share of what the format allows at that element; nil of dense tensors.
        package let largestBoundShare: Double?
        /// Whether the model holds exactly what converting the source gives; nil where that was not asked for.
        package let isBitExact: Bool?

        package var relativeRMSE: Double { statistics.relativeError }
    }

    /// Quantized weights, the worst first; then dense tensors that differ, then those that are equal.
    package let rows: [Row]
    /// Of all quantized weights together.
    package let quantizedTotals: ErrorStatistics.Totals?
    package let missing: [String]
    package let extra: [String]
    package let mismatched: [(name: String, source: Shape, model: Shape)]

    package var isComplete: Bool { missing.isEmpty && extra.isEmpty && mismatched.isEmpty }
    package var isBitExact: Bool { isComplete && rows.allSatisfy { $0.isBitExact ?? false } }
    /// The largest error stays inside what the format allows.
    package var isWithinBound: Bool { rows.allSatisfy { ($0.largestBoundShare ?? 0) <= 1 } }
}

/// Compares a quantized model with its source, streaming both.
package struct Roundtrip: Sendable {
    private let source: Checkpoint
    private let model: Checkpoint
    private let checksBits: Bool
    private let resources: Resources

    /// - Parameter checksBits: also quantize the source again and compare every byte.
    package init(source: Checkpoint, model: Checkpoint, checksBits: Bool, resources: Resources) {
        self.source = source
        self.model = model
        self.checksBits = checksBits
        self.resources = resources
    }

    package func run() throws -> RoundtripReport {
        let matching = TensorMatching(source.tensors, model.tensors, rule: .exactNames)
        var pairs: [TensorPair] = []
        var mismatched: [(name: String, source: Shape, model: Shape)] = []
        for (first, second) in matching.pairs {
            let original = source.tensors[first], tensor = model.tensors[second]
            guard original.shape == tensor.shape else {
                mismatched.append((tensor.name, original.shape, tensor.shape))
                continue
            }
            pairs.append(
                try TensorPair(source: source, original: original, model: model, tensor: tensor, bits: checksBits ? .conversion : .none))
        }
        let summaries = try PairComparison(pairs: pairs, resources: resources).run()
        var totals = ErrorStatistics()
        for (pair, summary) in zip(pairs, summaries) where pair.isQuantized { totals.append(summary.statistics) }
        let rows = zip(pairs, summaries).map { (isQuantized: $0.isQuantized, row: Self.row($0.tensor, $1)) }
        return RoundtripReport(
            rows: rows.sorted { Self.precedes($0, $1) }.map(\.row),
            quantizedTotals: totals.elementCount > 0 ? totals.totals : nil,
            missing: matching.onlyInFirst.map { source.tensors[$0].name }.sorted(by: NaturalOrder.precedes),
            extra: matching.onlyInSecond.map { model.tensors[$0].name }.sorted(by: NaturalOrder.precedes), mismatched: mismatched)
    }

    private static func row(_ tensor: LogicalTensor, _ summary: TensorPair.Summary) -> RoundtripReport.Row {
        RoundtripReport.Row(
            name: tensor.name, shape: tensor.shape, typeName: LayerListing.typeName(of: tensor), statistics: summary.statistics.totals,
            largestBoundShare: summary.largestBoundShare, isBitExact: summary.isBitExact)
    }

    private typealias Judged = (isQuantized: Bool, row: RoundtripReport.Row)

    private static func precedes(_ a: Judged, _ b: Judged) -> Bool {
        if a.isQuantized != b.isQuantized { return a.isQuantized }
        return ErrorOrder.precedes((a.row.relativeRMSE, a.row.name), (b.row.relativeRMSE, b.row.name))
    }
}

/// The largest relative error first, NaN being worse than any number; equal ones by their names.
enum ErrorOrder {
    static func precedes(_ a: (error: Double, name: String), _ b: (error: Double, name: String)) -> Bool {
        if a.error.isNaN != b.error.isNaN { return a.error.isNaN }
        if a.error != b.error, !a.error.isNaN { return a.error > b.error }
        return NaturalOrder.precedes(a.name, b.name)
    }
}
