/// Tables of a report: a row's first cell names it.
extension HTML {
    /// - Parameters:
    ///   - rows: of `.row`.
    ///   - total: a last row, set off.
    package static func table(_ caption: String?, _ titles: [String], _ rows: [HTML], total: HTML? = nil, style: String? = nil) -> HTML {
        let head = HTML.tag("thead", [:], .tag("tr", [:], titles.map { $0.isEmpty ? .tag("td") : .tag("th", ["scope": "col"], .text($0)) }))
        let foot = total.map { [HTML.tag("tfoot", [:], $0)] } ?? []
        return scrolling(caption, .tag("table", ["class": style], [head, .tag("tbody", [:], rows)] + foot))
    }

    /// A table that scrolls by itself where it does not fit, also from the keyboard; what it is called stays in place.
    package static func scrolling(_ caption: String?, _ table: HTML) -> HTML {
        let region = HTML.tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption ?? "table"], table)
        return caption.map { .tag("div", [:], .tag("p", ["class": "caption"], .text($0)), region) } ?? region
    }

    package static func row(_ name: HTML..., cells: [String]) -> HTML {
        .tag("tr", [:], [.tag("th", ["scope": "row"], name)] + cells.map { .tag("td", [:], .text($0)) })
    }

    /// A list of terms and what is to be said of them.
    package static func terms(_ terms: [(name: String, value: HTML)]) -> HTML {
        .tag("dl", [:], terms.flatMap { [.tag("dt", [:], .text($0.name)), .tag("dd", [:], $0.value)] })
    }

    /// Something for those who want to know more.
    package static func folded(_ summary: String, _ content: HTML...) -> HTML { folded(summary, content) }

    package static func folded(_ summary: String, _ content: [HTML]) -> HTML {
        .tag("details", [:], [.tag("summary", [:], .text(summary))] + content)
    }
}
