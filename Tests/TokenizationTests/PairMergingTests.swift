import TestSupport
import Testing

@testable import Tokenization

@Suite struct PairMergingTests {
    /// The definition: of all pairs that can be merged, the one of lowest rank, of several the leftmost, until none is left.
    private static func mergedPlainly(_ symbols: [TokenID], _ merges: MergeTable) -> [TokenID] {
        var symbols = symbols
        while true {
            let candidates = symbols.indices.dropLast().map { (merges.entry(symbols[$0], symbols[$0 + 1]), $0) }
            guard let best = candidates.filter({ $0.0 != MergeTable.none }).min(by: { ($0.0 >> 32, $0.1) < ($1.0 >> 32, $1.1) }) else {
                return symbols
            }
            symbols[best.1...best.1 + 1] = [MergeTable.result(best.0)]
        }
    }

    /// Short and long words take different ways; both must end where the definition does.
    @Test(arguments: [2, 3, 10, 47, 48, 49, 60, 200])
    func mergesAsDefined(symbolCount: Int) {
        var generator = SeededGenerator(seed: UInt64(symbolCount))
        for _ in 0..<10 {
            var merges = MergeTable()
            // Tokens 0...3 are symbols; a merge may use any token made before it, and ranks need not follow their order.
            var ranks = Array(Int32(0)..<30).shuffled(using: &generator)
            for result in TokenID(4)..<34 {
                let parts = 0..<result
                let (left, right) = (TokenID.random(in: parts, using: &generator), TokenID.random(in: parts, using: &generator))
                if merges.entry(left, right) == MergeTable.none { merges.add(left, right, rank: ranks.removeLast(), result: result) }
            }
            let word = (0..<symbolCount).map { _ in TokenID.random(in: 0..<4, using: &generator) }
            var merging = PairMerging()
            merging.symbols = word
            merging.mergeAll(merges)
            #expect(merging.symbols == Self.mergedPlainly(word, merges))
        }
    }

    @Test func mergesEqualRanksFromTheLeft() {
        var merges = MergeTable()
        merges.add(0, 0, rank: 7, result: 1)
        for count in [5, 101] {
            var merging = PairMerging()
            merging.symbols = [TokenID](repeating: 0, count: count)
            merging.mergeAll(merges)
            #expect(merging.symbols == [TokenID](repeating: 1, count: count / 2) + [0])
        }
    }

    /// Each of these would take minutes if merging, matching or composing took the square of the length.
    @Test(arguments: ["a", "é", " ", "\n", "<", "\u{301}", "1", "日", "▁", "'"])
    func takesLongTextWithoutBreaks(_ unit: String) throws {
        let text = String(repeating: unit, count: 20000)
        for name in ["sample", "llama3", "qwen2", "marks-legacy", "sentencepiece"] {
            let tokenizer = try TokenizerFolder.fixture(name)
            let ids = tokenizer.encode(text)
            #expect(sameBytes(tokenizer.decode(ids), text) || (name, unit) == ("qwen2", "é") || unit == "▁")
        }
    }
}
