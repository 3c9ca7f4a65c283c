/// Writes turns one after another as pieces of a prompt.
struct PromptWriter {
    private let format: PromptFormat
    /// Whether special tokens in what is said are tokens.
    private let parsesSpecialTokens: Bool
    private var pieces: [RenderedPrompt.Piece] = []
    /// A system message that waits for the user's.
    private var waitingSystem: String?

    init(format: PromptFormat, parsesSpecialTokens: Bool) {
        self.format = format
        self.parsesSpecialTokens = parsesSpecialTokens
    }

    mutating func add(_ message: ChatMessage) {
        switch message.role {
        case .system:
            guard let turn = format.system else {
                waitingSystem = message.content
                return
            }
            add(message.content, turn)
        case .user:
            let system = waitingSystem.map { $0 + "\n\n" } ?? ""
            waitingSystem = nil
            add(system + message.content, format.user)
        case .assistant:
            openResponse()
            addSaid(format.responsePrefix + trimmed(message.content), isResponse: true)
            switch format.end {
            case .endOfText: pieces.append(.endOfText)
            case .token(let end): pieces.append(.markup(end, isResponse: true))
            }
            addMarkup(format.afterEnd)
        }
    }

    mutating func add(instruction: String, input: String) {
        guard let turn = format.input, !input.isEmpty else {
            return add(ChatMessage(.user, input.isEmpty ? instruction : "\(instruction)\n\n\(input)"))
        }
        add(ChatMessage(.user, instruction))
        add(input, turn)
    }

    mutating func openResponse() { addMarkup(format.opening) }

    func finish(_ beginning: PromptTemplate.Beginning) -> RenderedPrompt { RenderedPrompt(pieces: pieces, beginning: beginning) }

    private mutating func add(_ content: String, _ turn: PromptFormat.Turn) {
        addMarkup(turn.before)
        addSaid(trimmed(content), isResponse: false)
        addMarkup(turn.after)
    }

    private mutating func addSaid(_ text: String, isResponse: Bool) {
        pieces.append(parsesSpecialTokens ? .markup(text, isResponse: isResponse) : .said(text, isResponse: isResponse))
    }

    private mutating func addMarkup(_ text: String) {
        if !text.isEmpty { pieces.append(.markup(text, isResponse: false)) }
    }

    private func trimmed(_ text: String) -> String {
        guard format.trims else { return text }
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !Self.isStripped($0) }),
            let last = scalars.lastIndex(where: { !Self.isStripped($0) })
        else { return "" }
        return String(scalars[first...last])
    }

    /// What Jinja's `trim` takes away, which is Python's white space: Unicode's and four separators.
    private static func isStripped(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || ("\u{1c}"..."\u{1f}").contains(scalar)
    }
}
