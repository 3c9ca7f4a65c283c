import Adapters
import Architectures
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import ModelToolSupport
import PromptSupport
import Prompts
import Tokenization
import ToolSupport
import Transformer

/// `qrun MODEL`.
func run(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let options = try RunOptions(arguments)
    if arguments.flag("estimate") { return try estimate(options, asJSON: arguments.flag("json"), console) }
    let source = try PromptSource(arguments, console)
    let setup = try ModelSetup(options, console)
    let logits = arguments.string("dump-logits")
    let prompt = try Prompt(source, setup, showsText: logits == nil, console)
    if arguments.flag("print-prompt") { return try printPrompt(prompt, asJSON: arguments.flag("json"), console) }
    let modelContext = try options.contextLength(setup.configuration)
    guard prompt.ids.count <= modelContext else {
        throw Failure(
            "the prompt has \(prompt.ids.count) tokens, but the context has room for \(modelContext)",
            hint: setup.configuration.hasLearnedPositions ? "shorten it" : "shorten it, or set up more room with --context")
    }
    if let path = logits {
        let session = try setup.session(contextLength: prompt.ids.count)
        return try dumpLogits(of: prompt.ids, session, to: path, setup.model.checkpoint, arguments, console)
    }
    let contextLength = min(modelContext, prompt.ids.count + options.tokenLimit)
    let session = try setup.session(contextLength: contextLength)
    let draft = try setup.draft(contextLength: contextLength, prompt.tokenizer, console)
    var generator = TextGenerator(session: session, tokenizer: prompt.tokenizer, draft: draft)
    var request = GenerationRequest(
        prompt: prompt.ids, tokenLimit: options.tokenLimit, sampling: options.sampling, stopTokens: prompt.stopTokens,
        stopTexts: prompt.stopTexts)
    request.needsProbabilities = arguments.flag("json")
    let isStreamed = !arguments.flag("json")
    var output = ThinkingText(after: prompt.text, console)
    let result = try generator.generate(request) { text in if isStreamed { try output.write(text) } }
    if isStreamed {
        try output.finish()
        if prompt.tokenizer == nil { try console.write(result.tokens.map { String($0.id) }.joined(separator: " ")) }
        try console.writeLine()
        try console.flush()
        let memory = NumberText.byteCount(measures.peakMemory)
        console.note("\(result.summary), \(memory) of memory at most, \(options.precision.rawValue) precision")
    } else {
        try writeJSON(result, prompt, setup, session.cache, measures, console)
    }
    return .done
}

/// `--print-prompt`: byte for byte, with a line feed behind it on a terminal alone.
private func printPrompt(_ prompt: Prompt, asJSON: Bool, _ console: Console) throws -> ExitCode {
    if asJSON {
        try console.writeJSON([
            "prompt": prompt.text.map { .string($0) } ?? .null, "prompt_ids": .array(prompt.ids.map { .integer(Int($0)) }),
        ])
    } else {
        try console.write(prompt.text ?? prompt.ids.map { String($0) }.joined(separator: " "))
        if console.outputTerminal.isTerminal { try console.writeLine() }
    }
    return .done
}

private func writeJSON(
    _ result: GeneratedText, _ prompt: Prompt, _ setup: ModelSetup, _ cache: KeyValueCache, _ measures: RunMeasures, _ console: Console
) throws {
    let tokens = result.tokens.map { token -> JSONValue in
        .object([
            "id": .integer(Int(token.id)),
            "text": (prompt.tokenizer?.bytes(of: token.id)).map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null,
            "log_probability": token.logProbability.map { .double($0) } ?? .null,
        ])
    }
    var document = JSONObject([
        "model": .string(setup.model.path), "adapters": .strings(setup.model.adapters.map(\.adapter.path)),
        "prompt_ids": .array(prompt.ids.map { .integer(Int($0)) }),
        "text": prompt.tokenizer == nil ? .null : .string(result.text), "end": .string(result.end.rawValue), "tokens": .array(tokens),
        "exact": .bool(setup.options.isExact), "precision": .string(setup.options.precision.rawValue),
        "cache": .object([
            "type": .string(cache.type.rawValue), "positions": .integer(cache.capacity), "bytes": .integer(cache.byteCount),
        ]), "prompt_seconds": .double(result.promptSeconds),
        "generation_seconds": .double(result.generationSeconds),
        "prompt_tokens_per_second": result.promptTokensPerSecond.map { .double($0) } ?? .null,
        "tokens_per_second": result.tokensPerSecond.map { .double($0) } ?? .null,
        "draft": setup.options.draft?.document(result.guesses) ?? .null, "seconds": .double(measures.seconds),
        "peak_memory": .integer(measures.peakMemory),
    ])
    if setup.options.prompts.tools != nil, let tokenizer = prompt.tokenizer, let template = prompt.template {
        let said = tokenizer.decode(result.tokens.map(\.id), showsSpecialTokens: true)
        document["tool_calls"] = template.toolCalls(in: said).map { .array($0) } ?? .null
    }
    try console.writeJSON(document)
}

extension GeneratedText {
    /// `12 tokens read in 0.05 s (240/s), 256 written in 3.20 s (80/s), ended by the token limit`.
    var summary: String {
        func rate(_ value: Double?) -> String { value.map { " (\(NumberText.significant($0, digits: 3))/s)" } ?? "" }
        let reason =
            switch end {
            case .stop: ""
            case .tokenLimit: ", ended by --max-tokens"
            case .context: ", ended where the context is full"
            case .interrupted: ", interrupted"
            }
        let guessesShown = guesses.guessed > 0 ? ", \(guesses.right) of \(guesses.guessed) guesses right" : ""
        return "\(promptTokenCount) tokens read in \(NumberText.duration(seconds: promptSeconds))\(rate(promptTokensPerSecond)), "
            + "\(tokens.count) written in \(NumberText.duration(seconds: generationSeconds))\(rate(tokensPerSecond))\(guessesShown)\(reason)"
    }
}

extension String {
    /// Without control characters but for new lines and tabs: a model must not be able to move the cursor.
    var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control }))
    }
}
