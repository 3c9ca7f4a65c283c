import ByteIO
import JSONText
import Jinja
import TestSupport
import Testing

/// Chat templates of real models against transformers' `apply_chat_template`. They belong to others: skipped where they are not
/// at hand.
@Suite struct ChatTemplateTests {
    private static let folder = ExternalFolder("chat-templates")
    private static let names = folder.path.flatMap { try? FilePath.entries(of: "\($0)/vectors") } ?? []

    @Test(.enabled(if: folder.isPresent, "\(folder.absence)"))
    func hasTemplates() { #expect(Self.names.count > 90) }

    @Test(.enabled(if: folder.isPresent, "\(folder.absence)"), arguments: names)
    func rendersAsTransformers(_ name: String) throws {
        let folder = try Self.folder.required()
        let vectors = try TemplateFixtures.json("\(folder)/vectors/\(name)")
        let source = try Fixture.text(at: "\(folder)/templates/\(try #require(vectors["template"]?.string))")
        let template = try Template(parsing: source)
        for vector in vectors["cases"]?.array ?? [] { try check(template, vector, vectors, name) }
    }

    private func check(_ template: Template, _ vector: JSONValue, _ vectors: JSONValue, _ name: String) throws {
        let place = "\(name), \(vector["name"]?.string ?? "")"
        let options = vector["options"]?.object ?? JSONObject()
        let isContinued = options["continue_final_message"]?.bool ?? false
        var messages = vector["messages"] ?? .null
        if isContinued { messages = Self.marked(messages) }
        var variables: [String: TemplateValue] = [
            "messages": .messages(ChatMessages.prepared(messages)), "tools": .data(vector["tools"] ?? .null),
            "documents": .data(vector["documents"] ?? .null),
        ]
        for token in ["bos_token", "eos_token", "pad_token", "unk_token"] {
            if let text = vectors[token]?.string { variables[token] = .template(text) }
        }
        for option in options.members where option.key != "continue_final_message" { variables[option.key] = .data(option.value) }
        do throws(TemplateError) {
            let rendered = try template.render(variables, clock: TemplateFixtures.clock)
            guard let expected = vector["expected"]?.string else {
                // transformers fails where it looks for the message to be continued, after rendering.
                if !isContinued { Issue.record("\(place): gives a text, and should fail: \(vector["error"]?.string ?? "")") }
                return
            }
            let text = isContinued ? Self.cut(rendered.text, messages) : rendered.text
            #expect(Array(text.unicodeScalars) == Array(expected.unicodeScalars), "\(place)")
            if let spans = vector["generation_spans"]?.array, !isContinued {
                let ranges = spans.map { [$0.array?[0].integer, $0.array?[1].integer] }
                #expect(rendered.generationSpans.map { [$0.lowerBound, $0.upperBound] } == ranges, "\(place)")
            }
        } catch {
            guard let kind = vector["kind"]?.string else {
                Issue.record("\(place): fails: \(error)")
                return
            }
            #expect(error.isRaisedByTemplate == (kind == "template"), "\(place): \(error)")
            if error.isRaisedByTemplate { #expect(error.message == vector["error"]?.string, "\(place)") }
        }
    }

    private static let mark = "CONTINUE_FINAL_MESSAGE_TAG "

    private static func marked(_ messages: JSONValue) -> JSONValue {
        guard var list = messages.array, var last = list.last?.object, let content = last["content"]?.string else { return messages }
        last["content"] = .string(content + mark)
        list[list.count - 1] = .object(last)
        return .array(list)
    }

    /// Up to the mark; without white space before it where the template took the mark's own.
    private static func cut(_ text: String, _ messages: JSONValue) -> String {
        let bytes = Array(text.utf8)
        let word = Array(mark.utf8.dropLast())
        guard let place = bytes.indices.last(where: { bytes[$0...].starts(with: word) }) else { return text }
        let head = String(decoding: bytes[..<place], as: UTF8.self)
        if bytes[place...].starts(with: Array(mark.utf8)) { return head }
        return String(head.reversed().drop { $0.isWhitespace }.reversed())
    }
}
