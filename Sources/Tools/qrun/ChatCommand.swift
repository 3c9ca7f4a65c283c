import Architectures
import CommandLineKit
import ModelLoading
import ModelToolSupport
import Platform
import PromptSupport
import Prompts
import Tokenization
import Transformer

/// `qrun chat MODEL`.
func chat(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let setup = try ModelSetup(RunOptions(arguments), console)
    let tokenizer = try setup.model.tokenizer(console)
    var talk = try Talk(setup, tokenizer, console)
    while let line = try readMessage(console) {
        guard try talk.take(line) else { break }
    }
    return .done
}

/// The next line, without its end; nil at the end of the input.
private func readMessage(_ console: Console) throws -> String? {
    if console.outputTerminal.isTerminal { try console.write("> ") }
    try console.flush()
    return readLine(strippingNewline: true)
}

/// What was said so far, and the model that answers.
private struct Talk {
    private let setup: ModelSetup
    private let tokenizer: Tokenizer
    private let console: Console
    private let template: ChatTemplate
    private let stops: (ids: [TokenID], texts: [String])
    private var sampling: SamplingSettings
    private var generator: TextGenerator
    private var conversation: Conversation

    init(_ setup: ModelSetup, _ tokenizer: Tokenizer, _ console: Console) throws {
        self.setup = setup
        self.tokenizer = tokenizer
        self.console = console
        let options = setup.options
        template = try options.prompts.template(for: tokenizer, path: setup.model.path, otherwise: .none, console)
        stops = template.stops(in: tokenizer)
        sampling = options.sampling
        let contextLength = try options.conversationLength(setup.configuration)
        let session = try setup.session(contextLength: contextLength)
        generator = TextGenerator(
            session: session, tokenizer: tokenizer, draft: try setup.draft(contextLength: contextLength, tokenizer, console))
        conversation = options.opening
    }

    /// Does what a line asks for; false where it ends the conversation.
    mutating func take(_ line: String) throws -> Bool {
        let words = line.split(separator: " ")
        switch words.first {
        case nil: break
        case "/exit", "/quit": return false
        case "/reset": conversation = setup.options.opening
        case "/help": try writeHelp()
        case "/adapter": try switchAdapter(words.dropFirst().joined(separator: " "))
        case let word? where word.hasPrefix("/"):
            console.warning("'\(word)' is no command", hint: "/help lists them")
        default: try answer(line)
        }
        return true
    }

    private func writeHelp() throws {
        try console.writeLine("/adapter NAME  /adapter none  /reset  /help  /exit; Ctrl-C stops an answer")
        let adapters = setup.model.adapters
        if !adapters.isEmpty { try console.writeLine("adapters: \(adapters.map(\.name).joined(separator: ", "))".terminalSafe) }
    }

    private mutating func switchAdapter(_ name: String) throws {
        let chosen = setup.model.adapters.first { $0.name == name }
        guard name == "none" || chosen != nil else {
            let known = setup.model.adapters.map(\.name).joined(separator: ", ")
            console.warning("there is no adapter '\(name)'", hint: known.isEmpty ? "give some with --adapter" : "there are: \(known), none")
            return
        }
        generator.exchange(try setup.weights(with: name == "none" ? nil : chosen))
        console.note(name == "none" ? "the base alone" : "adapter \(name)")
    }

    private mutating func answer(_ text: String) throws {
        let before = conversation
        conversation.append("user", text)
        let prompt: RenderedPrompt
        do throws(PromptError) { prompt = try template.render(conversation, opensResponse: true) } catch {
            // Such as a system message that the template has no place for.
            conversation = before
            return console.warning("\(error)", hint: error.hint)
        }
        let ids = tokenizer.encode(prompt).ids
        try setup.model.check(ids, of: tokenizer)
        guard ids.count < generator.session.cache.capacity else {
            conversation = before
            console.warning(
                "the conversation has \(ids.count) tokens, but the context has room for \(generator.session.cache.capacity)",
                hint: "/reset begins another one; --context sets up more room")
            return
        }
        let request = GenerationRequest(
            prompt: ids, tokenLimit: setup.options.tokenLimit, sampling: sampling,
            stopTokens: Set(stops.ids + setup.configuration.endTokenIDs.map { TokenID($0) }),
            stopTexts: stops.texts + setup.options.stopTexts)
        var output = ThinkingText(after: prompt.text, console)
        let result = try console.absorbingInterrupts { isInterrupted in
            try generator.generate(request, isInterrupted: isInterrupted) { piece in try output.write(piece) }
        }
        try output.finish()
        try console.writeLine()
        try console.flush()
        if result.tokens.isEmpty {
            // Interrupted before there was an answer: as if nothing had been said.
            conversation = before
        } else {
            conversation.append("assistant", result.text)
        }
        // Another answer to the same words is another draw.
        sampling.seed &+= 1
        console.note(result.summary)
    }
}
