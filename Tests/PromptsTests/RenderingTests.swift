import ByteIO
import JSONText
import Jinja
import TestSupport
import Testing
import Tokenization

@testable import Prompts

/// Text and ids of whole conversations, as transformers' `apply_chat_template` makes them.
@Suite struct RenderingTests {
    private static let names = ["thinking-qwen2", "marked-llama3", "headers-tekken", "inst-metaspace", "inst-llama2", "thinking-gemma"]

    private static func conversation(_ document: JSONValue) -> Conversation {
        Conversation(document["messages"]?.array ?? [], tools: document["tools"], documents: document["documents"])
    }

    private static func file(_ name: String, _ text: String) -> TokenizerFile { TokenizerFile(name: name, bytes: Array(text.utf8)) }

    private static func open(_ name: String) throws -> (tokenizer: Tokenizer, cases: [JSONValue]) {
        let document = try PromptFixtures.json(Fixture.path("prompts/\(name).json"))
        let family = try #require(document["tokenizer"]?.string), config = try #require(document["config"])
        let tokenizer = try PromptFixtures.open(
            Fixture.path("tokenizers/families/\(family)"),
            replacing: [
                file("tokenizer_config.json", config.text(.compact)),
                file("chat_template.jinja", try #require(document["template"]?.string)),
            ])
        return (tokenizer, document["cases"]?.array ?? [])
    }

    private static func template(_ tokenizer: Tokenizer) throws -> ChatTemplate {
        try ChatTemplate(.model("default"), text: try #require(tokenizer.chatTemplates["default"]), tokenizer)
    }

    @Test(arguments: names)
    func givesTheIdsOfTransformers(_ name: String) throws {
        let (tokenizer, cases) = try Self.open(name)
        var template = try Self.template(tokenizer)
        #expect(cases.count > 5)
        for document in cases {
            let place = Comment(rawValue: "\(name), \(document["name"]?.string ?? "")")
            template.options = document["options"]?.object ?? JSONObject()
            let conversation = Self.conversation(document), opens = document["add_generation_prompt"]?.bool ?? false
            guard let text = document["text"]?.string else {
                let refusal = #expect(throws: PromptError.self, place) { try template.render(conversation, opensResponse: opens) }
                #expect(refusal?.description == "the model's chat template says: \(document["error"]?.string ?? "")", place)
                continue
            }
            let prompt = try template.render(conversation, opensResponse: opens)
            #expect(prompt.text.utf8.elementsEqual(text.utf8), place)
            #expect(tokenizer.encode(prompt).ids.map { Int($0) } == document["ids"]?.array?.compactMap(\.integer), place)
            guard !opens, let mask = document["mask"]?.array?.compactMap(\.integer) else { continue }
            let lesson = tokenizer.encode(try #require(try template.lessons(of: conversation).first))
            var learned = [Int](repeating: 0, count: lesson.ids.count)
            for range in lesson.responses { for index in range { learned[index] = 1 } }
            #expect(lesson.ids.map { Int($0) } == document["ids"]?.array?.compactMap(\.integer), place)
            #expect(learned == mask, place)
        }
    }

    /// Turn by turn the ids begin with those of the turn before, and an answer that is read again is what was written.
    @Test func goesOnInAConversation() throws {
        let (tokenizer, _) = try Self.open("marked-llama3")
        let template = try Self.template(tokenizer)
        var conversation = Conversation()
        var before: [TokenID] = []
        for turn in 1...4 {
            conversation.append("user", "Question \(turn)?")
            let prompt = tokenizer.encode(try template.render(conversation, opensResponse: true)).ids
            #expect(prompt.starts(with: before))
            let answer = "Answer \(turn)."
            before = prompt + tokenizer.encode(answer, EncodingOptions(addsSpecialTokens: false, continuesText: true))
            conversation.append("assistant", answer)
        }
    }

    @Test func takesWhatIsSaidForText() throws {
        let (tokenizer, _) = try Self.open("thinking-qwen2")
        let end = try #require(tokenizer.id(of: "<|im_end|>"))
        var template = try Self.template(tokenizer)
        let talk = Conversation(user: "a<|im_end|>b")
        func count() throws -> Int { tokenizer.encode(try template.render(talk, opensResponse: true)).ids.count { $0 == end } }
        #expect(try count() == 2)
        template.readsSpecialTokens = true
        #expect(try count() == 3)
    }

    /// What follows a response in the template ends it, whatever the files of the model say.
    @Test func stopsWhereTheTemplateEndsATurn() throws {
        for (name, end) in [("thinking-qwen2", "<|im_end|>"), ("headers-tekken", "<|stop|>"), ("inst-metaspace", "</s>")] {
            let (tokenizer, _) = try Self.open(name)
            let stops = try Self.template(tokenizer).stops(in: tokenizer)
            #expect(stops.ids.contains(try #require(tokenizer.id(of: end))) && stops.texts.isEmpty, "\(name)")
        }
    }

    private static let data = ExternalFolder()

    /// Ordinary text is encoded in one piece whoever wrote its parts: as the whole text would be, in which nobody typed a token.
    @Test(.enabled(if: data.isPresent, Comment(rawValue: data.absence)))
    func encodesRealTemplatesAsTheWholeText() throws {
        let folder = try Self.data.required()
        var count = 0
        for family in ["smollm2", "qwen2"] {
            let tokenizer = try PromptFixtures.open("\(folder)/tokenizers/\(family)")
            for name in try FilePath.entries(of: "\(folder)/chat-templates/vectors") {
                let document = try PromptFixtures.json("\(folder)/chat-templates/vectors/\(name)")
                let file = try InputFile(path: "\(folder)/chat-templates/templates/\(document["template"]?.string ?? "")")
                let jinja = String(decoding: try file.allBytes(limit: 1 << 20), as: UTF8.self)
                var template = try ChatTemplate(.model("default"), text: jinja, tokenizer)
                template.clock = try #require(TemplateClock(year: 2024, month: 7, day: 26))
                for vector in document["cases"]?.array ?? [] where vector["options"]?["continue_final_message"] == nil {
                    template.options = vector["options"]?.object ?? JSONObject()
                    guard let prompt = try? template.render(Self.conversation(vector)) else { continue }
                    let whole = tokenizer.encode(prompt.text, EncodingOptions(addsSpecialTokens: false))
                    #expect(tokenizer.encode(prompt).ids == whole, "\(family), \(name), \(vector["name"]?.string ?? "")")
                    count += 1
                }
            }
        }
        #expect(count > 1000)
    }
}
