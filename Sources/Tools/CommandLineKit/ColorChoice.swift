/// What `--color` asks for.
package enum ColorChoice: String, CaseIterable, Sendable {
    case auto, always, never

    /// The last well-formed `--color` among the words, read before anything else is checked,
    /// so that a usage error about some other word is printed as asked.
    static func requested(in line: [String]) -> ColorChoice {
        var choice = ColorChoice.auto
        let words = line.prefix { $0 != "--" }
        for (index, word) in words.enumerated() {
            if word == "--color", index + 1 < words.count { choice = ColorChoice(rawValue: words[index + 1]) ?? choice }
            if word.utf8.starts(with: "--color=".utf8) { choice = ColorChoice(rawValue: String(word.dropFirst(8))) ?? choice }
        }
        return choice
    }
}
