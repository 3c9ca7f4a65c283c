import CommandLineKit
import Testing

@Suite struct DisplayWidthTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("naïve", 5), ("nai\u{308}ve", 5), ("日本語", 6), ("한국", 4), ("ｆｕｌｌ", 8), ("👍", 2),
        ("👩‍👩‍👧", 2), ("🇩🇪", 2), ("…", 1), ("µs", 2),
    ])
    func width(text: String, expected: Int) {
        #expect(text.displayWidth == expected)
    }

    @Test(arguments: [
        ("abcdefghij", 10, "abcdefghij"), ("abcdefghij", 9, "abcd…ghij"), ("abcdefghij", 4, "ab…j"), ("abcdefghij", 2, "a…"),
        ("abcdefghij", 1, "…"), ("日本語日本語", 8, "日本…語"), ("日本語日本語", 9, "日本…本語"), ("日本語", 2, "…"),
    ])
    func cutsTheMiddle(text: String, width: Int, expected: String) {
        let cut = text.middleTruncated(to: width)
        #expect(cut == expected)
        #expect(cut.displayWidth <= width)
    }

    @Test(arguments: [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("abcdef", 1, "…"), ("abcdef", 0, ""), ("日本語", 4, "日…")])
    func cutsTheEnd(text: String, width: Int, expected: String) {
        #expect(text.truncated(to: width) == expected)
    }
}
