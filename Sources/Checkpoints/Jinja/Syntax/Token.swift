/// A piece of a template.
struct Token {
    enum Kind: Equatable {
        /// Text that is copied to the result.
        case text
        /// `{%` and `%}`
        case blockBegin, blockEnd
        /// `{{` and `}}`
        case outputBegin, outputEnd
        case name, string, integer, float
        /// An operator or a bracket; which one is in `text`.
        case symbol
        case end
    }

    let kind: Kind
    /// Byte offset in the source.
    let offset: Int
    /// Name, symbol, digits; of a string and of text what it stands for.
    let text: String

    /// As messages call it.
    var shown: String {
        switch kind {
        case .text: "text"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .outputBegin: "'{{'"
        case .outputEnd: "'}}'"
        case .name, .symbol, .integer, .float: "'\(text)'"
        case .string: "a string"
        case .end: "the end of the template"
        }
    }
}
