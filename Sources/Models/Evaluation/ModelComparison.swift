import Architectures
import Parallelism
import Tokenization
package import Transformer

/// Two models side by side on a text, window by window: no logits are kept but those of a few positions.
package struct ModelComparison {
    private let a: EvaluationModel
    private let b: EvaluationModel
    private let windows: TextWindows
    private let engine: MatrixEngine
    private let largestCount: Int

    /// Positions of A whose logits wait for B's take no more memory than this.
    private static let logitByteCountTarget = 64 << 20
    private static let largestChunk = 512

    /// - Parameter largestCount: how many of the largest differences are reported.
    /// - Throws: where the models do not know the same number of tokens, or the text has others.
    package init(
        _ a: EvaluationModel, _ b: EvaluationModel, on windows: TextWindows, engine: MatrixEngine, largestCount: Int = 5
    ) throws(EvaluationError) {
        guard a.configuration.vocabularySize == b.configuration.vocabularySize else {
            throw EvaluationError(
                "\(a.name) knows \(a.configuration.vocabularySize) tokens, but \(b.name) knows \(b.configuration.vocabularySize)",
                hint: "only models of the same vocabulary can be compared token by token")
        }
        try a.check(windows)
        try b.check(windows)
        self.a = a
        self.b = b
        self.windows = windows
        self.engine = engine
        self.largestCount = largestCount
    }

    /// - Parameter progress: told of tokens predicted, by both, since the last call.
    package func run(progress: (Int) -> Void = { _ in }) throws -> ComparisonReport {
        let width = a.configuration.vocabularySize
        let context = windows.windows.map(\.range.count).max() ?? 2
        let (sessionA, sessionB) = (a.session(context: context, engine: engine), b.session(context: context, engine: engine))
        let chunk = max(1, min(Self.largestChunk, Self.logitByteCountTarget / (4 * width)))
        var logitsA = [Float](repeating: 0, count: min(chunk, context) * width)
        var report = ComparisonReport()
        for window in windows.windows {
            sessionA.reset()
            sessionB.reset()
            let needed = try sessionA.read(window, of: windows.ids)
            _ = try sessionB.read(window, of: windows.ids)
            for start in stride(from: needed.lowerBound, to: needed.upperBound, by: chunk) {
                let ids = Array(windows.ids[start..<min(start + chunk, needed.upperBound)])
                try sessionA.append(ids) { first, rows in logitsA.store(rows, at: first * width) }
                try sessionB.append(ids) { first, rows in
                    let places = try logitsA.withUnsafeBufferPointer { logits in
                        try differences(UnsafeBufferPointer(rebasing: logits[(first * width)...]), rows, after: start + first)
                    }
                    for place in places { report.add(place, largestCount: largestCount) }
                    progress(places.count)
                }
            }
        }
        report.sortedDivergences.sort()
        return report
    }

    /// What the rows [n, V] of B and as many of A say, where that counts; row i follows token `start` + i.
    private func differences(
        _ rowsA: UnsafeBufferPointer<Float>, _ rowsB: UnsafeBufferPointer<Float>, after start: Int
    ) throws(EvaluationError) -> [ComparisonReport.Difference] {
        let width = a.configuration.vocabularySize
        let ids = windows.ids
        let counted = (0..<rowsB.count / width).filter { windows.counts(start + $0 + 1) }
        let nothing = ComparisonReport.Difference(position: 0, divergence: 0, lossA: 0, lossB: 0, topA: 0, topB: 0)
        // The sessions' memory, only read until both go on.
        nonisolated(unsafe) let (rowsA, rowsB) = (rowsA, rowsB)
        let found = Disjoint(repeating: nothing, count: counted.count)
        engine.pool.forEach(count: counted.count) { number, _ in
            let index = counted[number]
            let (rowA, rowB) = (LogitRow(rowsA.row(index, width: width)), LogitRow(rowsB.row(index, width: width)))
            let target = Int(ids[start + index + 1])
            found[number] = ComparisonReport.Difference(
                position: start + index + 1, divergence: rowA.divergence(to: rowB), lossA: rowA.loss(of: target),
                lossB: rowB.loss(of: target), topA: TokenID(rowA.top), topB: TokenID(rowB.top))
        }
        let places = found.values
        for place in places {
            if !place.lossA.isFinite { throw .notFinite(a, position: place.position - 1) }
            if !place.lossB.isFinite || !place.divergence.isFinite { throw .notFinite(b, position: place.position - 1) }
        }
        return places
    }
}

extension ComparisonReport {
    fileprivate mutating func add(_ place: Difference, largestCount: Int) {
        a.add(loss: place.lossA)
        b.add(loss: place.lossB)
        lossIncrease.add(place.lossB - place.lossA)
        divergence.add(place.divergence)
        sortedDivergences.append(place.divergence)
        if place.topA == place.topB { sameTopCount += 1 }
        let rank = largest.firstIndex { $0.divergence < place.divergence } ?? largest.count
        guard rank < largestCount else { return }
        largest.insert(place, at: rank)
        if largest.count > largestCount { largest.removeLast() }
    }
}

extension [Float] {
    fileprivate mutating func store(_ rows: UnsafeBufferPointer<Float>, at start: Int) {
        withUnsafeMutableBufferPointer { _ = UnsafeMutableBufferPointer(rebasing: $0[start...]).update(from: rows) }
    }
}
