import CommandLineKit
import Inspection

/// How the values of the weights are distributed, by kind, and how the 4-bit codes are used.
struct DistributionSection {
    let values: ReportValues

    var html: HTML {
        .tag("section", ["id": "values"], [.tag("h2", [:], "What the weights look like")] + kinds + values.codeUsages.flatMap(usage))
    }

    // MARK: - Histograms

    private var kinds: [HTML] {
        guard !values.distributions.isEmpty else { return [.tag("p", [:], "No tensor holds floating-point numbers.")] }
        let isQuantized = !values.codeUsages.isEmpty
        return [
            .tag(
                "p", [:], "The \(values.distributions.count == 1 ? "kind" : "kinds") of weight with most elements, all layers together.",
                isQuantized ? " 4-bit weights are shown as the values they stand for." : ""),
            .tag("div", ["class": "few"], values.distributions.map(figure)),
            .folded(
                "The same as a table",
                .table(
                    nil, ["kind", "tensors", "elements", "mean", "deviation", "largest", "zeros", "not finite"],
                    values.distributions.map { distribution in
                        HTML.row(
                            .name(distribution.kind),
                            cells: [
                                NumberText.grouped(distribution.tensorCount), NumberText.grouped(distribution.elementCount),
                                Self.number(distribution.mean), Self.number(distribution.standardDeviation),
                                Self.number(distribution.absmax),
                                NumberText.grouped(distribution.zeroCount), NumberText.grouped(distribution.nonfiniteCount),
                            ])
                    })),
        ]
    }

    private func figure(_ distribution: Distribution) -> HTML {
        let caption = HTML.tag("figcaption", [:], .tag("b", [:], .name(distribution.kind)), .tag("br"), .text(Self.caption(distribution)))
        guard !distribution.shares.isEmpty else {
            return .tag("figure", [:], .tag("p", ["class": "note"], "Every element is \(Self.number(distribution.mean))."), caption)
        }
        let width = (distribution.range.upperBound - distribution.range.lowerBound) / Double(distribution.shares.count)
        let parts = distribution.shares.enumerated().map { index, share in
            let start = distribution.range.lowerBound + width * Double(index)
            return Charts.Part(
                value: share, style: "fill",
                title: "\(Self.number(start)) to \(Self.number(start + width)): \(NumberText.percent(share, decimals: 2))")
        }
        var labels = [(0.0, Self.number(distribution.range.lowerBound)), (1.0, Self.number(distribution.range.upperBound))]
        if let zero = distribution.position(of: 0), (0.2...0.8).contains(zero) { labels.append((zero, "0")) }
        return .tag(
            "figure", [:],
            Charts.histogram(parts, height: 84, label: "Histogram of \(distribution.kind): \(Self.caption(distribution))", labels: labels),
            caption)
    }

    private static func caption(_ distribution: Distribution) -> String {
        var parts = ["deviation \(number(distribution.standardDeviation))", "largest \(number(distribution.absmax))"]
        if distribution.shareBeyond > 1e-9 { parts.append("\(percent(distribution.shareBeyond)) beyond the ends") }
        if distribution.nonfiniteCount > 0 { parts.append("\(NumberText.grouped(distribution.nonfiniteCount)) not finite") }
        return parts.joined(separator: ", ")
    }

    // MARK: - Codes

    private func usage(_ usage: CodeUsageChart) -> [HTML] {
        let entropy = CodeUsage.entropy(of: usage.counts)
        let columns = usage.order.map { code in
            let value = NumberText.fixed(Double(usage.codebook[code]), decimals: 2)
            let share = usage.share(of: code)
            return Charts.Column(
                label: value,
                parts: [
                    .init(
                        value: share, style: "fill",
                        title: "code \(code), \(usage.codebook[code]) of the block's largest: \(NumberText.percent(share, decimals: 2))")
                ])
        }
        let rows = usage.order.map { code in
            HTML.row(
                "\(code)",
                cells: [
                    NumberText.fixed(Double(usage.codebook[code]), decimals: 4), NumberText.grouped(Int(clamping: usage.counts[code])),
                    NumberText.percent(usage.share(of: code), decimals: 2),
                ])
        }
        return [
            .tag("h3", [:], "Use of the 4-bit codes"),
            .tag(
                "p", [:],
                "Below each column, what the code stands for, as a share of the largest weight of its block. Were all used ",
                "equally often, each would have 6.25%; here a code carries \(NumberText.fixed(entropy, decimals: 2)) of 4 bits of ",
                "information (\(NumberText.grouped(usage.tensorCount)) tensor\(usage.tensorCount == 1 ? "" : "s"))."),
            Charts.columns(columns, height: 130, label: "Share of each of the 16 codes") { NumberText.percent($0, decimals: 0) },
            .folded("The same as a table", .table(nil, ["code", "stands for", "times", "share"], rows)),
        ]
    }

    private static func number(_ value: Double) -> String { NumberText.significant(value, digits: 3) }

    private static func percent(_ share: Double) -> String { NumberText.significant(100 * share, digits: 2) + "%" }
}
