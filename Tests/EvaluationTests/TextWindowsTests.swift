import Testing

@testable import Evaluation

@Suite struct TextWindowsTests {
    /// Tokens, context, stride, and the ranges with the first token predicted in each.
    @Test(arguments: [
        (10, 4, 4, ["0..<4 1", "4..<8 5", "8..<10 9"]),
        (9, 4, 4, ["0..<4 1", "4..<8 5"]),
        (8, 4, 4, ["0..<4 1", "4..<8 5"]),
        (10, 6, 4, ["0..<6 1", "4..<10 6"]),
        (11, 6, 4, ["0..<6 1", "4..<10 6", "8..<11 10"]),
        (5, 4, 1, ["0..<4 1", "1..<5 4"]),
        (2, 100, 50, ["0..<2 1"]),
        (3, 2, 2, ["0..<2 1"]),
        (4, 2, 1, ["0..<2 1", "1..<3 2", "2..<4 3"]),
    ])
    func cutsText(count: Int, context: Int, stride: Int, expected: [String]) throws {
        let windows = try TextWindows((0..<Int32(count)).map { $0 }, context: context, stride: stride)
        #expect(windows.windows.map { "\($0.range) \($0.firstPredicted)" } == expected)
        #expect(windows.predictedCount == windows.windows.reduce(0) { $0 + $1.range.upperBound - $1.firstPredicted })
    }

    @Test(arguments: 2...12, [3, 5, 8])
    func predictsEveryTokenOnce(context: Int, divisor: Int) throws {
        let stride = max(1, context - context / divisor)
        for count in 2...40 {
            let windows = try TextWindows([Int32](repeating: 0, count: count), context: context, stride: stride)
            var seen = [Int](repeating: 0, count: count)
            for window in windows.windows {
                #expect(window.range.count <= context && window.firstPredicted > window.range.lowerBound)
                for token in window.firstPredicted..<window.range.upperBound { seen[token] += 1 }
            }
            // The first token of the text has nothing before it; nor has, without overlap, the first of any window.
            let isFirst = { (token: Int) in stride == context ? token % context == 0 : token == 0 }
            #expect(seen.indices.allSatisfy { seen[$0] == (isFirst($0) ? 0 : 1) })
        }
    }

    /// The first token of a sample is never predicted, and a sample of which nothing counts is not read.
    @Test func readsSamplesEachByItself() throws {
        let windows = try TextWindows(samples: [
            ([1, 2, 3], [true, false, true]), ([4, 5], [true, false]), ([6], [true]), ([7, 8, 9], [false, true, true]),
        ])
        #expect(windows.windows.map { "\($0.range) \($0.firstPredicted)" } == ["0..<3 1", "6..<9 7"])
        #expect(windows.predicted == [2, 7, 8] && windows.predictedCount == 3 && windows.ids == Array(1...9))
        let error = #expect(throws: EvaluationError.self) { try TextWindows(samples: [([1], [true]), ([1, 2], [true, false])]) }
        #expect(error?.message == "the samples have no token whose prediction counts")
    }

    @Test func needsTwoTokens() {
        let error = #expect(throws: EvaluationError.self) { try TextWindows([1], context: 4, stride: 4) }
        #expect(error?.message == "the text has 1 tokens, but it takes 2 to predict one from another")
    }
}
