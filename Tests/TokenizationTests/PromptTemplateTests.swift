import ByteIO
import Testing
import Tokenization

@Suite struct PromptTemplateTests {
    private static let talk = [
        ChatMessage(.system, "Be brief."), ChatMessage(.user, " Hi "), ChatMessage(.assistant, "Hello."), ChatMessage(.user, "Bye"),
    ]

    /// What the models' own templates write of the same conversation (an end of text is not shown).
    @Test(
        arguments: [
            (
                .alpaca,
                "Be brief.\n\n### Instruction:\n Hi \n\n### Response:\nHello.### Instruction:\nBye\n\n### Response:\n"
            ),
            (
                .chatml,
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"
                    + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
            ),
            (.mistral, "[INST] Be brief.\n\n Hi  [/INST] Hello.[INST] Bye [/INST]"),
            (
                .llama3,
                "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
            (.none, "Be brief. Hi Hello.Bye"),
        ] as [(PromptTemplate.Name, String)])
    func writesConversations(name: PromptTemplate.Name, text: String) {
        #expect(PromptTemplate(name).render(Self.talk, opensResponse: true).text == text)
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
        ] as [(PromptTemplate.Name, String, String)])
    func writesInstructions(name: PromptTemplate.Name, input: String, text: String) {
        let template = PromptTemplate(name)
        #expect(template.render(instruction: "Add.", input: input, response: nil).text == text)
        // The prompt is the beginning of what is learned.
        #expect(template.render(instruction: "Add.", input: input, response: "3").text.hasPrefix(text))
    }

    /// A model that generates must have the ids before it that a model learned from.
    @Test(arguments: PromptTemplate.Name.allCases, ["sample", "llama3", "qwen2", "sentencepiece", "marks-first"])
    func promptsAreThePrefixOfSamples(name: PromptTemplate.Name, tokenizerName: String) throws {
        let template = PromptTemplate(name)
        let tokenizer = try Self.tokenizer(tokenizerName)
        let prompt = try tokenizer.encode(template.render(instruction: "Say it.", response: nil))
        let sample = try tokenizer.encode(template.render(instruction: "Say it.", response: "The end."))
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
        let tokenizer = try Self.tokenizer("sample")
        let messages = Self.talk + [ChatMessage(.assistant, "See you.")]
        let encoded = try tokenizer.encode(PromptTemplate(.alpaca).render(messages))
        let end = try #require(tokenizer.specialTokens.end)
        #expect(encoded.responses.map { tokenizer.decode(encoded.ids[$0]) } == ["Hello.", "See you."])
        #expect(encoded.responses.allSatisfy { encoded.ids[$0.upperBound - 1] == end })
        #expect(encoded.ids.filter { $0 == end }.count == 2)
    }

    /// What people write is never a control token, whatever it looks like.
    @Test func takesWhatIsSaidForText() throws {
        let tokenizer = try Self.tokenizer("llama3")
        let end = try #require(tokenizer.id(of: "<|endoftext|>"))
        let said = try tokenizer.encode(PromptTemplate(.mistral).render([ChatMessage(.user, "a<|endoftext|>b")]))
        #expect(!said.ids.contains(end))
        #expect(tokenizer.decode(said.ids) == "[INST] a<|endoftext|>b [/INST]")
    }

    /// A raw prompt may be in a template of its own; every template does as it is told.
    @Test(arguments: [(.none, nil, true), (.none, false, false), (.mistral, true, true)] as [(PromptTemplate.Name, Bool?, Bool)])
    func parsesSpecialTokensWhereAsked(name: PromptTemplate.Name, isAsked: Bool?, isFound: Bool) throws {
        let tokenizer = try Self.tokenizer("llama3")
        let end = try #require(tokenizer.id(of: "<|endoftext|>"))
        var template = PromptTemplate(name)
        template.parsesSpecialTokens = isAsked ?? template.parsesSpecialTokens
        let text = "a<|endoftext|>b"
        #expect(try tokenizer.encode(template.render([ChatMessage(.user, text)])).ids.contains(end) == isFound)
        if name == .none, isFound {
            #expect(try tokenizer.encode(template.render([ChatMessage(.user, text)])).ids == tokenizer.encode(text))
        }
    }

    @Test func needsAnEndOfText() throws {
        let tokenizer = try TokenizerFolder.fixture("llama3")
        #expect(throws: PromptError.self) {
            try tokenizer.encode(PromptTemplate(.alpaca).render(instruction: "a", response: "b"))
        }
        #expect(PromptTemplate(.chatml).missingTokens(in: tokenizer) == ["<|im_start|>", "<|im_end|>"])
        #expect(PromptTemplate(.chatml).stops(in: tokenizer).texts == ["<|im_end|>"])
    }

    @Test(arguments: [
        ("{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}", PromptTemplate(.chatml)),
        (
            "{{ '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }} <|im_start|>", PromptTemplate(.chatml, defaultSystem: "You are kind.")
        ),
        ("{{ '<|start_header_id|>' }} <|eot_id|>", PromptTemplate(.llama3)),
        ("{{ '[INST] ' + m.content + ' [/INST]' }}", PromptTemplate(.mistral)),
        ("{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}", PromptTemplate(.chatml, defaultSystem: "You are kind.")),
        ("{{ '[INST] <<SYS>>' + ' [/INST]' }}", nil),
        ("### Instruction: ### Response:", PromptTemplate(.alpaca, defaultSystem: nil)),
        ("<start_of_turn>", nil), ("", nil), ("<|im_start|><|im_end|>[INST][/INST]", nil),
    ])
    func tellsWhatTemplatesResemble(jinja: String, template: PromptTemplate?) {
        for (text, beginning) in [(jinja, PromptTemplate.Beginning.absent), (jinja + "{{ bos_token }}", .writtenIfAny)] {
            var expected = template
            expected?.beginning = beginning
            #expect(PromptTemplate.resembling(jinja: text) == expected)
            #expect(PromptTemplate.recognized(inJinja: text) == nil)
        }
    }

    /// The sample's own template, in Jinja, as transformers renders it.
    @Test func recognizesTheSamplesTemplate() throws {
        let tokenizer = try Self.tokenizer("sample")
        let jinja = try #require(tokenizer.chatTemplate)
        let template = try #require(PromptTemplate.recognized(inJinja: jinja))
        #expect(template.name == .alpaca)
        let rendered = template.render([ChatMessage(.user, "Hi")], opensResponse: true)
        #expect(rendered.text == "### Instruction:\nHi\n\n### Response:\n")
        #expect(tokenizer.encode(rendered.text) == (try tokenizer.encode(rendered)).ids)
    }

    /// With an end of text, which the files of some fixtures do not name.
    private static func tokenizer(_ name: String) throws -> Tokenizer {
        let vectors = try TokenizerFolder.vectors(in: "\(TokenizerFolder.fixtureRoot)/\(name)")
        guard ["llama3", "qwen2", "marks-first"].contains(name) else { return try vectors.tokenizer() }
        let bytes = try InputFile(path: "\(vectors.path)/tokenizer.json").allBytes(limit: 1 << 20)
        let config = #"{"eos_token": "\#(name == "marks-first" ? "</s>" : "<|endoftext|>")"}"#
        return try Tokenizer.open(
            [TokenizerFile(name: "tokenizer.json", bytes: bytes), TokenizerFile(name: "tokenizer_config.json", bytes: Array(config.utf8))],
            path: name)
    }
}
