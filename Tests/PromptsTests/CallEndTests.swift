import ByteIO
import JSONText
import Testing
import Tokenization

@testable import Prompts

/// Where an answer ends that calls a tool: learned and stopped at alike.
@Suite struct CallEndTests {
    /// Three characters and special tokens from id 4 on, the first of them the end of text.
    private static func tokenizer(_ special: [String], stops: [String] = []) throws -> Tokenizer {
        let added = special.enumerated().map { index, text in "{\"id\":\(index + 4),\"content\":\"\(text)\",\"special\":true}" }
        let json = """
            {"added_tokens":[\(added.joined(separator: ","))],"model":{"type":"BPE","unk_token":"u","vocab":{"u":0,"a":1,"b":2,"ab":3},
            "merges":["a b"]},"decoder":{"type":"Metaspace","replacement":"▁"}}
            """
        let ids = stops.compactMap { special.firstIndex(of: $0) }.map { String($0 + 4) }
        let files = [
            ("tokenizer.json", json), ("tokenizer_config.json", "{\"eos_token\": \"\(special[0])\"}"),
            ("generation_config.json", "{\"eos_token_id\":[\(ids.joined(separator: ","))]}"),
        ]
        return try Tokenizer.open(files.map { TokenizerFile(name: $0.0, bytes: Array($0.1.utf8)) }, path: "model")
    }

    private static func talk(_ results: Int = 1) throws -> Conversation {
        let call = #"{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}"#
        let turns = [
            #"{"role": "user", "content": "q"}"#, call, #"{"role": "tool", "content": "r"}"#,
            #"{"role": "assistant", "content": "d"}"#,
        ]
        return Conversation(try turns.prefix(2 + 2 * results).map { try JSONValue(parsing: Array($0.utf8)) })
    }

    private static func learned(_ template: ChatTemplate, results: Int = 1) throws -> [String] {
        try template.lessons(of: talk(results)).flatMap { lesson in
            lesson.responses.map { String(decoding: lesson.bytes[$0], as: UTF8.self) }
        }
    }

    /// A turn's end comes with the next turn, whoever has it.
    private static let late = """
        {%- for m in messages %}{{ '<|observation|>' if m.role == 'tool' else '<|' + m.role + '|>' }}{{ m.content }}
        {%- for c in m.tool_calls or [] %}{{ '<call>' + c.function.name + (c.function.arguments | tojson) + '</call>' }}{% endfor %}
        {%- endfor %}
        {%- if add_generation_prompt %}<|assistant|>{% endif %}
        """
    private static let call = "<call>f{\"x\": 1}</call>"

    @Test func isTheTokenOfTheToolsTurn() throws {
        let special = ["<|endoftext|>", "<|user|>", "<|observation|>", "<|assistant|>"]
        // As the files of a model name it, and where only its template shows it.
        for stops in [["<|endoftext|>", "<|user|>", "<|observation|>"], ["<|endoftext|>", "<|user|>"]] {
            let tokenizer = try Self.tokenizer(special, stops: stops)
            let template = try ChatTemplate(.model("default"), text: Self.late, tokenizer)
            #expect(template.stops(in: tokenizer).ids == [4, 5, 6])
            #expect(try Self.learned(template) == [Self.call + "<|observation|>", "d<|user|>"])
            // A record may end in a call.
            #expect(try Self.learned(template, results: 0) == [Self.call + "<|observation|>"])
        }
    }

    @Test func isTheEndOfTextWhereNoTokenComes() throws {
        let tokenizer = try Self.tokenizer(["<|endoftext|>"])
        let template = try ChatTemplate(.model("default"), text: Self.late, tokenizer)
        #expect(template.stops(in: tokenizer).ids == [4])
        #expect(try Self.learned(template) == [Self.call + "<|endoftext|>", "d<|endoftext|>"])
    }

    /// As gpt-oss and functionary write calls.
    @Test func isWhatTheTemplateWritesBehindCalls() throws {
        let own = """
            {%- for m in messages %}{{ '<|' + m.role + '|>' + m.content }}
            {%- for c in m.tool_calls or [] %}{{ c.function.name + (c.function.arguments | tojson) }}{% endfor %}
            {%- if m.role == 'assistant' %}{{ '<|call|>' if m.tool_calls else '<|end|>' }}{{ '\\n' }}{% endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}<|assistant|>{% endif %}
            """
        let tokenizer = try Self.tokenizer(["<|endoftext|>", "<|call|>", "<|end|>"])
        let template = try ChatTemplate(.model("default"), text: own, tokenizer)
        #expect(template.stops(in: tokenizer).ids == [4, 5, 6])
        #expect(try Self.learned(template) == ["f{\"x\": 1}<|call|>", "d<|end|>"])
    }

    @Test func mayBeWordsThatEndAnswersToo() throws {
        let words = """
            {%- for m in messages %}{{ '<' + m.role + '>' + m.content }}
            {%- for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}{{ '<end>\\n' }}{% endfor %}
            {%- if add_generation_prompt %}<assistant>{% endif %}
            """
        let tokenizer = try Self.tokenizer(["<|endoftext|>"])
        let template = try ChatTemplate(.model("default"), text: words, tokenizer)
        #expect(template.stops(in: tokenizer).ids == [4])
        #expect(try Self.learned(template) == ["f<end>", "d<end>"])
    }

    /// Neither what opens the next answer unasked nor a template that knows no calls brings an end.
    @Test(arguments: [
        "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}<|assistant|>{# tool_calls #}",
        "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments.x }}{% endfor %}{{ eos_token }}"
            + "{% endfor %}<|assistant|>",
        "{% for m in messages %}{{ m.content }}{% if m.tool_calls %}{{ raise_exception('no') }}{% endif %}{% endfor %}",
    ])
    func isNothingElse(_ jinja: String) throws {
        let tokenizer = try Self.tokenizer(["<|endoftext|>", "<|assistant|>"])
        #expect(try ChatTemplate(.model("default"), text: jinja, tokenizer).stops(in: tokenizer).ids == [4])
    }

    /// What is stopped at is what is learned, for built-in templates as well.
    @Test func areOneListForBothUses() throws {
        for special in [["<|endoftext|>"], ["<|endoftext|>", "<|im_end|>", "<|eot_id|>"]] {
            let tokenizer = try Self.tokenizer(special)
            for builtin in BuiltinTemplate.allCases {
                let template = try ChatTemplate(builtin, tokenizer)
                let stops = template.stops(in: tokenizer)
                let learned = try template.lessons(of: Conversation(user: "a") + "b").flatMap(\.responses).count
                #expect(learned == 1)
                let spelled = stops.ids.compactMap(tokenizer.spelling) + stops.texts.filter { $0 != "### Instruction:" }
                #expect(Set(spelled) == Set(template.ends), "\(builtin.rawValue)")
            }
        }
    }
}

private func + (talk: Conversation, answer: String) -> Conversation {
    var talk = talk
    talk.append("assistant", answer)
    return talk
}
