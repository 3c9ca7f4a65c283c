import CommandLineKit

/// A piece of a page. Every text and every attribute is escaped when it is written, so names from files can go in as
/// they are: they can neither become markup nor turn the reading order around.
package indirect enum HTML: ExpressibleByStringInterpolation {
    case text(String)
    case element(String, [Attribute], [HTML])
    /// Rules of our own for `<style>`; nothing from a file.
    case css(String)

    package struct Attribute {
        let name: String
        let value: String
        /// Of numbers of ours: neither escaped nor cut.
        var isDrawn = false
    }

    package init(stringLiteral text: String) {
        self = .text(text)
    }

    /// `HTML.tag("p", ["class": "note"], "text", ...)`; an attribute of nil is left out.
    package static func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: HTML...) -> HTML {
        tag(name, attributes, children)
    }

    package static func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: [HTML]) -> HTML {
        .element(name, attributes.compactMap { name, value in value.map { Attribute(name: name, value: $0) } }, children)
    }

    /// A name from a file, in a direction of its own: right-to-left letters in it move nothing around it.
    package static func name(_ text: String) -> HTML { .tag("bdi", [:], .text(text)) }

    /// A line through points of a drawing, to a tenth of a pixel.
    static func polyline(_ points: [(x: Double, y: Double)], style: String) -> HTML {
        let path = points.map { "\(NumberText.trimmed($0.x, decimals: 1)),\(NumberText.trimmed($0.y, decimals: 1))" }
        return .element(
            "polyline",
            [Attribute(name: "points", value: path.joined(separator: " "), isDrawn: true), Attribute(name: "class", value: style)], [])
    }

    /// The whole document.
    static func document(_ root: HTML) -> String {
        var text = "<!doctype html>\n"
        root.write(to: &text)
        return text + "\n"
    }

    /// A drawing that stands on its own, as XML.
    static func image(_ root: HTML) -> String {
        var text = ""
        root.writeXML(to: &text)
        return text + "\n"
    }

    /// Elements that never have content: of HTML, and those shapes of SVG that are written without.
    private static let empty: Set<String> = ["meta", "br", "col"]
    /// Elements that begin a line of the source, so that it can be read and compared.
    private static let blocks: Set<String> = [
        "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "h1", "h2", "h3", "p", "ul", "ol", "li",
        "dl", "div", "table", "thead", "tbody", "tr", "details", "figure", "svg", "rect", "line",
    ]

    private func write(to text: inout String) {
        switch self {
        case .text(let content): Self.escape(content, to: &text)
        case .css(let rules): text += rules
        case .element(let name, let attributes, let children):
            if Self.blocks.contains(name), text.utf8.last != UInt8(ascii: "\n") { text += "\n" }
            Self.begin(name, attributes, to: &text)
            text += ">"
            for child in children { child.write(to: &text) }
            if !Self.empty.contains(name) { text += "</\(name)>" }
        }
    }

    /// Each element on a line of its own.
    private func writeXML(to text: inout String) {
        guard case .element(let name, let attributes, let children) = self else { return write(to: &text) }
        if !text.isEmpty { text += "\n" }
        Self.begin(name, attributes, to: &text)
        guard !children.isEmpty else { return text += "/>" }
        text += ">"
        var holdsElements = false
        for child in children {
            child.writeXML(to: &text)
            if case .element = child { holdsElements = true }
        }
        text += holdsElements ? "\n</\(name)>" : "</\(name)>"
    }

    private static func begin(_ name: String, _ attributes: [Attribute], to text: inout String) {
        text += "<\(name)"
        for attribute in attributes {
            text += " \(attribute.name)=\""
            if attribute.isDrawn { text += attribute.value } else { escape(attribute.value, to: &text) }
            text += "\""
        }
    }

    /// Longer texts lose their middle: names in files may have any length, and stand on a page more than once.
    private static let textLimit = 600

    private static func escape(_ content: String, to text: inout String) {
        let safe = content.terminalSafe.unicodeScalars
        guard safe.count <= textLimit else {
            write(safe.prefix(textLimit / 2), to: &text)
            text += "…"
            return write(safe.suffix(textLimit / 2), to: &text)
        }
        write(safe[...], to: &text)
    }

    private static func write(_ scalars: Substring.UnicodeScalarView, to text: inout String) {
        for scalar in scalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            // No characters to XML.
            case "\u{fffe}", "\u{ffff}": text += "\u{fffd}"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }
}
