import Architectures
import ByteIO
import Checkpoints
import CommandLineKit
import ModelLoading
import ModelToolSupport
import Platform
import PromptSupport
import Prompts
import Tokenization
import Transformer

/// What is to be continued, as it was given: read before the model is, so that a mistake is told at once.
enum PromptSource {
    case text(String)
    case ids([TokenID])

    private static let byteCountLimit = 64 << 20

    init(_ arguments: ParsedArguments, _ console: Console) throws {
        if let text = arguments.string("prompt-ids") {
            guard !arguments.isGiven("prompt") else { throw UsageError("--prompt and --prompt-ids exclude each other") }
            self = .ids(try PromptIDs.ids(text))
        } else if let text = arguments.string("prompt") {
            self = .text(text)
        } else {
            self = .text(try Self.standardInput())
        }
    }

    private static func standardInput() throws -> String {
        guard isatty(0) != 1 else {
            throw UsageError("there is no prompt", hint: "give --prompt TEXT or pipe a text in; 'qrun chat MODEL' is for talking")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure("standard input cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountLimit else {
                throw Failure("standard input is longer than \(byteCountLimit) bytes, the most a prompt can have")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure("standard input is not valid UTF-8") }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}

/// A prompt in the model's tokens, and what ends an answer to it.
struct Prompt {
    let ids: [TokenID]
    let stopTokens: Set<TokenID>
    let stopTexts: [String]
    /// What the ids say, special tokens included; nil where there is no tokenizer.
    let text: String?
    /// Nil where the model has none: ids in, ids out.
    let tokenizer: Tokenizer?
    /// In which the text was written; nil for ids.
    let template: ChatTemplate?

    /// - Parameter showsText: whether ids are shown as text.
    init(_ source: PromptSource, _ setup: ModelSetup, showsText: Bool, _ console: Console) throws {
        var stopTokens = Set(setup.configuration.endTokenIDs.map { TokenID($0) })
        var stopTexts = setup.options.stopTexts
        switch source {
        case .ids(let ids):
            self.ids = ids
            // Ids go in and come out; a tokenizer only shows them as text.
            tokenizer = showsText ? setup.tokenizerIfAny(console) : nil
            stopTokens.formUnion(tokenizer?.specialTokens.stops ?? [])
            self.text = tokenizer?.decode(ids, showsSpecialTokens: true)
            template = nil
        case .text(let text):
            let (model, path) = (setup.model, setup.model.path)
            let tokenizer = try model.tokenizer(console)
            let template = try setup.options.prompts.template(for: tokenizer, path: model.path, otherwise: .none, console)
            let prompt = try template.render(setup.options.conversation(text), opensResponse: true)
            ids = tokenizer.encode(prompt).ids
            let frame = prompt.isFramed ? tokenizer.frame.before : []
            self.text = tokenizer.decode(frame, showsSpecialTokens: true) + prompt.text
            self.template = template
            try model.check(ids, of: tokenizer)
            console.warnOfLostBytes(of: text, tokenizer, path: path)
            if let beginning = tokenizer.specialTokens.beginning, ids.starts(with: [beginning, beginning]) {
                console.warning("\(path): the prompt begins with the BOS, and the tokenizer adds another", hint: "leave it out of the text")
            }
            let stops = template.stops(in: tokenizer)
            stopTokens.formUnion(stops.ids)
            stopTexts += stops.texts
            self.tokenizer = tokenizer
        }
        guard !ids.isEmpty else { throw Failure("the prompt is empty, and the model has no token that begins a text") }
        self.stopTokens = stopTokens
        self.stopTexts = stopTexts
    }
}
