import CommandLineKit
import Testing

@Suite struct TerminalSafeTests {
    @Test(arguments: [
        ("h.0.attn", "h.0.attn"), ("naïve 日本 👍🏽 e\u{301}", "naïve 日本 👍🏽 e\u{301}"), ("C:\\x", "C:\\x"), ("", ""),
        ("a\u{1B}]0;title\u{7}b", "a\\u{1b}]0;title\\u{7}b"), ("a\nb\r\nc\t", "a\\nb\\r\\nc\\t"),
        ("\u{7F}\u{9B}2J", "\\u{7f}\\u{9b}2J"),
        ("\u{202E}gnp.exe", "\\u{202e}gnp.exe"), ("\u{2028}\u{2066}\u{200F}", "\\u{2028}\\u{2066}\\u{200f}"), ("\0", "\\u{0}"),
    ])
    func escapes(text: String, expected: String) {
        #expect(text.terminalSafe == expected)
    }
}
