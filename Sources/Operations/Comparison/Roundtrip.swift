package import Calibration
package import Checkpoints
package import Quantization
package import Streaming
package import TensorCore

/// How far a model is from the source it was made of, tensor by tensor.
package struct RoundtripReport: Sendable {
    package struct Row: Sendable {
        package let name: String
        package let shape: Shape
        package let typeName: String
        /// 4-bit in the model.
        package let isQuantized: Bool
        package let statistics: ErrorStatistics.Totals
        /// Largest error as a share of what the format allows at that element; nil of dense tensors, and where the source is
        /// 4-bit too.
        package let largestBoundShare: Double?
        /// Whether the model holds exactly what converting the source gives; nil of 4-bit weights where that was not asked for.
        package let isBitExact: Bool?
        /// Whether the model's lineage says that this dense tensor was tuned by distillation.
        package let isTuned: Bool

        /// Dense in the model and not said to be tuned, but neither what the source holds nor that in another type.
        package var isChanged: Bool { !isQuantized && !isTuned && isBitExact == false }
        /// A 4-bit weight with an error larger than the format allows.
        package var isBeyondBound: Bool { (largestBoundShare ?? 0) > 1 }

        package var relativeRMSE: Double { statistics.relativeError }
    }

    /// Quantized weights, the worst first; then dense tensors that differ, then those that are equal.
    package let rows: [Row]
    /// Of all quantized weights together.
    package let quantizedTotals: ErrorStatistics.Totals?
    package let missing: [String]
    package let extra: [String]
    package let mismatched: [(name: String, source: Shape, model: Shape)]
    /// Whether the model's codes were chosen by calibration: no bound of single weights holds then.
    package let isCalibrated: Bool
    /// Where constants and norms were tuned after that.
    package let distillation: DistillationNote?

    package var isComplete: Bool { missing.isEmpty && extra.isEmpty && mismatched.isEmpty }
    package var isBitExact: Bool { isComplete && rows.allSatisfy { $0.isBitExact ?? false } }
}

/// Compares a quantized model with its source, streaming both.
package struct Roundtrip: Sendable {
    private let source: Checkpoint
    private let model: Checkpoint
    private let checksBits: Bool
    private let resources: Resources
    /// Names of dense tensors that were tuned.
    private let tuned: Set<String>

    /// - Parameter checksBits: also quantize the source again and compare every byte.
    package init(source: Checkpoint, model: Checkpoint, checksBits: Bool, resources: Resources) {
        self.source = source
        self.model = model
        self.checksBits = checksBits
        self.resources = resources
        tuned = Set(model.distillationNote?.vectors ?? [])
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
                try TensorPair(
                    source: source, original: original, model: model, tensor: tensor,
                    bits: checksBits ? .conversion : .denseConversion))
        }
        let compared = try PairComparison(pairs: pairs, resources: resources).run { pair, summary in
            (row: row(pair, summary), statistics: pair.isQuantized ? [summary.statistics] : [])
        }
        var totals = ErrorStatistics()
        for statistics in compared.lazy.flatMap(\.statistics) { totals.append(statistics) }
        return RoundtripReport(
            rows: compared.map(\.row).sorted(by: Self.precedes), quantizedTotals: totals.elementCount > 0 ? totals.totals : nil,
            missing: matching.onlyInFirst.map { source.tensors[$0].name }.sorted(by: NaturalOrder.precedes),
            extra: matching.onlyInSecond.map { model.tensors[$0].name }.sorted(by: NaturalOrder.precedes), mismatched: mismatched,
            isCalibrated: isCalibrated, distillation: model.distillationNote)
    }

    private var isCalibrated: Bool { model.isCalibrated }

    private func row(_ pair: TensorPair, _ summary: TensorPair.Summary) -> RoundtripReport.Row {
        RoundtripReport.Row(
            name: pair.tensor.name, shape: pair.tensor.shape, typeName: pair.tensor.typeName,
            isQuantized: pair.isQuantized, statistics: summary.statistics.totals,
            largestBoundShare: isCalibrated ? nil : summary.largestBoundShare,
            isBitExact: summary.isBitExact, isTuned: tuned.contains(pair.tensor.name))
    }

    private static func precedes(_ a: RoundtripReport.Row, _ b: RoundtripReport.Row) -> Bool {
        if a.isQuantized != b.isQuantized { return a.isQuantized }
        if a.isChanged != b.isChanged { return a.isChanged }
        return ErrorOrder.precedes((a.relativeRMSE, a.name), (b.relativeRMSE, b.name))
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
