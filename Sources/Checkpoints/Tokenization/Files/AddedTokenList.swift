/// Tokens that are added to a vocabulary, with the ids that the tokenizers library gives them.
///
/// A token that the vocabulary has keeps its id, one that is added again too, and takes on the later flags. Any other gets the next
/// id behind those that are there, whatever the file says.
struct AddedTokenList {
    /// The model's own, and what was added.
    private(set) var vocabulary: Vocabulary
    private(set) var tokens: [AddedToken] = []
    private var indexes: [[UInt8]: Int] = [:]
    /// Tokens of the model's own vocabulary.
    private let ownCount: Int
    /// The highest id that an added token has.
    private var highestID: TokenID?
    /// Of tokens whose files state another id.
    private var movedTokens: [String] = []
    /// Of tokens for which no file states one.
    private var unstatedTokens: [String] = []

    init(_ vocabulary: Vocabulary) {
        self.vocabulary = vocabulary
        ownCount = vocabulary.spellingCount
    }

    var warnings: [String] {
        [movedTokens, unstatedTokens].compactMap { list in
            list.first.map { $0 + (list.count > 1 ? ", and \(list.count - 1) more like it" : "") }
        }
    }

    /// - Parameter statesID: whether the token's id is what a file says; else it has none yet.
    mutating func add(_ token: AddedToken, statesID: Bool = true) throws(Malformed) {
        guard !token.content.isEmpty else { return }
        var token = token
        let stated = token.id
        if let known = vocabulary.id(of: token.content) {
            token.id = known
        } else {
            token.id = highestID.map { Int($0) >= ownCount ? $0 + 1 : TokenID(ownCount) } ?? TokenID(ownCount)
            // Where the vocabulary has gaps, another token may have that id.
            try vocabulary.addOver(token.content, id: Int(token.id))
            if !statesID { unstatedTokens.append("'\(token.shown)' has a role, but no id in the files: it becomes token \(token.id)") }
        }
        if statesID, stated != token.id {
            movedTokens.append(
                "the file gives the added token '\(token.shown)' the id \(stated), but its place gives it \(token.id), which counts")
        }
        highestID = max(highestID ?? 0, token.id)
        if let index = indexes[token.content] {
            tokens[index] = token
        } else {
            indexes[token.content] = tokens.count
            tokens.append(token)
        }
    }

    /// Adds what tokenizer_config.json and its like name and the tokenizer's own file does not list.
    mutating func add(_ roles: TokenRoles) throws(Malformed) {
        for token in roles.addedTokens where indexes[token.content].map({ !tokens[$0].hasFlags(of: token) }) ?? true { try add(token) }
        for token in roles.namedTokens where indexes[token.content] == nil { try add(token, statesID: false) }
    }
}

extension AddedToken {
    fileprivate var shown: String { String(decoding: content.prefix(100), as: UTF8.self) }

    fileprivate func hasFlags(of other: AddedToken) -> Bool {
        var moved = other
        moved.id = id
        return self == moved
    }
}
