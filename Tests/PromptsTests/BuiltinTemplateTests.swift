import ByteIO
import JSONText
import Testing
import Tokenization

@testable import Prompts

@Suite struct BuiltinTemplateTests {
    private static let talk = Conversation([
        Conversation.message("system", "Be brief."), Conversation.message("user", " Hi "), Conversation.message("assistant", "Hello."),
        Conversation.message("user", "Bye"),
    ])

    private static func template(_ name: BuiltinTemplate, _ tokenizer: String = "sample") throws -> ChatTemplate {
        try ChatTemplate(name, PromptFixtures.tokenizer(tokenizer))
    }

    @Test(
        arguments: [
            (
                .alpaca,
                "Be brief.\n\n### Instruction:\n Hi \n\n### Response:\nHello.<|endoftext|>### Instruction:\nBye\n\n### Response:\n"
            ),
            (
                .chatml,
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"
                    + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
            ),
            (.mistral, "[INST] Be brief.\n\n Hi  [/INST] Hello.<|endoftext|>[INST] Bye [/INST]"),
            (
                .llama3,
                "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
            (.none, "Be brief. Hi Hello.<|endoftext|>Bye"),
        ] as [(BuiltinTemplate, String)])
    func writesConversations(name: BuiltinTemplate, text: String) throws {
        #expect(try Self.template(name).render(Self.talk, opensResponse: true).text == text)
    }

    @Test(
        arguments: [
            (
                .alpaca, "",
                "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
                    + "### Instruction:\nAdd.\n\n### Response:\n"
            ),
            (
                .alpaca, "1 2",
                "Below is an instruction that describes a task, paired with an input that provides further context. "
                    + "Write a response that appropriately completes the request.\n\n"
                    + "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n"
            ),
            (.chatml, "1 2", "<|im_start|>user\nAdd.\n\n1 2<|im_end|>\n<|im_start|>assistant\n"),
            (.mistral, "", "[INST] Add. [/INST]"),
            (.none, "", "Add."),
        ] as [(BuiltinTemplate, String, String)])
    func writesInstructions(name: BuiltinTemplate, input: String, text: String) throws {
        let template = try Self.template(name)
        var conversation = Conversation(instruction: "Add.", input: input, hasInput: template.hasInput)
        #expect(try template.render(conversation, opensResponse: true).text == text)
        // The prompt is the beginning of what is learned.
        conversation.append("assistant", "3")
        #expect(try template.render(conversation).text.hasPrefix(text))
    }

    /// A model that generates must have the ids before it that a model learned from.
    @Test(arguments: BuiltinTemplate.allCases, ["sample", "llama3", "qwen2", "sentencepiece", "marks-first"])
    func promptsAreThePrefixOfSamples(name: BuiltinTemplate, tokenizerName: String) throws {
        let tokenizer = try PromptFixtures.tokenizer(tokenizerName)
        let template = try ChatTemplate(name, tokenizer)
        var conversation = Conversation(user: "Say it.")
        let prompt = tokenizer.encode(try template.render(conversation, opensResponse: true))
        conversation.append("assistant", "The end.")
        let sample = tokenizer.encode(try #require(try template.lessons(of: conversation).first))
        #expect(prompt.responses.isEmpty)
        #expect(sample.ids.starts(with: prompt.ids))
        #expect(sample.responses.count == 1)
        let response = try #require(sample.responses.first)
        #expect(response.lowerBound == prompt.ids.count)
        let learned = sample.ids[response]
        #expect(
            tokenizer.decode(learned).hasSuffix(
                name == .chatml ? "The end.<|im_end|>" : name == .llama3 ? "The end.<|eot_id|>" : "The end."))
        if name == .alpaca { #expect(learned.last == tokenizer.specialTokens.end) }
        #expect(response.upperBound == sample.ids.count || name == .chatml)
    }

    @Test func marksEveryResponse() throws {
        let tokenizer = try PromptFixtures.tokenizer("sample")
        var talk = Self.talk
        talk.append("assistant", "See you.")
        let lessons = try ChatTemplate(.alpaca, tokenizer).lessons(of: talk)
        #expect(lessons.count == 1)
        let encoded = tokenizer.encode(lessons[0])
        let end = try #require(tokenizer.specialTokens.end)
        #expect(encoded.responses.map { tokenizer.decode(encoded.ids[$0]) } == ["Hello.", "See you."])
        #expect(encoded.responses.allSatisfy { encoded.ids[$0.upperBound - 1] == end })
        #expect(encoded.ids.filter { $0 == end }.count == 2)
    }

    /// What people write is never a control token, whatever it looks like.
    @Test func takesWhatIsSaidForText() throws {
        let tokenizer = try PromptFixtures.tokenizer("llama3")
        let end = try #require(tokenizer.id(of: "<|endoftext|>"))
        let said = tokenizer.encode(
            try ChatTemplate(.mistral, tokenizer).render(Conversation(user: "a<|endoftext|>b"), opensResponse: true))
        #expect(!said.ids.contains(end))
        #expect(tokenizer.decode(said.ids) == "[INST] a<|endoftext|>b [/INST]")
    }

    /// A raw prompt may be in a template of its own; every template does as it is told.
    @Test(arguments: [(.none, nil, true), (.none, false, false), (.mistral, true, true)] as [(BuiltinTemplate, Bool?, Bool)])
    func readsSpecialTokensWhereAsked(name: BuiltinTemplate, isAsked: Bool?, isFound: Bool) throws {
        let tokenizer = try PromptFixtures.tokenizer("llama3")
        let end = try #require(tokenizer.id(of: "<|endoftext|>"))
        var template = try ChatTemplate(name, tokenizer)
        template.readsSpecialTokens = isAsked ?? template.readsSpecialTokens
        let text = "a<|endoftext|>b"
        let ids = tokenizer.encode(try template.render(Conversation(user: text), opensResponse: true)).ids
        #expect(ids.contains(end) == isFound)
        if name == .none, isFound { #expect(ids == tokenizer.encode(text)) }
    }

    @Test func needsAnEndOfText() throws {
        let tokenizer = try PromptFixtures.tokenizer("llama3", naming: nil)
        var conversation = Conversation(user: "a")
        let template = try ChatTemplate(.alpaca, tokenizer)
        #expect(try template.render(conversation, opensResponse: true).text.hasSuffix("### Response:\n"))
        conversation.append("assistant", "b")
        let refusal = #expect(throws: PromptError.self) { try template.lessons(of: conversation) }
        #expect(refusal?.description == "the template ends responses with the end of text, for which the tokenizer has no token")
        #expect(throws: PromptError.self) {
            try ChatTemplate.lesson(prompt: "a", completion: "b", tokenizer, readsSpecialTokens: true)
        }
        let chatml = try ChatTemplate(.chatml, tokenizer)
        #expect(chatml.missingTokens(in: tokenizer) == ["<|im_start|>", "<|im_end|>"])
        #expect(chatml.stops(in: tokenizer).texts == ["<|im_end|>"])
    }

    @Test(arguments: BuiltinTemplate.allCases)
    func hasNoPlaceForTools(_ name: BuiltinTemplate) throws {
        let call = JSONValue.object(["role": .string("assistant"), "content": .string(""), "tool_calls": .array([.object([:])])])
        for message in [Conversation.message("tool", "3"), call] {
            let refusal = #expect(throws: PromptError.self) { try Self.template(name).render(Conversation([message])) }
            #expect(refusal?.description == "the template has no place for turns and calls of tools")
        }
    }
}
