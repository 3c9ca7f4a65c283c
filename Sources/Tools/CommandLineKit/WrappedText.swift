/// Text broken into lines of at most a given width.
enum WrappedText {
    /// A space at which no line ends.
    static let tie: Character = "\u{A0}"

    /// Breaks at spaces but not at ties, which become spaces; a word that is longer than a line gets a line of its own.
    static func lines(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.displayWidth + 1 + String(word).displayWidth > width {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { $0.substituting([tie: " "]) }
    }

    /// Paragraphs are separated by blank lines; lines that start with a space are a table or an example and stay as they are.
    static func paragraphs(_ text: String, width: Int) -> [String] {
        var result: [String] = []
        var paragraph: [Substring] = []
        func endParagraph() {
            result += lines(paragraph.joined(separator: " "), width: width)
            paragraph = []
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty || line.first == " " {
                endParagraph()
                result.append(String(line))
            } else {
                paragraph.append(line)
            }
        }
        endParagraph()
        return result
    }
}
