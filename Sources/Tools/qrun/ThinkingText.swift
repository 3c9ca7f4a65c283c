import CommandLineKit

/// Writes what a model says, what it thinks before (`<think>` to `</think>`) dimmed.
struct ThinkingText {
    private let console: Console
    private var isThinking: Bool
    /// What may be the beginning of a mark.
    private var pending = ""

    private static let marks = (begin: "<think>", end: "</think>")

    /// - Parameter prompt: what the model goes on with; some end inside a thought.
    init(after prompt: String?, _ console: Console) {
        self.console = console
        isThinking = prompt.map { $0.reversed().drop { $0.isWhitespace }.starts(with: Self.marks.begin.reversed()) } ?? false
    }

    /// Everything that is certain is written at once. Where nothing is dimmed the text stays as it is.
    mutating func write(_ text: String) throws {
        let isTerminal = console.outputTerminal.isTerminal
        guard isTerminal, console.style.isEnabled else {
            if !text.isEmpty { try console.write(isTerminal ? text.printable : text) }
            return try console.flush()
        }
        pending += text
        while let mark = pending.firstRange(of: isThinking ? Self.marks.end : Self.marks.begin) {
            let cut = isThinking ? mark.upperBound : mark.lowerBound
            try emit(pending[..<cut])
            pending.removeSubrange(..<cut)
            isThinking.toggle()
            guard isThinking else { continue }
            try emit(Substring(Self.marks.begin))
            pending.removeFirst(Self.marks.begin.count)
        }
        let kept = Self.heldCount(pending, isThinking ? Self.marks.end : Self.marks.begin)
        try emit(pending.dropLast(kept))
        pending = String(pending.suffix(kept))
        try console.flush()
    }

    mutating func finish() throws {
        try emit(pending[...])
        pending = ""
    }

    private func emit(_ text: Substring) throws {
        guard !text.isEmpty else { return }
        let shown = String(text).printable
        try console.write(isThinking ? console.style.dim(shown) : shown)
    }

    /// How many of the last characters may begin a mark.
    private static func heldCount(_ text: String, _ mark: String) -> Int {
        (0..<mark.count).reversed().first { text.hasSuffix(mark.prefix($0)) } ?? 0
    }
}
