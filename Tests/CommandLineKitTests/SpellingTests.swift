import CommandLineKit
import Testing

@Suite struct SpellingTests {
    @Test(arguments: [
        ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("ab", "ba", 1), ("output", "ouptut", 1), ("same", "same", 0),
    ])
    func distance(a: String, b: String, expected: Int) {
        #expect(Spelling.distance(Array(a.utf8), Array(b.utf8)) == expected)
    }

    @Test(arguments: [
        ("ouput", "output"), ("OUTPUT", "output"), ("max-mem", "max-memory"), ("xyz", nil), ("q", nil), ("o", nil), ("", nil),
        (String(repeating: "x", count: 100_000), nil),
    ])
    func nearest(typed: String, expected: String?) {
        #expect(Spelling.nearest(to: typed, among: ["output", "max-memory", "threads"]) == expected)
    }
}
