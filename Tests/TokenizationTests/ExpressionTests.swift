import TestSupport
import Testing

@testable import Tokenization

/// Expressions against what the tokenizers library 0.23.3 cuts with them.
@Suite struct ExpressionTests {
    private static func words(_ source: String, _ text: String, _ behavior: ExpressionSplit.Behavior = .isolated) throws -> [String] {
        let split = ExpressionSplit(automaton: try ExpressionAutomaton(source), behavior: behavior)
        return words(.expression(split), text)
    }

    private static func words(_ rule: SplittingRule, _ text: String) -> [String] {
        let bytes = Array(text.utf8)
        var (words, position, state) = ([String](), 0, ExpressionSplit.State())
        while position < bytes.count {
            let (end, isKept) = rule.nextWord(in: bytes.span, from: position, to: bytes.count, WordScanning(), &state)
            if isKept { words.append(String(decoding: bytes[position..<end], as: UTF8.self)) }
            position = end
        }
        return words
    }

    @Test(arguments: [
        (#"\p{N}{1,3}"#, "a1234567b", ["a", "123", "456", "7", "b"]), (#"\p{N}{1,3}+"#, "a1234567b", ["a", "1234567", "b"]),
        (#"\s++$"#, "a  \n  b  ", ["a  \n  b", "  "]), (#"\s+$"#, "a  \n  b  ", ["a", "  ", "\n  b", "  "]),
        (#"\s+\z"#, "a  \n  b \n", ["a  \n  b", " \n"]), ("a?+a", "aab", ["aa", "b"]), ("a{1,2}?", "aaab", ["a", "a", "a", "b"]),
        ("a{2}+", "aaaaab", ["aaaa", "ab"]), ("(?i:'s|'k)", "'s'S'ſ'k'K'\u{212a}", ["'s", "'S", "'ſ", "'k", "'K", "'\u{212a}"]),
        (".", "a\nb\r", ["a", "\n", "b", "\r"]), ("[a-c&&[^b]]", "abcd", ["a", "b", "c", "d"]), (#"\h+"#, "xagf1", ["x", "a", "g", "f1"]),
        ("a|ab", "abab", ["a", "b", "a", "b"]), ("(?:a|b)*?c", "abcabd", ["abc", "abd"]),
        (#"[^(\s|[.,])]+"#, "a(b|c. d", ["a", "(", "b", "|", "c", ". ", "d"]),
        (#"\p{Han}+|\p{^L}"#, "a漢字1b", ["a", "漢字", "1", "b"]), (#"[\x{4E00}-\x{9FA5}]+|\u0031"#, "漢1x", ["漢", "1", "x"]),
        ("(?=a)a|b(?!c)", "abcb", ["a", "bc", "b"]),
        ("'(?i:[sk]|ll)", "'S'ſ'K'Ll'x", ["'S", "'ſ", "'K", "'Ll", "'x"]),
    ])
    func cutsAsTheLibraryDoes(source: String, text: String, words: [String]) throws {
        #expect(try Self.words(source, text) == words)
    }

    @Test(
        arguments: [
            (.matchesRemoved, ["a", "bb"], ["a", "b"]), (.gapsRemoved, ["x", "x", "x", "x", "x"], ["x", "x"]),
            (.isolated, ["x", "x", "a", "x", "bb", "x", "x"], ["a", "x", "x", "b"]),
            (.mergedWithPrevious, ["x", "x", "ax", "bbx", "x"], ["ax", "x", "b"]),
            (.mergedWithNext, ["x", "xa", "xbb", "x", "x"], ["a", "x", "xb"]),
            (.contiguous, ["xx", "a", "x", "bb", "xx"], ["a", "xx", "b"]),
        ] as [(ExpressionSplit.Behavior, [String], [String])])
    func keepsMatchesAndGaps(behavior: ExpressionSplit.Behavior, first: [String], second: [String]) throws {
        #expect(try Self.words("x", "xxaxbbxx", behavior) == first)
        #expect(try Self.words("x", "axxb", behavior) == second)
    }

    @Test(arguments: [
        ("(a)\\1", #"'\1'"#), ("(?<=a)b", "a look-behind or a name"), ("(?>a)", "a group '(?>'"), ("^a", "the anchor '^'"),
        (#"\ba"#, #"'\b'"#), ("a*", "a match without a character"), ("(?:a?)*", "a repetition of what may be empty"),
        ("(?!ab)a", "a look-ahead at more than one character"), ("(?:ab)++", "a possessive repetition of more than one character"),
        ("[[:alpha:]]", "a '[:name:]'"), (#"\p{Greek}"#, #"'\p{Greek}'"#), ("(?i:ss)", "'ss' where case does not count"),
        ("a{2}?", "a '{n}?'"), ("a{999}", "a count that is not from 1 to 64"), ("(a", "a '(' without a ')'"), ("a)", "a ')' without a '('"),
        ("[a", "a '[' without a ']'"), ("[b-a]", "a '-' that is no range in a '['"), ("*a", "a repetition of nothing"),
        ("a\\", #"a '\' at the end"#),
        (String(repeating: "(", count: 40), "more than 32 groups in one another"), ("(?:(?:a{64}){64}){64}", "more than 1000 steps"),
        ("a+?+?+?", "more than two repetitions of one another"),
        ("a{x}", "a '{' that is no count"), (#"\xZZ"#, #"a '\x' or '\u' that is no character"#),
    ])
    func refusesByName(source: String, what: String) {
        let refusal = #expect(throws: ExpressionParser.Refusal.self) { try ExpressionAutomaton(source) }
        #expect(refusal?.what == what)
    }

    /// The functions of the most frequent expressions find what the automaton of the same expression finds.
    @Test func fastRulesAreTheirExpressions() throws {
        let alphabet = Array("aZé 1²\t\n\r\u{a0}'stSlLreVd.,_ſ日\u{301}👍".unicodeScalars)
        var random = SeededGenerator(seed: 7)
        let rules = try SplittingRule.bySpelling.map { spelling, rule in
            (rule, SplittingRule.expression(ExpressionSplit(automaton: try ExpressionAutomaton(spelling), behavior: .isolated)))
        }
        #expect(rules.count == 4)
        for _ in 0..<600 {
            var text = ""
            for _ in 0..<Int.random(in: 1...24, using: &random) {
                text.unicodeScalars.append(alphabet.randomElement(using: &random) ?? "a")
            }
            for (rule, expression) in rules { #expect(Self.words(rule, text) == Self.words(expression, text), "\(text.debugDescription)") }
        }
    }

    /// Each attempt would otherwise run through all of the spaces, for nothing.
    @Test(.timeLimit(.minutes(1)), arguments: [#"\s+$"#, #"a+b|a"#])
    func takesTimeInProportion(source: String) throws {
        let text = String(repeating: source.hasPrefix("a") ? "a" : " ", count: 100_000) + "x"
        #expect(try Self.words(source, text).joined() == text)
    }
}
