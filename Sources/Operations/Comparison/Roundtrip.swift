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
        let matched = Matched(source, model)
        return try report(of: find(in: Array(matched.pairs.indices), matched), matched)
    }

    /// Stored tensors of the source and of the model, of each pair that is compared, in the order of the model.
    package static func pairs(source: Checkpoint, model: Checkpoint) -> [(source: [Int], model: [Int])] {
        Matched(source, model).pairs.map { (source.tensors[$0.source].parts, model.tensors[$0.model].parts) }
    }

    /// Compares some of the pairs, named by their indices; in that order.
    package func find(in indices: [Int]) throws -> [RoundtripFinding] { try find(in: indices, Matched(source, model)) }

    /// What is known of all pairs, as a report. Reads nothing.
    package func report(of found: [RoundtripFinding]) -> RoundtripReport { report(of: found, Matched(source, model)) }

    // MARK: - Pairs

    /// What is compared, and what cannot be.
    private struct Matched {
        var pairs: [(source: Int, model: Int)] = []
        var mismatched: [(name: String, source: Shape, model: Shape)] = []
        let missing: [String]
        let extra: [String]

        init(_ source: Checkpoint, _ model: Checkpoint) {
            let matching = TensorMatching(source.tensors, model.tensors, rule: .exactNames)
            for (first, second) in matching.pairs {
                let original = source.tensors[first], tensor = model.tensors[second]
                if original.shape == tensor.shape {
                    pairs.append((first, second))
                } else {
                    mismatched.append((tensor.name, original.shape, tensor.shape))
                }
            }
            missing = matching.onlyInFirst.map { source.tensors[$0].name }.sorted(by: NaturalOrder.precedes)
            extra = matching.onlyInSecond.map { model.tensors[$0].name }.sorted(by: NaturalOrder.precedes)
        }
    }

    private func find(in indices: [Int], _ matched: Matched) throws -> [RoundtripFinding] {
        let pairs = try indices.map { index in
            let (first, second) = matched.pairs[index]
            return try TensorPair(
                source: source, original: source.tensors[first], model: model, tensor: model.tensors[second],
                bits: checksBits ? .conversion : .denseConversion)
        }
        return try PairComparison(pairs: pairs, resources: resources).run { pair, summary in
            RoundtripFinding(
                isQuantized: pair.isQuantized, statistics: summary.statistics, largestBoundShare: summary.largestBoundShare,
                isBitExact: summary.isBitExact)
        }
    }

    private func report(of found: [RoundtripFinding], _ matched: Matched) -> RoundtripReport {
        precondition(found.count == matched.pairs.count, "\(found.count) of \(matched.pairs.count) pairs are known")
        var totals = ErrorStatistics()
        for finding in found where finding.isQuantized { totals.append(finding.statistics) }
        let rows = zip(matched.pairs, found).map { row(of: model.tensors[$0.model], $1) }
        return RoundtripReport(
            rows: rows.sorted(by: Self.precedes), quantizedTotals: totals.elementCount > 0 ? totals.totals : nil,
            missing: matched.missing, extra: matched.extra, mismatched: matched.mismatched, isCalibrated: isCalibrated,
            distillation: model.distillationNote)
    }

    private var isCalibrated: Bool { model.isCalibrated }

    private func row(of tensor: LogicalTensor, _ finding: RoundtripFinding) -> RoundtripReport.Row {
        RoundtripReport.Row(
            name: tensor.name, shape: tensor.shape, typeName: tensor.typeName, isQuantized: finding.isQuantized,
            statistics: finding.statistics.totals, largestBoundShare: isCalibrated ? nil : finding.largestBoundShare,
            isBitExact: finding.isBitExact, isTuned: tuned.contains(tensor.name))
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
