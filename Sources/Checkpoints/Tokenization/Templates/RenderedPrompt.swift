/// A prompt or a training sample as text, and who says what.
package struct RenderedPrompt: Hashable, Sendable {
    package enum Piece: Hashable, Sendable {
        /// Written by the template, or to be read as if it were: special tokens in it are tokens.
        case markup(String, isResponse: Bool)
        /// Said by someone: what looks like a special token in it is text.
        case said(String, isResponse: Bool)
        /// The tokenizer's end of text; belongs to the response before it.
        case endOfText

        /// Whether the model is to write, and to learn, it.
        package var isResponse: Bool {
            switch self {
            case .markup(_, let isResponse), .said(_, let isResponse): isResponse
            case .endOfText: true
            }
        }
    }

    package let pieces: [Piece]
    package let beginning: PromptTemplate.Beginning

    /// What can be read of it, without an end of text.
    package var text: String {
        pieces.reduce(into: "") { text, piece in
            switch piece {
            case .markup(let written, _), .said(let written, _): text += written
            case .endOfText: break
            }
        }
    }
}
