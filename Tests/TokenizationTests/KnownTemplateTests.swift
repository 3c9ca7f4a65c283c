import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

@Suite struct KnownTemplateTests {
    private static let own =
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are kind.<|im_end|>\n{% endif %}\n{{ 'You are kind.' }}"

    private static func digest(_ text: String) -> String {
        var hash = SHA256()
        hash.append(Array(text.utf8))
        return hash.finish()
    }

    /// Line ends and the default system message may differ, nothing else.
    @Test func knowsTemplatesToTheLetter() throws {
        let digest = Self.digest(Self.own.replacing("You are kind.", with: "{}"))
        let known = KnownTemplates(entries: [digest: .init(name: .chatml, writesBeginning: true)])
        let same = [Self.own, Self.own + "\n", Self.own.replacing("\n", with: "\r\n")]
        for text in same {
            let template = try #require(known.template(text))
            #expect(template.name == .chatml && template.defaultSystem == "You are kind." && template.beginning == .written)
        }
        #expect(known.template(Self.own.replacing("kind", with: "brief"))?.defaultSystem == "You are brief.")
        for other in [Self.own + "\n\n", Self.own + " ", Self.own.replacing("messages[0]", with: "messages[1]"), "\u{feff}" + Self.own, ""]
        {
            #expect(known.template(other) == nil)
        }
    }

    /// A BOS that a template writes is there once, whether or not the tokenizer adds one; where it writes none there is none.
    @Test(arguments: [true, false])
    func writesTheBeginningOnce(_ isAdded: Bool) throws {
        let processor =
            #","post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[2],"tokens":["<s>"]}}}"#
        let tokenizer = try StoredJSON.open(
            model: #""vocab":{"a":0,"b":1,"<s>":2},"merges":[]"#, decoder: #"{"type":"ByteLevel"}"#,
            #","pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"# + (isAdded ? processor : ""),
            config: #"{"bos_token":"<s>"}"#)
        #expect(tokenizer.encode("a") == (isAdded ? [2, 0] : [0]))
        var template = PromptTemplate(.none)
        let expected: [(PromptTemplate.Beginning, [TokenID])] = [
            (.written, [2, 0]), (.writtenIfAny, [2, 0]), (.absent, [0]), (.tokenizers, isAdded ? [2, 0] : [0]),
        ]
        for (beginning, ids) in expected {
            template.beginning = beginning
            #expect(try tokenizer.encode(template.render([ChatMessage(.user, "a")])).ids == ids)
        }
    }

    /// Behind a BOS that the template writes, the text is not at its beginning any more.
    @Test func putsNoMarkBehindABeginningThatIsText() throws {
        let json = try InputFile(path: "\(TokenizerFolder.fixtureRoot)/families/metaspace/tokenizer.json").allBytes(limit: 1 << 20)
        let config = Array(#"{"bos_token": "<s>"}"#.utf8)
        let tokenizer = try Tokenizer.open(
            [TokenizerFile(name: "tokenizer.json", bytes: json), TokenizerFile(name: "tokenizer_config.json", bytes: config)], path: "m")
        var template = PromptTemplate(.mistral)
        let added = try tokenizer.encode(template.render([ChatMessage(.user, "Hi")])).ids
        #expect(added == tokenizer.encode("[INST] Hi [/INST]"))
        template.beginning = .written
        let written = try tokenizer.encode(template.render([ChatMessage(.user, "Hi")])).ids
        #expect(written == tokenizer.encode("<s>[INST] Hi [/INST]", EncodingOptions(addsSpecialTokens: false)))
        #expect(written != added)
    }

    @Test func needsTheBeginningThatIsWritten() throws {
        var template = PromptTemplate(.none)
        template.beginning = .written
        let tokenizer = try TokenizerFolder.open("\(TokenizerFolder.fixtureRoot)/families/qwen2")
        #expect(throws: PromptError(description: "the template begins with the BOS, for which the tokenizer has no token")) {
            try tokenizer.encode(template.render([ChatMessage(.user, "a")]))
        }
    }

    @Test func saysWhatIsUsedInsteadOfAnUnknownTemplate() throws {
        func choice(_ jinja: String?, asked: PromptTemplate.Name? = nil) throws -> TemplateChoice {
            let config = jinja.map { JSONValue.object(["chat_template": .string($0)]) } ?? .object([:])
            let tokenizer = try StoredJSON.open(
                model: #""vocab":{"a":0},"merges":[]"#, decoder: "null", config: config.text(.compact))
            return TemplateChoice(tokenizer, asked: asked, otherwise: .alpaca)
        }
        let unknown =
            "the model's own chat template is none that is followed to the letter, so prompts differ from what it was trained with: "
        #expect(try choice(nil).warning == nil)
        #expect(try choice(nil).template == PromptTemplate(.alpaca))
        #expect(try choice("[INST] [/INST]").warning == unknown + "'mistral' is used, which it resembles")
        #expect(try choice("odd").warning == unknown + "'alpaca' is used")
        #expect(try choice("odd", asked: .llama3).warning == nil)
    }

    private static let data = ExternalFolder("chat-templates")

    /// Templates of others, which are not part of the project, and what transformers renders with them: those that are known here are
    /// followed in everything that messages can say.
    @Test(.enabled(if: data.isPresent, "\(data.absence)"))
    func followsKnownTemplates() throws {
        let folder = try Self.data.required()
        var known = 0
        for name in try FilePath.entries(of: "\(folder)/vectors") {
            let document = try JSONValue(parsing: InputFile(path: "\(folder)/vectors/\(name)").allBytes(limit: 1 << 24))
            let file = try InputFile(path: "\(folder)/templates/\(document["template"]?.string ?? "")")
            let jinja = String(decoding: try file.allBytes(limit: 1 << 20), as: UTF8.self)
            guard let template = PromptTemplate.recognized(inJinja: jinja) else { continue }
            known += 1
            let begin = template.beginning == .written ? document["bos_token"]?.string ?? "" : ""
            for vector in document["cases"]?.array ?? [] {
                guard let messages = Self.messages(vector), vector["options"]?["continue_final_message"] == nil else { continue }
                let opens = vector["options"]?["add_generation_prompt"]?.bool ?? false
                let text = begin + template.render(messages, opensResponse: opens).text
                let isSame = text.utf8.elementsEqual((vector["expected"]?.string ?? "").utf8)
                #expect(isSame, "\(name): \(vector["name"]?.string ?? ""): \(text.debugDescription)")
            }
        }
        #expect(known == 7)
    }

    /// Nil where `ChatMessage` cannot say it.
    private static func messages(_ vector: JSONValue) -> [ChatMessage]? {
        guard vector["tools"] == nil, vector["documents"] == nil, vector["expected"] != nil else { return nil }
        var messages: [ChatMessage] = []
        for message in vector["messages"]?.array ?? [] {
            guard message.object?.members.count == 2, let role = message["role"]?.string.flatMap(ChatMessage.Role.init(rawValue:)),
                let content = message["content"]?.string
            else { return nil }
            messages.append(ChatMessage(role, content))
        }
        return messages
    }
}
