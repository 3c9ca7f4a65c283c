import CommandLineKit

/// Curves over steps as a picture (SVG) that stands on its own: axes with round numbers, a legend, in light colours or in dark
/// ones, as the viewer has it.
package struct LinePlot {
    package typealias Point = (x: Double, y: Double)

    package struct Curve {
        /// In the order of the x; values that are not finite are left out.
        let points: [Point]
        let style: Style
        /// What it is, above the picture; nil where that is said of another curve.
        let label: String?

        package init(_ points: [Point], _ style: Style, label: String? = nil) {
            self.points = points.filter { $0.y.isFinite }
            self.style = style
            self.label = label
        }
    }

    /// How a curve is drawn.
    package enum Style: String {
        /// Thin and faint, behind the others.
        case faint = "each"
        case plain = "training"
        /// Dashed, with its points.
        case dashed = "validation"
    }

    private let title: String
    private let xTitle: String
    private let yTitle: String
    private let curves: [Curve]
    /// Where the x axis ends, which begins at 0.
    private let end: Double

    private static let left = 64.0, right = 696.0, top = 56.0, bottom = 368.0
    /// More points than this in one line would only make the file long.
    private static let pointLimit = 2000

    package init(title: String, xTitle: String, yTitle: String, end: Double, curves: [Curve]) {
        self.title = title
        self.xTitle = xTitle
        self.yTitle = yTitle
        self.end = max(1, end)
        self.curves = curves
    }

    /// The document.
    package var svg: String {
        let axis = PlotAxis(curves.flatMap { $0.points.map(\.y) })
        func place(_ point: Point) -> Point { (x(point.x), y(point.y, axis)) }
        var parts: [HTML] = [
            .tag("title", [:], .text(title)), .tag("style", [:], .css(Self.css)),
            .tag("rect", ["width": "720", "height": "420", "class": "paper"]), Self.text(title, x: 64, y: 24, "ink", ["font-size": "15"]),
        ]
        for (index, curve) in curves.filter({ $0.label != nil }).enumerated() {
            let start = Self.left + 242 * Double(index)
            parts.append(.tag("path", ["d": "M\(Self.number(start)) 40h20", "class": curve.style.rawValue]))
            parts.append(Self.text(curve.label ?? "", x: start + 26, y: 44, "ink"))
        }
        parts += axes(axis)
        for curve in curves where curve.points.count > 1 {
            parts.append(.polyline(Self.thinned(curve.points).map(place), style: curve.style.rawValue))
        }
        for point in curves.filter({ $0.style == .dashed }).flatMap(\.points).map(place) {
            parts.append(.tag("circle", ["cx": Self.number(point.x), "cy": Self.number(point.y), "r": "3", "class": "point"]))
        }
        return HTML.image(
            .tag(
                "svg",
                [
                    "xmlns": "http://www.w3.org/2000/svg", "viewBox": "0 0 720 420", "width": "720", "height": "420",
                    "font-family": "sans-serif", "font-size": "12", "role": "img",
                ], parts))
    }

    private func x(_ value: Double) -> Double { Self.left + value / end * (Self.right - Self.left) }

    private func y(_ value: Double, _ axis: PlotAxis) -> Double { Self.bottom - axis.height(value) * (Self.bottom - Self.top) }

    private func axes(_ axis: PlotAxis) -> [HTML] {
        var parts: [HTML] = []
        for tick in axis.ticks {
            let height = y(tick, axis)
            parts.append(.tag("path", ["d": "M64 \(Self.number(height))H696", "class": "grid"]))
            parts.append(Self.text(Self.shown(tick), x: 56, y: height, "label", ["dy": "4", "text-anchor": "end"]))
        }
        for tick in Ticks.between(0, end) where tick <= end && tick == tick.rounded() {
            parts.append(Self.text("\(Int(tick))", x: x(tick), y: 386, "label", ["text-anchor": "middle"]))
        }
        parts.append(Self.text(xTitle, x: 380, y: 408, "label", ["text-anchor": "middle"]))
        let unit = axis.isLogarithmic ? "\(yTitle), logarithmic" : yTitle
        parts.append(.tag("text", ["transform": "translate(16 212) rotate(-90)", "text-anchor": "middle", "class": "label"], .text(unit)))
        return parts
    }

    private static func text(
        _ text: String, x: Double, y: Double, _ style: String, _ more: KeyValuePairs<String, String> = [:]
    ) -> HTML {
        let attributes = [("x", number(x)), ("y", number(y))] + more.map { ($0.key, $0.value) } + [("class", style)]
        return .element("text", attributes.map { HTML.Attribute(name: $0.0, value: $0.1) }, [.text(text)])
    }

    private static func thinned(_ points: [Point]) -> [Point] {
        guard points.count > pointLimit else { return points }
        return (0..<pointLimit).map { points[$0 * (points.count - 1) / (pointLimit - 1)] }
    }

    /// A tenth of a pixel.
    private static func number(_ value: Double) -> String { NumberText.trimmed(value, decimals: 1) }

    /// Three decimals, or more for what is smaller than 0.01.
    package static func shown(_ value: Double) -> String { NumberText.trimmed(value, decimals: abs(value) < 0.01 ? 6 : 3) }

    private static var css: String {
        func rules(_ colors: Palette.Plot) -> String {
            """
            .paper{fill:\(colors.paper)} .ink{fill:\(colors.ink)} .label{fill:\(colors.label)} .grid{stroke:\(colors.grid)}
            .each{stroke:\(colors.faint)} .training{stroke:\(colors.plain)} .validation{stroke:\(colors.dashed)} .point{fill:\(colors.dashed)}
            """
        }
        return """

            .each{fill:none;stroke-width:1} .training{fill:none;stroke-width:2}
            .validation{fill:none;stroke-width:2;stroke-dasharray:6 3}
            \(rules(.light))
            @media (prefers-color-scheme:dark){
            \(rules(.dark))}

            """
    }
}
