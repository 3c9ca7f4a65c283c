import Architectures
import Parallelism
import Platform
package import Transformer

/// What two candidates make of a text, beside the model that both stand for.
package struct CandidateReport: Sendable {
    package struct Candidate: Sendable {
        package fileprivate(set) var perplexity = Perplexity()
        /// From the reference to it, in nats.
        package fileprivate(set) var divergence = SampleMean()
        /// Tokens for which it holds the same token for the most likely as the reference.
        package fileprivate(set) var sameTopCount = 0

        package var sameTopShare: Double { Double(sameTopCount) / Double(max(1, divergence.count)) }
        /// Binomial.
        package var sameTopError: Double { (sameTopShare * (1 - sameTopShare) / Double(max(1, divergence.count))).squareRoot() }
    }

    package fileprivate(set) var reference = Perplexity()
    package fileprivate(set) var a = Candidate()
    package fileprivate(set) var b = Candidate()
    /// Of B less that of A, token by token.
    package fileprivate(set) var divergenceIncrease = PairedMean()
    package fileprivate(set) var lossIncrease = PairedMean()

    package var tokenCount: Int { a.divergence.count }
    /// Perplexity of B over that of A, and its error.
    package var perplexityRatio: Double { exp(lossIncrease.mean) }
    package var perplexityRatioError: Double { perplexityRatio * lossIncrease.standardError }
}

/// A reference and two candidates side by side on a text, in one pass.
package struct CandidateComparison {
    private let reference: EvaluationModel
    private let candidates: [EvaluationModel]
    private let windows: TextWindows
    private let engine: MatrixEngine

    /// Positions of the reference whose logits wait for the others' take no more memory than this.
    private static let logitByteCountTarget = 64 << 20
    private static let largestChunk = 512

    /// - Throws: where the models do not know the same number of tokens, or the text has others.
    package init(
        _ a: EvaluationModel, _ b: EvaluationModel, against reference: EvaluationModel, on windows: TextWindows, engine: MatrixEngine
    ) throws(EvaluationError) {
        let count = reference.configuration.vocabularySize
        for model in [a, b] where model.configuration.vocabularySize != count {
            throw EvaluationError(
                "\(reference.name) knows \(count) tokens, but \(model.name) knows \(model.configuration.vocabularySize)",
                hint: "only models of the same vocabulary can be compared token by token")
        }
        for model in [reference, a, b] { try model.check(windows) }
        self.reference = reference
        candidates = [a, b]
        self.windows = windows
        self.engine = engine
    }

    /// What a candidate says of one token.
    fileprivate struct Measured {
        var referenceLoss = 0.0
        var loss = 0.0
        var divergence = 0.0
        var hasSameTop = false
    }

    /// - Parameter progress: told of tokens predicted, by all of them, since the last call.
    package func run(progress: (Int) -> Void = { _ in }) throws -> CandidateReport {
        let width = reference.configuration.vocabularySize
        let context = windows.windows.map(\.range.count).max() ?? 2
        let own = reference.session(context: context, engine: engine)
        let sessions = candidates.map { $0.session(context: context, engine: engine) }
        let chunk = max(1, min(Self.largestChunk, Self.logitByteCountTarget / (4 * width)))
        var logits = [Float](repeating: 0, count: min(chunk, context) * width)
        var report = CandidateReport()
        for window in windows.windows {
            report.divergenceIncrease.beginWindow()
            report.lossIncrease.beginWindow()
            for session in sessions + [own] { session.reset() }
            let needed = try own.read(window, of: windows.ids)
            for session in sessions { _ = try session.read(window, of: windows.ids) }
            for start in stride(from: needed.lowerBound, to: needed.upperBound, by: chunk) {
                let ids = Array(windows.ids[start..<min(start + chunk, needed.upperBound)])
                try own.append(ids) { first, rows in
                    logits.withUnsafeMutableBufferPointer {
                        _ = UnsafeMutableBufferPointer(rebasing: $0[(first * width)...]).update(from: rows)
                    }
                }
                var found: [[Measured]] = [[], []]
                for (number, session) in sessions.enumerated() {
                    try session.append(ids) { first, rows in
                        found[number] += try logits.withUnsafeBufferPointer { logits in
                            try places(
                                UnsafeBufferPointer(rebasing: logits[(first * width)...]), rows, after: start + first,
                                of: candidates[number])
                        }
                    }
                }
                for (a, b) in zip(found[0], found[1]) { report.add(a, b) }
                progress(found[0].count)
            }
        }
        return report
    }

    /// What the rows [n, V] of a candidate say beside those of the reference, where that counts; row i follows token `start` + i.
    private func places(
        _ rows: UnsafeBufferPointer<Float>, _ candidateRows: UnsafeBufferPointer<Float>, after start: Int, of candidate: EvaluationModel
    ) throws(EvaluationError) -> [Measured] {
        let width = reference.configuration.vocabularySize, ids = windows.ids
        let counted = (0..<candidateRows.count / width).filter { windows.counts(start + $0 + 1) }
        // The sessions' memory, only read until they go on.
        nonisolated(unsafe) let (rows, candidateRows) = (rows, candidateRows)
        let found = Disjoint(repeating: Measured(), count: counted.count)
        engine.pool.forEach(count: counted.count) { number, _ in
            let index = counted[number], target = Int(ids[start + index + 1])
            let (own, other) = (LogitRow(rows.row(index, width: width)), LogitRow(candidateRows.row(index, width: width)))
            found[number] = Measured(
                referenceLoss: own.loss(of: target), loss: other.loss(of: target), divergence: own.divergence(to: other),
                hasSameTop: own.top == other.top)
        }
        let places = found.values
        for (index, place) in zip(counted, places) {
            if !place.referenceLoss.isFinite { throw .notFinite(reference, position: start + index) }
            if !place.loss.isFinite || !place.divergence.isFinite { throw .notFinite(candidate, position: start + index) }
        }
        return places
    }
}

extension CandidateReport {
    fileprivate mutating func add(_ first: CandidateComparison.Measured, _ second: CandidateComparison.Measured) {
        reference.add(loss: first.referenceLoss)
        a.add(first)
        b.add(second)
        divergenceIncrease.add(second.divergence - first.divergence)
        lossIncrease.add(second.loss - first.loss)
    }
}

extension CandidateReport.Candidate {
    fileprivate mutating func add(_ place: CandidateComparison.Measured) {
        perplexity.add(loss: place.loss)
        divergence.add(place.divergence)
        if place.hasSameTop { sameTopCount += 1 }
    }
}
