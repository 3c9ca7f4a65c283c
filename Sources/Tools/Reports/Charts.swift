import CommandLineKit

/// Drawings of a report. Across they are in percent of their width, so that they fit a phone without shrinking their
/// text; down they are in pixels. What a mark stands for is in its `<title>`, and the numbers in a table nearby.
package enum Charts {
    /// One stack of a column chart, from the bottom up.
    package struct Column {
        let label: String
        let parts: [Part]

        package init(label: String, parts: [Part]) {
            self.label = label
            self.parts = parts
        }

        var total: Double { parts.reduce(0) { $0 + $1.value } }
    }

    package struct Part {
        let value: Double
        /// Class of its colour.
        let style: String
        let title: String

        package init(value: Double, style: String, title: String) {
            self.value = value
            self.style = style
            self.title = title
        }
    }

    /// One bar, cut into parts by their share of all.
    static func bar(_ parts: [Part], style: String = "bar", label: String? = nil, total: Double? = nil) -> HTML {
        let total = total ?? parts.reduce(0) { $0 + $1.value }
        var start = 0.0
        let marks = parts.map { part in
            defer { start += part.value }
            return rectangle(x: start / total, width: part.value / total, y: 0, height: nil, part)
        }
        return .tag(
            "svg", ["class": style, "role": label == nil ? nil : "img", "aria-label": label, "aria-hidden": label == nil ? "true" : nil],
            marks)
    }

    /// Columns side by side over a common axis from zero.
    ///
    /// - Parameter tick: a value on the axis in words.
    package static func columns(_ columns: [Column], height: Double, label: String, tick: (Double) -> String) -> HTML {
        let ticks = Ticks.upTo(columns.map(\.total).max() ?? 0)
        guard let top = ticks.last else { return .tag("p", ["class": "note"], "Nothing to draw.") }
        let y = { (value: Double) in height * (1 - value / top) }
        let lines = ticks.flatMap { value -> [HTML] in
            [
                .tag("line", ["class": "axis", "x1": "0", "x2": "100%", "y1": pixels(y(value)), "y2": pixels(y(value))]),
                .tag("text", ["x": "-8", "y": pixels(y(value) + 4), "text-anchor": "end"], .text(tick(value))),
            ]
        }
        let width = 1 / Double(columns.count)
        // A few columns are no walls.
        let filled = min(0.82, max(0.3, 0.07 * Double(columns.count)))
        let marks = columns.enumerated().flatMap { index, column -> [HTML] in
            var base = 0.0
            return column.parts.filter { $0.value > 0 }.map { part in
                defer { base += part.value }
                return rectangle(
                    x: width * (Double(index) + (1 - filled) / 2), width: width * filled, y: y(base + part.value),
                    height: height * part.value / top, part)
            }
        }
        let names = columns.map(\.label)
        let wide = labelStep(names, room: 120)
        let narrow = (labelStep(names, room: 48) + wide - 1) / wide * wide
        let labels = stride(from: 0, to: columns.count, by: wide).map { index in
            HTML.tag(
                "text",
                [
                    "class": index % narrow == 0 ? nil : "wide", "x": percent(width * (Double(index) + 0.5)), "y": pixels(height + 18),
                    "text-anchor": "middle",
                ], .text(names[index]))
        }
        return .tag(
            "div", ["class": "plot"],
            .tag("svg", ["role": "img", "aria-label": label, "height": pixels(height + 26)], lines + marks + labels))
    }

    /// A histogram without an axis of counts: columns touch, and a few values are named below.
    ///
    /// - Parameter labels: share of the width, and what stands there.
    static func histogram(_ parts: [Part], height: Double, label: String, labels: [(position: Double, text: String)]) -> HTML {
        let top = parts.map(\.value).max() ?? 0
        let width = 1 / Double(max(1, parts.count))
        let marks = parts.enumerated().filter { $1.value > 0 }.map { index, part in
            // What is there at all is seen: half a pixel at least.
            let size = max(0.5, height * part.value / top)
            return rectangle(x: width * Double(index), width: width * 0.96, y: height - size, height: size, part)
        }
        let axis = HTML.tag("line", ["class": "axis", "x1": "0", "x2": "100%", "y1": pixels(height), "y2": pixels(height)])
        let texts = labels.map { position, text in
            let anchor = position < 0.1 ? "start" : position > 0.9 ? "end" : "middle"
            return HTML.tag("text", ["x": percent(position), "y": pixels(height + 16), "text-anchor": anchor], .text(text))
        }
        return .tag("svg", ["role": "img", "aria-label": label, "height": pixels(height + 22)], marks + [axis] + texts)
    }

    /// Every how many labels one is shown, so that they do not run into each other where there is room for so many characters.
    private static func labelStep(_ labels: [String], room: Int) -> Int {
        let longest = labels.map(\.displayWidth).max() ?? 0
        let count = max(1, room / (longest + 2))
        return max(1, (labels.count + count - 1) / count)
    }

    private static func rectangle(x: Double, width: Double, y: Double, height: Double?, _ part: Part) -> HTML {
        .tag(
            "rect",
            [
                "class": part.style, "x": percent(x), "y": pixels(y), "width": percent(width), "height": height.map(pixels) ?? "100%",
            ], .tag("title", [:], .text(part.title)))
    }

    private static func percent(_ share: Double) -> String { NumberText.trimmed(100 * share, decimals: 2) + "%" }
    private static func pixels(_ value: Double) -> String { NumberText.trimmed(value, decimals: 1) }
}

extension NumberText {
    /// A number without zeros at the end of its fraction.
    static func trimmed(_ value: Double, decimals: Int) -> String { trimmed(fixed(value, decimals: decimals)) }

    static func trimmed(_ text: String) -> String {
        guard text.contains(".") else { return text }
        let short = text.reversed().drop { $0 == "0" }
        return String((short.first == "." ? short.dropFirst() : short).reversed())
    }
}
