/// The losses of a run as a picture (SVG) that stands on its own: axes, a faint line for every step, a smoothed one, and
/// the validation curve with its points; in light colours or in dark ones, as the viewer has it.
package struct LossPlot {
    package let title: String
    package let history: RunHistory

    private static let width = 720.0
    private static let height = 420.0
    private static let left = 64.0
    private static let right = 24.0
    private static let top = 56.0
    private static let bottom = 52.0
    /// More points than this in one line would only make the file long.
    private static let pointLimit = 2000

    package init(title: String, history: RunHistory) {
        self.title = title
        self.history = history
    }

    /// The document.
    package var svg: String {
        let axis = LossAxis(history.losses + history.evaluations.map(\.loss))
        let steps = max(1, history.losses.count)
        func x(_ step: Double) -> Double { Self.left + step / Double(steps) * (Self.width - Self.left - Self.right) }
        func y(_ loss: Double) -> Double { Self.top + (1 - axis.height(loss)) * (Self.height - Self.top - Self.bottom) }
        let smoothed = smoothed
        var parts = [head(training: smoothed.last?.1)] + axes(axis, steps: steps, x: x, y: y)
        parts.append(Self.line(Self.thinned(losses), x: x, y: y, "class=\"each\""))
        parts.append(Self.line(Self.thinned(smoothed), x: x, y: y, "class=\"training\""))
        let points = history.evaluations.map { (Double($0.step), $0.loss) }.filter { $0.1.isFinite }
        parts.append(Self.line(points, x: x, y: y, "class=\"validation\""))
        parts += points.map { "<circle cx=\"\(Self.number(x($0.0)))\" cy=\"\(Self.number(y($0.1)))\" r=\"3\" class=\"point\"/>" }
        return (parts + ["</svg>"]).filter { !$0.isEmpty }.joined(separator: "\n") + "\n"
    }

    /// Colours for light surroundings, and for dark ones where the viewer asks for them.
    private static let styles = """
        <style>
        .paper{fill:#fff} .ink{fill:#1a1a1a} .label{fill:#555} .grid{stroke:#e3e3e3}
        .each{fill:none;stroke:#9db8d9;stroke-width:1} .training{fill:none;stroke:#1f5fa8;stroke-width:2}
        .validation{fill:none;stroke:#c2571a;stroke-width:2;stroke-dasharray:6 3} .point{fill:#c2571a}
        @media (prefers-color-scheme:dark){
        .paper{fill:#16181c} .ink{fill:#ececec} .label{fill:#a8a8a8} .grid{stroke:#34373d}
        .each{stroke:#3f5a7d} .training{stroke:#6aa5ea} .validation{stroke:#f0935a} .point{fill:#f0935a}}
        </style>
        """

    /// - Parameter training: where the smoothed curve ends.
    private func head(training: Double?) -> String {
        var text = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 420" width="720" height="420" font-family="sans-serif" \
            font-size="12" role="img">
            <title>\(Self.escaped(title))</title>
            \(Self.styles)
            <rect width="720" height="420" class="paper"/>
            <text x="64" y="24" font-size="15" class="ink">\(Self.escaped(title))</text>
            <path d="M64 40h20" class="training"/>
            <text x="90" y="44" class="ink">training\(training.map { " \(Self.rounded($0))" } ?? "")\(smoothingReach > 0 ? " (thin: each step)" : "")</text>
            """
        if let validation = history.evaluations.last {
            text += """

                <path d="M306 40h20" class="validation"/>
                <text x="332" y="44" class="ink">validation \(Self.rounded(validation.loss))</text>
                """
        }
        return text
    }

    private func axes(_ axis: LossAxis, steps: Int, x: (Double) -> Double, y: (Double) -> Double) -> [String] {
        var parts: [String] = []
        for tick in axis.ticks {
            let height = Self.number(y(tick))
            parts.append("<path d=\"M64 \(height)H696\" class=\"grid\"/>")
            parts.append("<text x=\"56\" y=\"\(height)\" dy=\"4\" text-anchor=\"end\" class=\"label\">\(Self.rounded(tick))</text>")
        }
        for tick in LossAxis.ticks(from: 0, to: Double(steps)) where tick <= Double(steps) && tick == tick.rounded() {
            parts.append("<text x=\"\(Self.number(x(tick)))\" y=\"386\" text-anchor=\"middle\" class=\"label\">\(Int(tick))</text>")
        }
        let unit = axis.isLogarithmic ? "loss per token, logarithmic" : "loss per token"
        parts.append("<text x=\"380\" y=\"408\" text-anchor=\"middle\" class=\"label\">step</text>")
        parts.append("<text transform=\"translate(16 212) rotate(-90)\" text-anchor=\"middle\" class=\"label\">\(unit)</text>")
        return parts
    }

    private var losses: [(Double, Double)] {
        history.losses.enumerated().map { (Double($0 + 1), $1) }.filter { $0.1.isFinite }
    }

    private var smoothingReach: Int { history.losses.count / 80 }

    /// Means over a fortieth of the run, half of it before and half behind: a curve that does not lag.
    private var smoothed: [(Double, Double)] {
        let losses = losses
        let half = smoothingReach
        let sums = losses.reduce(into: [0.0]) { sums, point in sums.append((sums.last ?? 0) + point.1) }
        return losses.indices.map { index in
            let first = max(0, index - half), end = min(losses.count, index + half + 1)
            return (losses[index].0, (sums[end] - sums[first]) / Double(end - first))
        }
    }

    private static func thinned(_ points: [(Double, Double)]) -> [(Double, Double)] {
        guard points.count > pointLimit else { return points }
        return (0..<pointLimit).map { points[$0 * (points.count - 1) / (pointLimit - 1)] }
    }

    private static func line(
        _ points: [(Double, Double)], x: (Double) -> Double, y: (Double) -> Double, _ attributes: String
    ) -> String {
        guard points.count > 1 else { return "" }
        let path = points.map { "\(number(x($0.0))),\(number(y($0.1)))" }.joined(separator: " ")
        return "<polyline points=\"\(path)\" \(attributes)/>"
    }

    /// One decimal: a tenth of a pixel.
    private static func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }

    /// Three decimals, or more for what is smaller than 0.01.
    private static func rounded(_ value: Double) -> String {
        let scale = abs(value) < 0.01 ? 1e6 : 1000
        let text = String((value * scale).rounded() / scale)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\u{0}"..<"\u{20}", "\u{fffe}", "\u{ffff}": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
