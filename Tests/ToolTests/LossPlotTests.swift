import Glibc
import Testing
import Training

@testable import Reports
@testable import qtrain

@Suite struct LossPlotTests {
    private static func close(_ a: [Double], _ b: [Double]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-9 * abs($1) }
    }

    @Test(
        "has round numbers around the losses",
        arguments: [
            ([3.2, 4.9], [3, 3.5, 4, 4.5, 5], false), ([4.06, 0.12], [0.1, 0.2, 0.5, 1, 2, 5], true),
            ([2, 2], [2, 2.0000002], false), ([0, 4], [0, 1, 2, 3, 4], false),
            ([1e-5, 50], [1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100], true),
            ([10.82, 10.81], [10.81, 10.812, 10.814, 10.816, 10.818, 10.82], false),
        ])
    func hasRoundNumbers(_ losses: [Double], _ ticks: [Double], isLogarithmic: Bool) {
        let axis = PlotAxis(losses)
        #expect(axis.isLogarithmic == isLogarithmic)
        #expect(Self.close(axis.ticks, ticks), "\(axis.ticks)")
        #expect(losses.allSatisfy { (-1e-9...1 + 1e-9).contains(axis.height($0)) })
    }

    @Test("draws every kind of history", arguments: [0, 1, 2, 5000])
    func drawsEveryHistory(steps: Int) {
        var history = RunHistory()
        history.losses = (0..<steps).map { 4 / Double($0 + 1) }
        history.evaluations = steps > 1 ? [.init(step: 0, loss: 4), .init(step: steps, loss: 0.5)] : []
        let svg = history.plot(title: "a < b & \"c\"\u{7}").svg
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("<title>a &lt; b &amp; &quot;c&quot;\\u{7}</title>"))
        #expect(!svg.contains("nan") && !svg.contains("inf"))
        #expect(svg.split(separator: "<polyline ").count - 1 == (steps > 1 ? 3 : 0))
        #expect(svg.split(separator: "<circle ").count - 1 == history.evaluations.count)
        #expect(svg.utf8.count < 60_000, "a long run makes a long file")
        #expect(svg.contains("validation 0.5") == (steps > 1))
    }

    /// Noise of two values: the smoothed curve lies between them, and where the losses fall it falls with them.
    @Test func smoothsWithoutLag() throws {
        var history = RunHistory()
        history.losses = (0..<800).map { ($0 < 400 ? 2 : 1) + ($0 % 2 == 0 ? 0.25 : -0.25) }
        let svg = history.plot(title: "").svg
        let line = try #require(svg.split(separator: "<polyline ").dropFirst().first { $0.contains("class=\"training\"") })
        let points = line.split(separator: "\"")[1].split(separator: " ").map { $0.split(separator: ",").compactMap { Double($0) } }
        try #require(points.count == 800)
        // Ticks from 0.5 to 2.5 are 312 pixels; the loss of 1.5, half-way down, is reached where the losses fall.
        let middle = 56 + 312 / 2.0
        #expect(abs(points[399][1] - middle) < 12 && points[380][1] < middle - 60 && points[420][1] > middle + 60)
    }

    @Test func makesALineOfText() {
        #expect(Sparkline.text([1, 2, 3, 4, 5, 6, 7, 8], width: 60) == "▁▂▃▄▅▆▇█")
        #expect(Sparkline.text([5, 3, 3, 1], width: 2) == "█▁")
        #expect(Sparkline.text([1, 1], width: 9) == "▄▄" && Sparkline.text([.nan], width: 9) == "")
    }
}
