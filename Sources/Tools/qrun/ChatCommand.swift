import Architectures
import CommandLineKit
import Glibc
import ModelLoading
import ModelToolSupport
import Tokenization
import Transformer

/// `qrun chat MODEL`.
func chat(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let setup = try ModelSetup(RunOptions(arguments), console)
    let tokenizer = try setup.model.tokenizer(console)
    var conversation = try Conversation(setup, tokenizer, console)
    while let line = try readMessage(console) {
        guard try conversation.take(line) else { break }
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
private struct Conversation {
    private let setup: ModelSetup
    private let tokenizer: Tokenizer
    private let console: Console
    private let template: PromptTemplate
    private let opening: [ChatMessage]
    private var sampling: SamplingSettings
    private var generator: TextGenerator
    private var messages: [ChatMessage]

    init(_ setup: ModelSetup, _ tokenizer: Tokenizer, _ console: Console) throws {
        self.setup = setup
        self.tokenizer = tokenizer
        self.console = console
        let options = setup.options
        template = setup.model.template(of: tokenizer, options.prompts, otherwise: .none, console)
        opening = options.system.map { [ChatMessage(.system, $0)] } ?? []
        sampling = options.sampling
        let session = try setup.session(contextLength: options.conversationLength(setup.configuration))
        generator = TextGenerator(session: session, tokenizer: tokenizer)
        messages = opening
    }

    /// Does what a line asks for; false where it ends the conversation.
    mutating func take(_ line: String) throws -> Bool {
        let words = line.split(separator: " ")
        switch words.first {
        case nil: break
        case "/exit", "/quit": return false
        case "/reset": messages = opening
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
        messages.append(ChatMessage(.user, text))
        let ids = try tokenizer.encode(template.render(messages, opensResponse: true)).ids
        try setup.model.check(ids, of: tokenizer)
        guard ids.count < generator.session.cache.capacity else {
            messages.removeLast()
            console.warning(
                "the conversation has \(ids.count) tokens, but the context has room for \(generator.session.cache.capacity)",
                hint: "/reset begins another one; --context sets up more room")
            return
        }
        let stops = template.stops(in: tokenizer)
        let request = GenerationRequest(
            prompt: ids, tokenLimit: setup.options.tokenLimit, sampling: sampling,
            stopTokens: Set(stops.ids + setup.configuration.endTokenIDs.map { TokenID($0) }),
            stopTexts: stops.texts + setup.options.stopTexts)
        let (console, isTerminal) = (console, console.outputTerminal.isTerminal)
        let result = try console.absorbingInterrupts { isInterrupted in
            try generator.generate(request, isInterrupted: isInterrupted) { piece in
                try console.write(isTerminal ? piece.printable : piece)
                try console.flush()
            }
        }
        try console.writeLine()
        try console.flush()
        if result.tokens.isEmpty {
            // Interrupted before there was an answer: as if nothing had been said.
            messages.removeLast()
        } else {
            messages.append(ChatMessage(.assistant, result.text))
        }
        // Another answer to the same words is another draw.
        sampling.seed &+= 1
        console.note(result.summary)
    }
}
