import Checkpoints
import CommandLineKit
import Operations

/// A whole report: one page that needs nothing else, no script and no network, and is the same bytes for the same model.
struct ReportPage {
    let content: ReportContent

    var text: String {
        HTML.document(.tag("html", ["lang": "en"], head, .tag("body", [:], header, .tag("main", [:], sections), footer)))
    }

    private var head: HTML {
        .tag(
            "head", [:], .tag("meta", ["charset": "utf-8"]),
            .tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
            // Nothing may be loaded, whatever gets into the page.
            .tag("meta", ["http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"]),
            .tag("meta", ["name": "generator", "content": "qinspect \(content.toolVersion)"]), .tag("title", [:], .text(content.name)),
            .tag("style", [:], .css(ReportStyle.css)))
    }

    private var header: HTML {
        let links = chapters.map { HTML.tag("a", ["href": "#\($0.id)"], .text($0.title)) }
        return .tag("header", [:], ReportHeader(content: content).html + [.tag("nav", ["aria-label": "contents"], links)])
    }

    private var chapters: [(id: String, title: String, html: HTML)] {
        var chapters = [(id: "sizes", title: "Size", html: SizeSection(content: content).html)]
        if let report = content.comparison, let source = content.sourceName {
            chapters.append(("error", "Error", ErrorSection(content: content, sourceName: source, report: report).html))
        }
        if let values = content.values { chapters.append(("values", "Values", DistributionSection(values: values).html)) }
        if let metadata = content.checkpoint.metadata { chapters.append(("origin", "Origin", OriginSection(metadata: metadata).html)) }
        chapters.append(("files", "Files", FilesSection(content: content).html))
        chapters.append(("tensors", "Tensors", TensorSection(content: content).html))
        return chapters
    }

    private var sections: [HTML] { chapters.map(\.html) }

    private var footer: HTML {
        .tag("footer", [:], .tag("p", [:], "Made by qinspect \(content.toolVersion). Rest the pointer on a mark for its numbers."))
    }
}
