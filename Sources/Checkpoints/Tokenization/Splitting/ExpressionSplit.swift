/// Text cut where an expression matches, as the pre-tokenizer `Split` and its like do.
struct ExpressionSplit: Hashable, Sendable {
    /// What becomes of matches, and of what lies between.
    enum Behavior: Hashable, Sendable {
        /// Each match a word, and each gap.
        case isolated
        /// Gaps are words; matches are left out.
        case matchesRemoved
        /// Matches are words; gaps are left out.
        case gapsRemoved
        /// A gap with the match behind it.
        case mergedWithPrevious
        /// A match with the gap behind it.
        case mergedWithNext
        /// Matches without a gap between are one word.
        case contiguous
    }

    let automaton: ExpressionAutomaton
    let behavior: Behavior

    /// What is known of a text while it is cut.
    struct State {
        var failures = MatchFailures()
        /// The first match from some place on, up to which there is none; empty at the end.
        var match: Range<Int>?
    }

    /// Where the word that begins at `start` ends, which is after `start`, and whether it is kept.
    func nextWord(in text: Span<UInt8>, from start: Int, to end: Int, _ state: inout State) -> (end: Int, isKept: Bool) {
        guard let match = firstMatch(in: text, from: start, to: end, &state) else { return (end, behavior != .gapsRemoved) }
        guard match.lowerBound == start else {
            let gapEnd = behavior == .mergedWithPrevious ? match.upperBound : match.lowerBound
            return (gapEnd, behavior != .gapsRemoved)
        }
        switch behavior {
        case .isolated, .gapsRemoved, .mergedWithPrevious: return (match.upperBound, true)
        case .matchesRemoved: return (match.upperBound, false)
        case .mergedWithNext:
            let next = firstMatch(in: text, from: match.upperBound, to: end, &state)
            return (next?.lowerBound ?? end, true)
        case .contiguous:
            var runEnd = match.upperBound
            while let next = firstMatch(in: text, from: runEnd, to: end, &state), next.lowerBound == runEnd { runEnd = next.upperBound }
            return (runEnd, true)
        }
    }

    private func firstMatch(in text: Span<UInt8>, from start: Int, to end: Int, _ state: inout State) -> Range<Int>? {
        if state.match.map({ $0.lowerBound < start }) ?? true {
            state.match = automaton.firstMatch(in: text, from: start, to: end, &state.failures) ?? end..<end
        }
        return state.match.flatMap { $0.isEmpty ? nil : $0 }
    }
}
