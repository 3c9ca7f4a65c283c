import Glibc
import Testing

@testable import Evaluation

@Suite struct MeasuresTests {
    @Test func meansAndErrorsAreThoseOfTheSample() {
        let values = (0..<100).map { sin(Double($0)) * 3 + 1e6 }
        var mean = SampleMean()
        for value in values { mean.add(value) }
        let expected = values.reduce(0, +) / 100
        let variance = values.reduce(0) { $0 + ($1 - expected) * ($1 - expected) } / 99
        #expect(abs(mean.mean - expected) < 1e-6)
        #expect(abs(mean.standardError - (variance / 100).squareRoot()) < 1e-9)
        #expect(SampleMean().mean == 0 && SampleMean().standardError.isNaN)
    }

    @Test func lossesAreThoseOfSoftmax() {
        let logits: [Float] = [1, 2, 3, -1000, 2]
        logits.withUnsafeBufferPointer { logits in
            let row = LogitRow(logits)
            let sum = 2 * exp(-1.0) + 1 + exp(-2.0)
            #expect(row.top == 2)
            #expect(abs(row.loss(of: 2) - log(sum)) < 1e-15)
            #expect(abs(row.loss(of: 0) - (log(sum) + 2)) < 1e-15)
            #expect(abs(row.loss(of: 3) - (log(sum) + 1003)) < 1e-12)
        }
    }

    /// Of two outcomes: p log(p/q) + (1 - p) log((1 - p)/(1 - q)).
    @Test(arguments: [(0.5, 0.5), (0.9, 0.5), (0.5, 0.9), (0.001, 0.9), (1, 0.5)])
    func divergesAsDefined(p: Double, q: Double) {
        let (a, b) = ([p, 1 - p].map { Float(log($0)) }, [q, 1 - q].map { Float(log($0)) })
        let expected = (p == 0 ? 0 : p * log(p / q)) + (p == 1 ? 0 : (1 - p) * log((1 - p) / (1 - q)))
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                #expect(abs(LogitRow(a).divergence(to: LogitRow(b)) - expected) < 1e-6)
                #expect(LogitRow(a).divergence(to: LogitRow(a)) < 1e-15)
            }
        }
    }

    @Test func tellsOfLogitsThatAreNotFinite() {
        for bad in [Float.nan, .infinity] {
            [1, bad, 2].withUnsafeBufferPointer { #expect(!LogitRow($0).loss(of: 0).isFinite) }
        }
    }

    @Test func percentilesAreNearestRanks() {
        var report = ComparisonReport()
        report.sortedDivergences = (1...10).map(Double.init)
        #expect([0, 0.05, 0.1, 0.11, 0.5, 0.9, 0.91, 1].map(report.divergence(atShare:)) == [1, 1, 1, 2, 5, 9, 10, 10])
        #expect(ComparisonReport().divergence(atShare: 0.5) == 0)
    }
}
