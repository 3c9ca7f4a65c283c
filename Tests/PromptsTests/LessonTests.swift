import ByteIO
import JSONText
import Testing
import Tokenization

@testable import Prompts

/// What of a conversation is learned.
@Suite struct LessonTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try PromptFixtures.tokenizer("sample") }

    private func lessons(_ jinja: String, _ messages: [(String, String)]) throws -> [(text: String, learned: [String])] {
        let template = try ChatTemplate(.model("default"), text: jinja, tokenizer)
        return try template.lessons(of: Conversation(messages.map { Conversation.message($0.0, $0.1) })).map { lesson in
            (lesson.text, lesson.responses.map { String(decoding: lesson.bytes[$0], as: UTF8.self) })
        }
    }

    private static let talk = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d\n")]
    private static let turns = """
        {%- for m in messages %}{{ '<' + m.role + '>' + m.content + '<end>\\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
        """

    @Test func isTheDifferenceThatAnAnswerMakes() throws {
        let lessons = try lessons(Self.turns, Self.talk)
        #expect(lessons.count == 1)
        #expect(lessons[0].text == "<user>a<end>\n<assistant>b<end>\n<user>c<end>\n<assistant>d\n<end>\n")
        // With its end, without the line feed behind.
        #expect(lessons[0].learned == ["b<end>", "d\n<end>"])
    }

    @Test func isWhatTheTemplateMarks() throws {
        let marked =
            "{% for m in messages %}[{{ m.role }}]{% generation %}{{ m.content if m.role == 'assistant' else '' }}é{% endgeneration %}{% endfor %}"
        let lessons = try lessons(marked, Self.talk)
        #expect(lessons.map(\.learned) == [["é", "bé", "é", "d\né"]])
    }

    /// Thoughts are written of the last answer only: each answer is a text of its own, as the model will see it.
    @Test func isATextForEachAnswerWhereEarlierOnesAreWrittenInAnotherWay() throws {
        let thinking = """
            {%- for m in messages %}
            {{- '<' + m.role + '>' + ('<think></think>' if m.role == 'assistant' and loop.last else '') + m.content + '<end>' }}
            {%- endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """
        let lessons = try lessons(thinking, Self.talk)
        #expect(
            lessons.map(\.text) == [
                "<user>a<end><assistant><think></think>b<end>",
                "<user>a<end><assistant>b<end><user>c<end><assistant><think></think>d\n<end>",
            ])
        #expect(lessons.map(\.learned) == [["<think></think>b<end>"], ["<think></think>d\n<end>"]])
    }

    /// As the first template of Llama 3 does.
    @Test func isNotTheNextAnswersOpeningThatATemplateWritesUnasked() throws {
        let lessons = try lessons(
            "{% for m in messages %}{{ '<' + m.role + '>' + m.content + eos_token + '\n' }}{% endfor %}<assistant>", Self.talk)
        #expect(
            lessons.map(\.text) == [
                "<user>a<|endoftext|>\n<assistant>b<|endoftext|>\n<user>c<|endoftext|>\n<assistant>d\n<|endoftext|>"
            ])
        #expect(lessons.map(\.learned) == [["b<|endoftext|>", "d\n<|endoftext|>"]])
    }

    /// As those of GLM do.
    @Test func hasTheEndThatATemplateWritesOnceATurnFollows() throws {
        let late = """
            {%- for m in messages %}{{ (eos_token if loop.index0 and m.role == 'user' else '') + '<' + m.role + '>' + m.content }}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """
        let lessons = try lessons(late, Self.talk)
        #expect(lessons.map(\.text) == ["<user>a<assistant>b<|endoftext|><user>c<assistant>d\n<|endoftext|>"])
        #expect(lessons.map(\.learned) == [["b<|endoftext|>", "d\n<|endoftext|>"]])
    }

    @Test func endsWithTheTextWhereTheTemplateWritesNoEnd() throws {
        let endless = """
            {%- for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """
        let lessons = try lessons(endless, Self.talk)
        #expect(lessons.map(\.text) == ["<user>a<assistant>b<|endoftext|>", "<user>a<assistant>b<user>c<assistant>d\n<|endoftext|>"])
        #expect(lessons.map(\.learned) == [["b<|endoftext|>"], ["d\n<|endoftext|>"]])
    }

    @Test func isRefusedWhereThePromptIsNoBeginning() throws {
        let odd = "{% for m in messages %}{{ m.content }}|{% endfor %}{% if add_generation_prompt %}<think>{% endif %}"
        let refusal = #expect(throws: PromptError.self) { try lessons(odd, Self.talk) }
        #expect(
            refusal?.description
                == "message 2: the text with the answer does not begin with the text that asks for it, so that what is to be learned is not "
                + "known; it ends in \"a|<think>\", but the answer's has \"a|b|\" there")
    }

    @Test func ofAPairIsTheCompletionWithItsEnd() throws {
        let lesson = try ChatTemplate.lesson(prompt: "1 + 1 = ", completion: "2", tokenizer, readsSpecialTokens: true)
        let encoded = tokenizer.encode(lesson)
        #expect(encoded.responses.map { tokenizer.decode(encoded.ids[$0], showsSpecialTokens: true) } == ["2<|endoftext|>"])
    }

    @Test(arguments: [
        ("{% for m in messages %}", "the model's chat template cannot be read: line 1, column"),
        ("{{ messages | urlize }}", "the model's chat template cannot be read: line 1, column 15"),
    ])
    func saysWhyATemplateCannotBeRead(_ jinja: String, _ message: String) {
        let refusal = #expect(throws: PromptError.self) { try ChatTemplate(.model("default"), text: jinja, tokenizer) }
        #expect(refusal?.description.hasPrefix(message) == true, "\(refusal?.description ?? "")")
    }
}
