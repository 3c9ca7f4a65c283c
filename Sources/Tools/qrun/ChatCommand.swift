import Checkpoints
import CommandLineKit
import Glibc
import ModelLoading
import ModelToolSupport
import Tokenization
import Transformer

/// `qrun chat MODEL`.
func chat(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let setup = try ModelSetup(arguments, console)
    let tokenizer = try setup.tokenizer(console)
    var conversation = try Conversation(setup, tokenizer, arguments, console)
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
    private let extraStops: [String]
    private let tokenLimit: Int
    private var sampling: SamplingSettings
    private var generator: TextGenerator
    private var messages: [ChatMessage]

    init(_ setup: ModelSetup, _ tokenizer: Tokenizer, _ arguments: ParsedArguments, _ console: Console) throws {
        self.setup = setup
        self.tokenizer = tokenizer
        self.console = console
        template = try arguments.template(of: tokenizer, otherwise: .none, path: setup.model.checkpoint.path, console)
        opening = arguments.string("system").map { [ChatMessage(.system, $0)] } ?? []
        extraStops = try arguments.stopTexts()
        tokenLimit = arguments.integer(always: "max-tokens")
        sampling = arguments.samplingSettings()
        let asked = try ModelSetup.contextLength(setup.configuration, arguments)
        let contextLength = arguments.isGiven("context") ? asked : min(asked, ModelSetup.defaultContextLength)
        generator = TextGenerator(
            session: try setup.session(setup.weights(setup.adapters), contextLength: contextLength), tokenizer: tokenizer)
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
        if !setup.adapters.isEmpty { try console.writeLine("adapters: \(setup.adapters.map(\.name).joined(separator: ", "))".terminalSafe) }
    }

    private mutating func switchAdapter(_ name: String) throws {
        let chosen = name == "none" ? [] : setup.adapters.filter { $0.name == name }
        guard name == "none" || !chosen.isEmpty else {
            let known = setup.adapters.map(\.name).joined(separator: ", ")
            console.warning("there is no adapter '\(name)'", hint: known.isEmpty ? "give some with --adapter" : "there are: \(known), none")
            return
        }
        generator.exchange(try setup.weights(chosen))
        console.note(name == "none" ? "the base alone" : "adapter \(name)")
    }

    private mutating func answer(_ text: String) throws {
        messages.append(ChatMessage(.user, text))
        let ids = try tokenizer.encode(template.render(messages, opensResponse: true)).ids
        try setup.check(ids, of: tokenizer)
        guard ids.count < generator.session.cache.capacity else {
            messages.removeLast()
            console.warning(
                "the conversation has \(ids.count) tokens, but the context has room for \(generator.session.cache.capacity)",
                hint: "/reset begins another one; --context sets up more room")
            return
        }
        let stops = template.stops(in: tokenizer)
        let request = GenerationRequest(
            prompt: ids, tokenLimit: tokenLimit, sampling: sampling,
            stopTokens: Set(stops.ids + setup.configuration.endTokenIDs.map { TokenID($0) }), stopTexts: stops.texts + extraStops)
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
