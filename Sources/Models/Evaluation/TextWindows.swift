package import Tokenization

/// A text as windows that fit a model's context.
///
///     ids      . . . . . . . . . . . . . . . .
///     window 0 [- x x x x x]                         context 6, stride 4
///     window 1         [- - x x x x]                 x: predicted, from everything before it in its window
///     window 2                 [- - x x x x]
///
/// Every token but the first of the text, or with a stride as long as the context the first of every window, is predicted
/// exactly once. A shorter stride gives tokens more context and takes longer. Samples are windows that do not overlap.
package struct TextWindows: Sendable {
    package struct Window: Hashable, Sendable {
        /// Of the text's ids.
        package let range: Range<Int>
        /// The first token that is predicted, counted in the text's ids.
        package let firstPredicted: Int
    }

    package let ids: [TokenID]
    package let windows: [Window]
    /// Tokens that are predicted in all windows together.
    package let predictedCount: Int
    /// By token; nil where all that are predicted count.
    private let isCounted: [Bool]?

    /// - Parameters:
    ///   - context: tokens of a window, at least 2.
    ///   - stride: from one window's beginning to the next; 1 to `context`.
    /// - Throws: where the text is too short to predict anything.
    package init(_ ids: [TokenID], context: Int, stride: Int) throws(EvaluationError) {
        precondition(context >= 2 && (1...context).contains(stride), "windows of \(context) tokens, every \(stride)")
        guard ids.count >= 2 else {
            throw EvaluationError("the text has \(ids.count) tokens, but it takes 2 to predict one from another")
        }
        var windows: [Window] = []
        var predicted = 0
        var start = 0
        var done = 0
        while done < ids.count {
            let end = min(start + context, ids.count)
            let first = max(done, start + 1)
            if first < end {
                windows.append(Window(range: start..<end, firstPredicted: first))
                predicted += end - first
            }
            done = end
            start += stride
        }
        self.ids = ids
        self.windows = windows
        predictedCount = predicted
        isCounted = nil
    }

    /// Samples that are read each by itself, of which only some tokens count.
    ///
    /// - Parameter samples: of each the ids, and whether predicting it counts; the first one of a sample is never predicted.
    /// - Throws: where nothing counts.
    package init(samples: [(ids: [TokenID], isCounted: [Bool])]) throws(EvaluationError) {
        var (ids, isCounted, windows): ([TokenID], [Bool], [Window]) = ([], [], [])
        var predicted = 0
        for sample in samples {
            precondition(sample.ids.count == sample.isCounted.count, "every token counts or does not")
            let range = ids.count..<ids.count + sample.ids.count
            ids += sample.ids
            isCounted += sample.isCounted
            let count = sample.isCounted.dropFirst().count { $0 }
            guard count > 0 else { continue }
            windows.append(Window(range: range, firstPredicted: range.lowerBound + 1))
            predicted += count
        }
        guard predicted > 0 else { throw EvaluationError("the samples have no token whose prediction counts") }
        self.ids = ids
        self.windows = windows
        self.isCounted = isCounted
        predictedCount = predicted
    }

    /// The tokens whose predictions count, counted in the text's ids.
    package var predicted: [Int] { windows.flatMap { ($0.firstPredicted..<$0.range.upperBound).filter(counts) } }

    /// Whether the prediction of a token of a window counts.
    func counts(_ index: Int) -> Bool { isCounted?[index] ?? true }
}
