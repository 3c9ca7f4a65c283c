import ByteIO
import CommandLineKit
import Evaluation
import Reports

extension TextComparison {
    /// What the two models make of the text, for a page.
    var chapter: ReportPage.Chapter {
        let rows = measuredRows.map { HTML.row(.text($0.name), cells: [$0.value]) }
        // Names alone: where files lie on this machine is nobody's business.
        let adapters = [("A", a), ("B", b)].filter { !$1.adapters.isEmpty }.map { letter, model in
            let names = model.adapters.map { FilePath.name(of: $0) }.joined(separator: ", ")
            return HTML.tag("p", ["class": "note"], .text("\(letter): \(FilePath.name(of: model.path)) with \(names)"))
        }
        return ReportPage.Chapter(
            id: "predictions", title: "Predictions", heading: "What it does to a text",
            [
                .tag(
                    "p", [:], "Both models read \(NumberText.grouped(text.windows.ids.count)) tokens of ",
                    .name(FilePath.name(of: text.path)),
                    ", \(text.windowText). A is the source, B the model.")
            ] + adapters
                + [.table("Perplexity, and the KL divergence of B from A in nats per token", ["", "value"], rows)] + divergences + largest)
    }

    private var divergences: [HTML] {
        let columns = Self.shares.map { share in
            let value = report.divergence(atShare: share), percent = NumberText.significant(share * 100, digits: 4)
            return Charts.Column(
                label: "\(percent)%",
                parts: [
                    .init(
                        value: value, style: "fill",
                        title: "\(percent)% of the tokens: at most \(NumberText.significant(value, digits: 3)) nats")
                ])
        }
        return [
            .tag("h3", [:], "How far, for how many tokens"),
            .tag("p", [:], "Below each column the share of tokens whose KL divergence is no higher."),
            Charts.columns(columns, height: 130, label: "KL divergence that a share of the tokens does not exceed") {
                NumberText.significant($0, digits: 2)
            },
        ]
    }

    private var largest: [HTML] {
        guard !report.largest.isEmpty else { return [] }
        let rows = report.largest.map { place in
            // The text first: it names the row.
            let cells = cells(place)
            return HTML.row(.name(cells[3] + cells[4]), cells: Array(cells[..<3]) + cells[5...])
        }
        let titles = ["text, and what comes next"] + Self.largestTitles[..<3] + Self.largestTitles[5...]
        return [.tag("h3", [:], "Where most"), .table("Places where the models differ most", Array(titles), rows)]
    }
}
