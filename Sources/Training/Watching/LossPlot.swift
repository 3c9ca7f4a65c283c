import Glibc

/// The losses of a run as a picture (SVG) that stands on its own: axes, a faint line for every step, a smoothed one, and
/// the validation curve with its points.
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
        let all = (history.losses + history.evaluations.map(\.loss)).filter(\.isFinite)
        let high = all.max() ?? 1, low = min(all.min() ?? 0, high)
        let ticks = Self.ticks(from: low, to: high)
        let range = (ticks.first ?? 0)...max(ticks.last ?? 1, (ticks.first ?? 0) + 1e-9)
        let steps = max(1, history.losses.count)
        func x(_ step: Double) -> Double { Self.left + step / Double(steps) * (Self.width - Self.left - Self.right) }
        func y(_ loss: Double) -> Double {
            Self.top + (range.upperBound - loss) / (range.upperBound - range.lowerBound) * (Self.height - Self.top - Self.bottom)
        }
        var parts = [head] + axes(ticks, steps: steps, x: x, y: y)
        let losses = Self.thinned(history.losses.enumerated().map { (Double($0 + 1), $1) })
        parts.append(Self.line(losses, x: x, y: y, "stroke=\"#9db8d9\" stroke-width=\"1\""))
        parts.append(Self.line(Self.thinned(smoothed), x: x, y: y, "stroke=\"#1f5fa8\" stroke-width=\"2\""))
        let points = history.evaluations.map { (Double($0.step), $0.loss) }.filter { $0.1.isFinite }
        parts.append(Self.line(points, x: x, y: y, "stroke=\"#c2571a\" stroke-width=\"2\" stroke-dasharray=\"6 3\""))
        parts += points.map { "<circle cx=\"\(Self.number(x($0.0)))\" cy=\"\(Self.number(y($0.1)))\" r=\"3\" fill=\"#c2571a\"/>" }
        return (parts + ["</svg>"]).filter { !$0.isEmpty }.joined(separator: "\n") + "\n"
    }

    private var head: String {
        let last = history.losses.last.map { " \(Self.rounded($0))" } ?? ""
        let validation = history.evaluations.last.map { " \(Self.rounded($0.loss))" }
        var text = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 420" width="720" height="420" font-family="sans-serif" \
            font-size="12" role="img">
            <title>\(Self.escaped(title))</title>
            <rect width="720" height="420" fill="#ffffff"/>
            <text x="64" y="24" font-size="15" fill="#1a1a1a">\(Self.escaped(title))</text>
            <path d="M64 40h20" stroke="#1f5fa8" stroke-width="2"/>
            <text x="90" y="44" fill="#1a1a1a">training\(last)</text>
            """
        if let validation {
            text += """

                <path d="M224 40h20" stroke="#c2571a" stroke-width="2" stroke-dasharray="6 3"/>
                <text x="250" y="44" fill="#1a1a1a">validation\(validation)</text>
                """
        }
        return text
    }

    private func axes(_ ticks: [Double], steps: Int, x: (Double) -> Double, y: (Double) -> Double) -> [String] {
        var parts: [String] = []
        for tick in ticks {
            let height = Self.number(y(tick))
            parts.append("<path d=\"M64 \(height)H696\" stroke=\"#e3e3e3\"/>")
            parts.append("<text x=\"56\" y=\"\(height)\" dy=\"4\" text-anchor=\"end\" fill=\"#555555\">\(Self.rounded(tick))</text>")
        }
        for tick in Self.ticks(from: 0, to: Double(steps)) where tick <= Double(steps) && tick == tick.rounded() {
            parts.append(
                "<text x=\"\(Self.number(x(tick)))\" y=\"386\" text-anchor=\"middle\" fill=\"#555555\">\(Int(tick))</text>")
        }
        parts.append("<text x=\"380\" y=\"408\" text-anchor=\"middle\" fill=\"#555555\">step</text>")
        parts.append("<text transform=\"translate(16 212) rotate(-90)\" text-anchor=\"middle\" fill=\"#555555\">loss per token</text>")
        return parts
    }

    /// Means that forget over a fortieth of the run.
    private var smoothed: [(Double, Double)] {
        let weight = 1 / max(1, Double(history.losses.count) / 40)
        var mean: Double?
        return history.losses.enumerated().map { index, loss in
            let next = mean.map { $0 + weight * (loss - $0) } ?? loss
            mean = next
            return (Double(index + 1), next)
        }
    }

    /// Round numbers, five or so, from at or below `low` to at or above `high`.
    static func ticks(from low: Double, to high: Double) -> [Double] {
        let span = max(high - low, 1e-6)
        let power = pow(10, floor(log10(span / 5)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? 10 * power
        let first = (low / step).rounded(.down), last = (high / step).rounded(.up)
        return (0...Int(max(1, last - first))).map { (first + Double($0)) * step }
    }

    private static func thinned(_ points: [(Double, Double)]) -> [(Double, Double)] {
        let finite = points.filter { $0.1.isFinite }
        guard finite.count > pointLimit else { return finite }
        return (0..<pointLimit).map { finite[$0 * (finite.count - 1) / (pointLimit - 1)] }
    }

    private static func line(
        _ points: [(Double, Double)], x: (Double) -> Double, y: (Double) -> Double, _ attributes: String
    ) -> String {
        guard points.count > 1 else { return "" }
        let path = points.map { "\(number(x($0.0))),\(number(y($0.1)))" }.joined(separator: " ")
        return "<polyline points=\"\(path)\" fill=\"none\" \(attributes)/>"
    }

    /// One decimal: a tenth of a pixel.
    private static func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }

    private static func rounded(_ value: Double) -> String {
        let text = String((value * 1000).rounded() / 1000)
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
