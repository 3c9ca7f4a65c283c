import ByteIO
import JSONText
import TestSupport
import Testing
import Tokenization

@testable import Prompts

/// What chat templates of real models teach. They belong to others: skipped where they are not at hand.
@Suite struct RealTemplateLessonTests {
    private static let folder = ExternalFolder("chat-templates")
    /// Templates whose prompt is not how the text with the answer begins, mostly because it opens a thought that is not written
    /// again, or that fail without tools.
    private static let refused: Set = [
        "Apriel-1.6-15b-Thinker-fixed", "Cohere2MoE", "CohereForAI-c4ai-command-r-plus-tool_use", "CohereForAI-c4ai-command-r-v01",
        "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
        "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "Spark2.5", "alpaca", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
        "deepseek-ai-DeepSeek-V3.2", "falcon-instruct", "fireworks-ai-llama-3-firefunction-v2", "google-gemma-4-31B-it-interleaved",
        "llama-cpp-deepseek-r1", "vicuna",
    ]

    @Test(.enabled(if: folder.isPresent, "\(folder.absence)"))
    func areTheAnswersEachWithItsEndOrRefused() throws {
        let folder = try Self.folder.required()
        var refused: Set<String> = []
        for name in try FilePath.entries(of: "\(folder)/vectors").sorted() {
            let vectors = try PromptFixtures.json("\(folder)/vectors/\(name)")
            let source = try Fixture.text(at: "\(folder)/templates/\(try #require(vectors["template"]?.string))")
            let template = try ChatTemplate(.model("default"), text: source, try Self.tokenizer(vectors))
            var talk = Conversation(user: "first question")
            let answers = ["first answer", "second answer"]
            let prompt: RenderedPrompt
            let lessons: [RenderedPrompt]
            do throws(PromptError) {
                talk.append("assistant", answers[0])
                talk.append("user", "second question")
                prompt = try template.render(talk, opensResponse: true)
                talk.append("assistant", answers[1])
                lessons = try template.lessons(of: talk)
            } catch {
                refused.insert(String(name.dropLast(".json".count)))
                continue
            }
            let responses = lessons.flatMap { lesson in lesson.responses.map { Array(lesson.bytes[$0]) } }
            #expect(responses.count == answers.count, "\(name)")
            let opening = prompt.bytes.reversed().drop { $0 == 0x0a || $0 == 0x20 }
            for (response, answer) in zip(responses, answers) {
                let place = try #require(response.lastRange(of: Array(answer.utf8)), "\(name)")
                let end = response[place.upperBound...]
                #expect(!end.isEmpty, "\(name): an answer has no end")
                #expect(!opening.starts(with: end.reversed().prefix(10)), "\(name): ends in \(String(decoding: end, as: UTF8.self))")
            }
        }
        #expect(refused == Self.refused)
    }

    /// Calls end in tokens of their own where the tool's turn brings them, or a mark behind all calls.
    @Test(
        .enabled(if: folder.isPresent, "\(folder.absence)"),
        arguments: [
            ("GLM-4.6", "</tool_call><|observation|>"), ("zai-org-GLM-5.1", "</tool_call><|observation|>"),
            ("Apertus-8B-Instruct", "<|tools_suffix|>"), ("Qwen-Qwen2.5-7B-Instruct", "</tool_call><|im_end|>"),
            ("mistralai-Ministral-3-14B-Reasoning-2512", "}</s>"),
        ])
    func endCallsAsTheTemplateDoes(_ name: String, _ end: String) throws {
        let folder = try Self.folder.required()
        let vectors = try PromptFixtures.json("\(folder)/vectors/\(name).json")
        let source = try Fixture.text(at: "\(folder)/templates/\(try #require(vectors["template"]?.string))")
        let template = try ChatTemplate(.model("default"), text: source, try Self.tokenizer(vectors))
        var talk = Conversation(user: "a question")
        let call = """
            {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function",
            "function": {"name": "f", "arguments": {"x": 1}}}]}
            """
        talk.messages.append(try JSONValue(parsing: Array(call.utf8)))
        let lessons = try template.lessons(of: talk)
        #expect(lessons.count == 1 && lessons[0].responses.count == 1)
        let learned = String(decoding: lessons[0].bytes[lessons[0].responses[0]], as: UTF8.self)
        #expect(learned.contains("f") && learned.hasSuffix(end), "\(learned)")
    }

    /// Three characters, and the special tokens that these templates end answers with.
    private static func tokenizer(_ vectors: JSONValue) throws -> Tokenizer {
        let end = vectors["eos_token"]?.string ?? "<|endoftext|>"
        let added = ([end, "<|user|>", "<|assistant_end|>", "<|observation|>", "<|tools_suffix|>"]).enumerated().map { index, text in
            "{\"id\":\(index + 4),\"content\":\(JSONValue.string(text).text(.compact)),\"special\":true}"
        }
        let json = """
            {"added_tokens":[\(added.joined(separator: ","))],"model":{"type":"BPE","unk_token":"u","vocab":{"u":0,"a":1,"b":2,"ab":3},
            "merges":["a b"]},"decoder":{"type":"Metaspace","replacement":"▁"}}
            """
        let roles = ["bos_token", "eos_token", "pad_token", "unk_token"].compactMap { role in
            vectors[role]?.string.map { "\"\(role)\":\(JSONValue.string($0).text(.compact))" }
        }
        let files = [
            ("tokenizer.json", json), ("tokenizer_config.json", "{\(roles.joined(separator: ","))}"),
            ("generation_config.json", "{\"eos_token_id\":[4,5,6]}"),
        ]
        return try Tokenizer.open(files.map { TokenizerFile(name: $0.0, bytes: Array($0.1.utf8)) }, path: "model")
    }
}
