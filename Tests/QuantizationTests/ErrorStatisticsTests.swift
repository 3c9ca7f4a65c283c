import Quantization
import TestSupport
import Testing

struct ErrorStatisticsTests {
    @Test func measuresASmallExample() {
        var statistics = ErrorStatistics()
        statistics.add([3, 4, 0, -1], [3, 2, 0, 1])
        let totals = statistics.totals
        #expect(statistics.elementCount == 4)
        #expect(totals.referenceSquareSum == 26)
        #expect(totals.actualSquareSum == 14)
        #expect(totals.productSum == 16)
        #expect(totals.errorSquareSum == 8)
        #expect(totals.errorMagnitudeSum == 4)
        #expect(totals.largestError == 2)
        #expect(totals.largestErrorIndex == 1)
        #expect(totals.rootMeanSquareError == 2.0.squareRoot())
        #expect(totals.meanError == 1)
        #expect(totals.relativeError == (8.0 / 26).squareRoot())
        #expect(totals.cosineSimilarity == 16 / (26.0.squareRoot() * 14.0.squareRoot()))
    }

    @Test func isTheSameHoweverTheStreamIsCut() {
        var random = SeededGenerator(seed: 4)
        let reference = random.normals(count: 5000), actual = random.normals(count: 5000)
        var whole = ErrorStatistics()
        whole.add(reference, actual)
        for length in [1, 7, 8, 64, 999] {
            var cut = ErrorStatistics()
            for start in stride(from: 0, to: 5000, by: length) {
                let range = start..<min(5000, start + length)
                cut.add(Array(reference[range]), Array(actual[range]))
            }
            #expect(cut.totals == whole.totals, "length \(length)")
        }
    }

    @Test func appendsStreams() {
        var first = ErrorStatistics(), second = ErrorStatistics()
        first.add([1, 2, 3], [1, 2, 2])
        second.add([5, 6], [5, 9])
        first.append(second)
        #expect(first.elementCount == 5)
        #expect(first.totals.errorSquareSum == 10)
        #expect(first.totals.errorMagnitudeSum == 4)
        #expect(first.totals.largestError == 3)
        #expect(first.totals.largestErrorIndex == 4)
    }

    @Test func nothingHasNoError() {
        let totals = ErrorStatistics().totals
        #expect(totals.rootMeanSquareError == 0)
        #expect(totals.relativeError == 0)
        #expect(totals.cosineSimilarity == 1)
        #expect(totals.largestErrorIndex == 0)
    }

    @Test func aNaNShowsInTheTotals() {
        var statistics = ErrorStatistics()
        statistics.add([1, 2], [.nan, 2.5])
        #expect(statistics.totals.errorSquareSum.isNaN)
        #expect(statistics.totals.largestError == 0.5)
    }
}

extension ErrorStatistics {
    fileprivate mutating func add(_ reference: [Float], _ actual: [Float]) {
        add(reference: reference.span, actual: actual.span)
    }
}
