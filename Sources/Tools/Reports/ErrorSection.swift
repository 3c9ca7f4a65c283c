import CommandLineKit
import Comparison
import Quantization

/// What a model lost against its source: in all, by layer and kind of weight, and where most.
struct ErrorSection {
    let content: ReportContent
    let sourceName: String
    let report: ModelDiffReport

    /// Tensors in the list of the worst.
    private static let worstLimit = 10

    var html: HTML {
        .tag(
            "section", ["id": "error"],
            [
                .tag("h2", [:], "What was lost"),
                .tag("p", [:], "Compared with ", .tag("b", [:], .name(sourceName)), ", value by value. ", .text(summary)),
            ] + problems + map + worst)
    }

    private var summary: String {
        let exact = report.rows.count(where: \.hasEqualValues)
        let same = "\(NumberText.grouped(exact)) of \(NumberText.grouped(report.rows.count)) tensors hold the same values"
        let total = ErrorSum(report.rows.filter { !$0.hasEqualValues })
        guard let error = total.relativeError else { return same + "." }
        guard error.isFinite else {
            return
                "\(same). The error of the others is no number: values are not finite on one side alone, or the source is zero throughout."
        }
        let decibels = error > 0 ? ", \(NumberText.fixed(total.decibels, decimals: 1)) dB below the signal" : ""
        return "\(same). Of the others the error is \(Self.percent(error)) of the weights (root mean square)\(decibels), "
            + "and the cosine between both is \(NumberText.fixed(total.cosine, decimals: 5))."
    }

    /// What has no counterpart, and so no error.
    private var problems: [HTML] {
        let kinds = [
            (report.onlyInFirst.map(\.name), "in the source alone"), (report.onlyInSecond.map(\.name), "in the model alone"),
            (report.mismatched.map(\.second.name), "of another shape"),
        ]
        return kinds.filter { !$0.0.isEmpty }.map { names, what in
            let shown = names.prefix(5).flatMap { [.name($0), ", "] as [HTML] }.dropLast()
            let rest: HTML = names.count > 5 ? ", and \(NumberText.grouped(names.count - 5)) more" : ""
            return .tag("p", ["class": "bad note"], ["\(NumberText.grouped(names.count)) \(what): "] + shown + [rest])
        }
    }

    // MARK: - Heat map

    private var map: [HTML] {
        let heat = HeatMap(content: content, rows: report.rows)
        guard !heat.kinds.isEmpty else { return [] }
        let head = HTML.tag(
            "thead", [:],
            .tag(
                "tr", [:],
                [.tag("th", ["scope": "col"], .name(content.bands.prefix ?? "layer"))]
                    + heat.kinds.map { .tag("th", ["scope": "col", "title": $0.name], .name($0.label)) }))
        let rows = content.bands.bands.indices.filter { heat.hasCells(inBand: $0) }.map { band in
            HTML.tag(
                "tr", [:],
                [.tag("th", ["scope": "row"], .name(content.bands.bands[band].label))]
                    + heat.kinds.indices.map { cell(heat, band: band, kind: $0) })
        }
        let caption = "Relative error (RMSE) in percent, by layer and kind of weight"
        return [
            .tag("h3", [:], "By layer and kind"), legend(heat),
            .scrolling(caption, .tag("table", ["class": rows.count > 40 ? "heat dense" : "heat"], head, .tag("tbody", [:], rows))),
        ] + heat.remarks.map { .tag("p", ["class": "note"], .text($0)) }
    }

    private func cell(_ heat: HeatMap, band: Int, kind: Int) -> HTML {
        guard let sum = heat.cell(band: band, kind: kind), let error = sum.relativeError else { return .tag("td") }
        let place = "\(heat.kinds[kind].name), \(content.bands.description(of: band))"
        guard error != 0 else { return .tag("td", ["class": "exact", "title": "\(place): same values"], "0") }
        let title =
            "\(place): relative RMSE \(NumberText.significant(error, digits: 4)), cosine \(NumberText.fixed(sum.cosine, decimals: 6)), "
            + "largest error \(NumberText.significant(sum.largestError, digits: 3))"
        return .tag("td", ["class": "heat-\(heat.step(of: error))", "title": title], .text(NumberText.fixed(100 * error, decimals: 2)))
    }

    private func legend(_ heat: HeatMap) -> HTML {
        let steps = (0..<Palette.heatStepCount).map { HTML.tag("span", ["class": "heat-\($0)"]) }
        return .tag(
            "div", ["class": "legend"], .tag("span", [:], .text(Self.percent(heat.range.lowerBound))),
            .tag("span", ["class": "scale", "aria-hidden": "true"], steps), .tag("span", [:], .text(Self.percent(heat.range.upperBound))),
            .tag("span", [:], .text(heat.hasExactCells ? "dashed: same values" : "")))
    }

    // MARK: - Worst

    private var worst: [HTML] {
        let rows = report.rows.filter { !$0.hasEqualValues }.prefix(Self.worstLimit).map { row in
            let type = row.hasSameType ? row.first.typeName : "\(row.first.typeName) → \(row.second.typeName)"
            guard let error = row.statistics else { return HTML.row(.name(row.second.name), cells: ["-", "-", "-", "-", type]) }
            return HTML.row(
                .name(row.second.name),
                cells: [
                    Self.percent(error.relativeError), NumberText.significant(error.largestError, digits: 3),
                    NumberText.significant(error.meanError, digits: 3), NumberText.fixed(error.cosineSimilarity, decimals: 6), type,
                ])
        }
        guard !rows.isEmpty else { return [] }
        return [
            .tag("h3", [:], "Where most"),
            .table(
                "Tensors with the largest relative error", ["tensor", "relative error", "largest", "mean", "cosine", "type"], Array(rows)),
        ]
    }

    /// Two decimals, more where there would be nothing but zeros.
    private static func percent(_ share: Double) -> String {
        share != 0 && share < 0.0001 ? NumberText.significant(100 * share, digits: 2) + "%" : NumberText.percent(share, decimals: 2)
    }
}
