import Architectures
import CommandLineKit
import JSONText
import ModelLoading
import ModelToolSupport
import Tokenization
import ToolSupport
import Transformer

/// What guesses tokens that are run before they are chosen.
enum DraftChoice {
    /// `--lookup`: the text itself.
    case lookup
    /// `--draft MODEL`
    case model(String)

    init?(_ arguments: ParsedArguments) throws {
        let path = arguments.string("draft")
        guard !arguments.flag("lookup") || path == nil else { throw UsageError("--lookup and --draft exclude each other") }
        guard arguments.flag("lookup") || path != nil else { return nil }
        self = path.map { .model($0) } ?? .lookup
    }

    /// As `--json` tells it.
    func document(_ counts: GuessCounts) -> JSONValue {
        let (kind, path): (String, JSONValue) =
            switch self {
            case .lookup: ("lookup", .null)
            case .model(let path): ("model", .string(path))
            }
        return .object(["kind": .string(kind), "model": path, "guessed": .integer(counts.guessed), "right": .integer(counts.right)])
    }
}

extension ModelSetup {
    /// What the command line asks to guess with, for texts of a session of this length; nil for nothing.
    ///
    /// - Parameter tokenizer: of the model; nil where ids go in and come out.
    /// - Throws: where a draft model cannot be run, has other tokens, or there is too little memory for both.
    func draft(contextLength: Int, _ tokenizer: Tokenizer?, _ console: Console) throws -> (any TokenDraft)? {
        switch options.draft {
        case nil: return nil
        case .lookup: return LookupDraft()
        case .model(let path):
            var draftOptions = ModelOptions(path: path, threadCount: options.model.threadCount)
            draftOptions.cacheType = options.cacheType
            var positions = contextLength
            let draft = try console.openModel(
                draftOptions, isExact: options.isExact, besides: estimate(contextLength: contextLength).total
            ) { configuration in
                positions = min(positions, configuration.contextLength)
                return positions
            }
            try check(draft, tokenizer, console)
            let loaded = options.hasCompactHead ? draft.loaded.withCompactHead(pool: engine.pool) : draft.loaded
            let session = InferenceSession(
                draft.configuration, loaded.weights, engine: engine, contextLength: positions, precision: options.precision,
                cacheType: options.cacheType)
            return ModelDraft(session, vocabularySize: model.vocabularySize)
        }
    }

    private static let draftHint = "a draft is a smaller model with the same tokenizer, such as the smallest of a family"

    /// Refuses a draft for which the same ids say something else. Tokens that were added behind all others may differ: those that only one
    /// of both has are not guessed.
    private func check(_ draft: OpenedModel, _ tokenizer: Tokenizer?, _ console: Console) throws {
        guard let tokenizer else {
            guard draft.vocabularySize == model.vocabularySize else {
                throw Failure(
                    "\(draft.path): the embedding has \(draft.vocabularySize) rows, but that of \(model.path) has \(model.vocabularySize)",
                    hint: Self.draftHint)
            }
            return
        }
        let other = try draft.tokenizer(console)
        let common = min(tokenizer.idCount, other.idCount)
        guard max(tokenizer.vocabularyIDCount, other.vocabularyIDCount) <= common else {
            throw Failure(
                "\(draft.path): the tokenizer has \(other.idCount) tokens, but that of \(model.path) has \(tokenizer.idCount)",
                hint: Self.draftHint)
        }
        for id in 0..<TokenID(common) {
            let (own, guessed) = (tokenizer.spelling(of: id), other.spelling(of: id))
            guard own != guessed else { continue }
            func shown(_ spelling: String?) -> String { spelling.map { "'\($0.terminalSafe)'" } ?? "none" }
            throw Failure("\(draft.path): token \(id) is \(shown(guessed)), but \(shown(own)) in \(model.path)", hint: Self.draftHint)
        }
    }
}
