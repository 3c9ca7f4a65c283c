package import ByteIO
import Checkpoints
import CommandLineKit
import Comparison
import Inspection

/// A whole report: one page that needs nothing else, no script and no network, and is the same bytes for the same model.
package struct ReportPage {
    /// A part of a page, with what leads to it.
    package struct Chapter {
        let id: String
        let title: String
        let html: HTML

        /// - Parameters:
        ///   - title: in the list of contents.
        ///   - heading: of the chapter itself.
        package init(id: String, title: String, heading: HTML, _ content: [HTML]) {
            self.init(id, title, .tag("section", ["id": id], [.tag("h2", [:], heading)] + content))
        }

        init(_ id: String, _ title: String, _ html: HTML) {
            self.id = id
            self.title = title
            self.html = html
        }
    }

    private let content: ReportContent
    private let verdicts: [Verdict]
    private let more: [Chapter]

    /// - Parameters:
    ///   - verdicts: on more than whether the file is whole.
    ///   - chapters: what else there is to tell, before files and tensors.
    package init(_ content: ReportContent, verdicts: [Verdict] = [], chapters: [Chapter] = []) {
        self.content = content
        self.verdicts = verdicts
        more = chapters
    }

    package var text: String {
        HTML.document(.tag("html", ["lang": "en"], head, .tag("body", [:], header, .tag("main", [:], sections), footer)))
    }

    /// Writes the page as the one file of an output, and says how many bytes it has.
    package func write(to output: consuming AtomicOutput) throws(FileError) -> Int {
        let bytes = Array(text.utf8)
        let file = try output.file()
        try file.write(bytes, atOffset: 0)
        try output.commit([file])
        return bytes.count
    }

    private var head: HTML {
        .tag(
            "head", [:], .tag("meta", ["charset": "utf-8"]),
            .tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
            // Nothing may be loaded, whatever gets into the page.
            .tag("meta", ["http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"]),
            .tag("meta", ["name": "generator", "content": content.maker]), .tag("title", [:], .text(content.name)),
            .tag("style", [:], .css(PageStyle.css)))
    }

    private var header: HTML {
        let links = chapters.map { HTML.tag("a", ["href": "#\($0.id)"], .text($0.title)) }
        return .tag(
            "header", [:], ReportHeader(content: content, verdicts: verdicts).html + [.tag("nav", ["aria-label": "contents"], links)])
    }

    private var chapters: [Chapter] {
        var chapters = [Chapter("sizes", "Size", SizeSection(content: content).html)]
        if let report = content.comparison, let source = content.sourceName {
            chapters.append(.init("error", "Error", ErrorSection(content: content, sourceName: source, report: report).html))
        }
        chapters += more
        if let values = content.values { chapters.append(.init("values", "Values", DistributionSection(values: values).html)) }
        if let metadata = content.checkpoint.metadata { chapters.append(.init("origin", "Origin", OriginSection(metadata: metadata).html)) }
        chapters.append(.init("files", "Files", FilesSection(content: content).html))
        chapters.append(.init("tensors", "Tensors", TensorSection(content: content).html))
        return chapters
    }

    private var sections: [HTML] { chapters.map(\.html) }

    private var footer: HTML {
        .tag("footer", [:], .tag("p", [:], "Made by \(content.maker). Rest the pointer on a mark for its numbers."))
    }
}
