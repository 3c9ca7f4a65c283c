/// Writes turns one after another as pieces of a prompt.
struct PromptWriter {
    private let format: PromptFormat
    private var pieces: [RenderedPrompt.Piece] = []
    /// A system message that waits for the user's.
    private var waitingSystem: String?

    init(format: PromptFormat) {
        self.format = format
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
            pieces.append(.said(format.responsePrefix + trimmed(message.content), isResponse: true))
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

    func finish() -> RenderedPrompt { RenderedPrompt(pieces: pieces) }

    private mutating func add(_ content: String, _ turn: PromptFormat.Turn) {
        addMarkup(turn.before)
        pieces.append(.said(trimmed(content), isResponse: false))
        addMarkup(turn.after)
    }

    private mutating func addMarkup(_ text: String) {
        if !text.isEmpty { pieces.append(.markup(text, isResponse: false)) }
    }

    private func trimmed(_ text: String) -> String {
        guard format.trims else { return text }
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }
}
