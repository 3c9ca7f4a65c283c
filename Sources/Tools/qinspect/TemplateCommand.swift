import Checkpoints
import CommandLineKit
import JSONText
import PromptSupport
import Prompts
import Tokenization
import ToolSupport

/// `qinspect template`.
func template(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    var options = try PromptOptions(arguments)
    options.tools = try arguments.string("tools").map { try ConversationFiles.tools($0) }
    options.documents = try arguments.string("documents").map { try ConversationFiles.documents($0) }
    let messages = try arguments.string("messages").map { try ConversationFiles.messages($0) }
    let path = arguments.positional(always: "file")
    let tokenizer = try console.openCheckpoint(path, for: .looking).tokenizer()
    let template = try options.template(for: tokenizer, path: path, otherwise: .none, console)
    let conversation = Conversation(messages ?? Conversation(user: "Hello").messages, tools: options.tools, documents: options.documents)
    let isAnswered = conversation.messages.last?["role"]?.string == "assistant"
    let prompt = try template.render(conversation, opensResponse: !isAnswered)
    let view = TemplateView(path: path, template: template, tokenizer: tokenizer, ids: tokenizer.encode(prompt).ids)
    if arguments.flag("json") { try console.writeJSON(view.document(prompt)) } else { try view.write(to: console) }
    return .done
}

/// What is said of a template.
private struct TemplateView {
    let path: String
    let template: ChatTemplate
    let tokenizer: Tokenizer
    let ids: [TokenID]

    /// By their names, those that the model has.
    private var roles: [(name: String, text: String)] { tokenizer.roleTexts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    private var ends: [String] {
        let stops = template.stops(in: tokenizer)
        return stops.ids.compactMap { tokenizer.spelling(of: $0) } + stops.texts
    }

    func write(to console: Console) throws {
        let others = tokenizer.chatTemplates.keys.filter { template.origin != .model($0) }.sorted()
        var table = Table([.init(""), .init("", canShrink: true)])
        table.addRow(["template", .init(template.name + (others.isEmpty ? "" : "; others: \(others.joined(separator: ", "))"))])
        table.addRow(["SHA-256", .init(template.digest)])
        table.addRow(["variables", .init(template.variables.joined(separator: ", "))])
        for role in roles { table.addRow([.init(role.name), .init(role.text + (tokenizer.id(of: role.text).map { " (\($0))" } ?? ""))]) }
        table.addRow(["answers end at", .init(ends.joined(separator: ", "))])
        if template.marksResponses { table.addRow(["learned", "what the template marks"]) }
        try console.write(table)
        try console.writeLine()
        for line in lines { try console.writeLine(String(line).terminalSafe) }
        console.note("\(ids.count) tokens")
    }

    /// The conversation with a bar between tokens, a line for each line feed.
    private var lines: [Substring] {
        var text = ""
        for (index, id) in ids.enumerated() {
            let shown = tokenizer.decode([id], showsSpecialTokens: true)
            let bytes = String(decoding: tokenizer.bytes(of: id), as: UTF8.self)
            let isAtLineStart = text.isEmpty || text.hasSuffix("\n")
            if index > 0, !isAtLineStart { text += "│" }
            text += tokenizer.isSpecial(id) ? "‹\(shown)›" : bytes
        }
        return text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    func document(_ prompt: RenderedPrompt) -> JSONObject {
        let tokens = ids.map { id -> JSONValue in
            .object([
                "id": .integer(Int(id)), "text": .string(String(decoding: tokenizer.bytes(of: id), as: UTF8.self)),
                "special": .bool(tokenizer.isSpecial(id)),
            ])
        }
        var specials = JSONObject()
        for role in roles { specials[role.name] = .string(role.text) }
        return JSONObject([
            "path": .string(path), "template": .string(template.name), "sha256": .string(template.digest),
            "templates": .strings(tokenizer.chatTemplates.keys.sorted()), "variables": .strings(template.variables),
            "special_tokens": .object(specials), "ends": .strings(ends), "marks_responses": .bool(template.marksResponses),
            "source": .string(template.text), "text": .string(prompt.text), "tokens": .array(tokens),
        ])
    }
}
