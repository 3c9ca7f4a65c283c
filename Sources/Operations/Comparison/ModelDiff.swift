package import Checkpoints
import Quantization
package import Streaming

/// Compares two models, whatever their formats, streaming both.
package struct ModelDiff: Sendable {
    private let first: any NamedTensors
    private let second: any NamedTensors
    private let pattern: NamePattern?
    private let resources: Resources

    /// - Parameter pattern: only tensors whose name in either model matches.
    package init(_ first: any NamedTensors, _ second: any NamedTensors, matching pattern: NamePattern? = nil, resources: Resources) {
        self.first = first
        self.second = second
        self.pattern = pattern
        self.resources = resources
    }

    package func run() throws -> ModelDiffReport {
        let matching = TensorMatching(first.tensors, second.tensors, rule: .optionalPrefixes)
        var pairs: [TensorPair] = []
        var mismatched: [ModelDiffReport.Mismatch] = []
        for (a, b) in matching.pairs where isIncluded(first.tensors[a].name, second.tensors[b].name) {
            let original = first.tensors[a], tensor = second.tensors[b]
            if original.shape == tensor.shape {
                pairs.append(
                    try TensorPair(source: first, original: original, model: second, tensor: tensor, bits: .identity))
            } else {
                mismatched.append(.init(first: .init(original), second: .init(tensor)))
            }
        }
        let rows = try PairComparison(pairs: pairs, resources: resources).run(Self.row)
        func entries(_ indices: [Int], of checkpoint: any NamedTensors) -> [ModelDiffReport.Entry] {
            indices.map { .init(checkpoint.tensors[$0]) }.filter { isIncluded($0.name) }
                .sorted { NaturalOrder.precedes($0.name, $1.name) }
        }
        return ModelDiffReport(
            rows: rows.sorted { ErrorOrder.precedes(($0.severity, $0.first.name), ($1.severity, $1.first.name)) },
            onlyInFirst: entries(matching.onlyInFirst, of: first), onlyInSecond: entries(matching.onlyInSecond, of: second),
            mismatched: mismatched.sorted { NaturalOrder.precedes($0.first.name, $1.first.name) })
    }

    private func isIncluded(_ names: String...) -> Bool {
        guard let pattern else { return true }
        return names.contains(where: pattern.matches)
    }

    @Sendable private static func row(_ pair: TensorPair, _ summary: TensorPair.Summary) -> ModelDiffReport.Row {
        let isCounted = pair.isComparable || pair.original.scalarType == pair.tensor.scalarType
        return ModelDiffReport.Row(
            first: .init(pair.original), second: .init(pair.tensor), isIdentical: summary.isBitExact ?? false,
            statistics: pair.isComparable ? summary.statistics.totals : nil, difference: isCounted ? summary.difference : nil)
    }
}
