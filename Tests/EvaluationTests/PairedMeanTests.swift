import Testing

@testable import Evaluation

/// Differences of two measurements, whose error knows of windows.
@Suite struct PairedMeanTests {
    private static func mean(_ windows: [[Double]]) -> PairedMean {
        var mean = PairedMean()
        for window in windows {
            mean.beginWindow()
            for value in window { mean.add(value) }
        }
        return mean
    }

    @Test func fewWindowsHaveTheErrorOfTokens() {
        let paired = Self.mean([[1, 3], [1, 3], []])
        #expect(paired.mean == 2 && abs(paired.standardError - (4.0 / 3 / 4).squareRoot()) < 1e-12)
        #expect(paired.isSignificant)
        #expect(Self.mean([[1]]).standardError.isNaN && !Self.mean([[1]]).isSignificant)
    }

    /// 12 windows, each of 4 equal numbers: the error is that of 12 numbers, and not of 48.
    @Test func tokensThatAreAlikeCountOnce() {
        let values = (0..<12).map { Double($0 % 3) }
        let paired = Self.mean(values.map { [Double](repeating: $0, count: 4) })
        let squares = values.reduce(0) { $0 + ($1 - 1) * ($1 - 1) }
        #expect(abs(paired.standardError - (squares / 11 / 12).squareRoot()) < 1e-12)
    }

    /// Where windows are all alike, they tell nothing that tokens do not.
    @Test func errorIsNeverLessThanThatOfTokens() {
        let paired = Self.mean([[Double]](repeating: [-1, 1], count: 20))
        #expect(abs(paired.mean) < 1e-12 && abs(paired.standardError - (40.0 / 39 / 40).squareRoot()) < 1e-12 && !paired.isSignificant)
    }
}
