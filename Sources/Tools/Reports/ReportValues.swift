import Checkpoints
import Inspection
import Streaming

/// How the elements of a model are distributed, and how its 4-bit codes are used.
struct ReportValues {
    let distributions: [Distribution]
    let codeUsages: [CodeUsageChart]

    /// Reads the kinds of weight with most elements.
    init(_ checkpoint: Checkpoint, resources: Resources) throws {
        let kinds = WeightKinds(checkpoint)
        let report = try Statistics(checkpoint, bins: .init(count: kinds.binCount), resources: resources, where: kinds.contains).run()
        distributions = kinds.distributions(of: report.tensors)
        codeUsages = CodeUsageChart.joined(report.tensors.compactMap(\.blocks))
    }
}
