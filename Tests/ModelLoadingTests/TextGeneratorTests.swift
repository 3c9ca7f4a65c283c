import ByteIO
import Checkpoints
import Glibc
import JSONText
import Parallelism
import Prompts
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

@testable import ModelLoading

@Suite struct TextGeneratorTests {
    private static func generator(threadCount: Int = 2, contextLength: Int = 32) throws -> TextGenerator {
        TextGenerator(
            session: try LoadedModel.open(Fixture.transformer("llama3")).exactSession(
                threadCount: threadCount, contextLength: contextLength), tokenizer: nil)
    }

    private static func tokens(
        _ generator: inout TextGenerator, _ request: GenerationRequest, isInterrupted: () -> Bool = { false }
    ) throws -> ([Int32], GeneratedText.End) {
        let result = try generator.generate(request, isInterrupted: isInterrupted) { _ in }
        return (result.tokens.map(\.id), result.end)
    }

    @Test func theSeedDecidesAndThreadsDoNot() throws {
        var request = GenerationRequest(prompt: [5, 6, 7], tokenLimit: 20, sampling: SamplingSettings(temperature: 1, seed: 4))
        var results: [[Int32]] = []
        for threadCount in [1, 2, 3] {
            var generator = try Self.generator(threadCount: threadCount)
            results.append(try Self.tokens(&generator, request).0)
        }
        #expect(Set(results).count == 1 && results[0].count == 20)
        request.sampling.seed = 5
        var generator = try Self.generator()
        #expect(try Self.tokens(&generator, request).0 != results[0])
    }

    @Test func endsForEveryReason() throws {
        var generator = try Self.generator(contextLength: 10)
        var request = GenerationRequest(prompt: [5, 6, 7], tokenLimit: 4, sampling: SamplingSettings())
        let (tokens, end) = try Self.tokens(&generator, request)
        #expect(tokens.count == 4 && end == .tokenLimit)
        request.tokenLimit = 50
        // The last token is generated from the last position, and needs no room itself.
        #expect(try Self.tokens(&generator, request).0.count == 8)
        #expect(try Self.tokens(&generator, request).1 == .context)
        request.stopTokens = [tokens[2]]
        let expected = Array(tokens[...(tokens.firstIndex(of: tokens[2]) ?? 2)])
        let stopped = try Self.tokens(&generator, request)
        #expect(stopped.0 == expected && stopped.1 == .stop)
        request.stopTokens = []
        // Asked before each of the two layers, and after each token.
        for (question, expected) in [(1, 0), (2, 0), (3, 1), (5, 3)] {
            var count = 0
            let interrupted = try Self.tokens(&generator, request) {
                count += 1
                return count == question
            }
            #expect(interrupted.0.count == expected && interrupted.1 == .interrupted)
        }
    }

    /// What was read before the interruption stays, and the rest is read when it is asked for again.
    @Test func aPromptThatWasInterruptedIsReadOn() throws {
        let prompt = (0..<600).map { TokenID(5 + $0 % 80) }
        let request = GenerationRequest(prompt: prompt, tokenLimit: 3, sampling: SamplingSettings())
        var generator = try Self.generator(contextLength: 700)
        let expected = try generator.generate(request) { _ in }
        generator = try Self.generator(contextLength: 700)
        var count = 0
        let interrupted = try generator.generate(
            request,
            isInterrupted: {
                count += 1
                // In the second piece of 512 positions.
                return count == 4
            }, emit: { _ in })
        #expect(interrupted.end == .interrupted && interrupted.tokens.isEmpty && interrupted.promptTokenCount == 512)
        let rest = try generator.generate(request) { _ in }
        #expect(rest.tokens == expected.tokens && rest.promptTokenCount == 88)
    }

    /// A conversation that goes on is not read again, and comes out the same.
    @Test func reusesWhatIsInTheCache() throws {
        var generator = try Self.generator()
        var request = GenerationRequest(prompt: [5, 6, 7], tokenLimit: 4, sampling: SamplingSettings())
        let first = try generator.generate(request) { _ in }
        request.prompt += first.tokens.map(\.id) + [9, 10]
        let second = try generator.generate(request) { _ in }
        // The last generated token was not run yet.
        #expect(first.promptTokenCount == 3 && second.promptTokenCount == 3)
        var fresh = try Self.generator()
        let expected = try fresh.generate(request) { _ in }
        #expect(second.tokens.map(\.id) == expected.tokens.map(\.id))
        // The very same prompt again: its last token is run for its logits.
        #expect(try generator.generate(request) { _ in }.promptTokenCount == 1)
    }

    @Test func probabilitiesAreThoseOfTheModel() throws {
        var generator = try Self.generator()
        let request = GenerationRequest(
            prompt: [5], tokenLimit: 1, sampling: SamplingSettings(temperature: 0.5, topK: 2), needsProbabilities: true)
        let token = try #require(try generator.generate(request) { _ in }.tokens.first)
        let logits = try LoadedModel.open(Fixture.transformer("llama3")).exactSession().append([5])
        let sum = logits.reduce(0.0) { $0 + exp(Double($1)) }
        #expect(abs(try #require(token.logProbability) - (Double(logits[Int(token.id)]) - log(sum))) < 1e-6)
    }

    @Test(arguments: [
        (["###"], ["Hello", " #", "#", " more"], "Hello ## more", false),
        (["###"], ["Hello", " #", "##", " more"], "Hello ", true),
        (["###", "o #"], ["Hello", " #", "##", " more"], "Hell", true),
        (["ab", "abc"], ["xa", "bc"], "x", true),
        (["é"], ["caf", "é!"], "caf", true),
        ([], ["any", "thing"], "anything", false),
    ])
    func stopTextsAreHeldBack(stops: [String], pieces: [String], expected: String, isStopped: Bool) {
        var text = StoppableText(stopTexts: stops)
        var streamed = pieces.map { text.append($0) }.joined()
        streamed += text.finish()
        #expect(streamed == expected && text.text == expected && text.isStopped == isStopped)
    }

    private static let stories = ExternalFolder("llama-stories260k")

    /// A real, trained model: word for word what transformers writes.
    @Test(.enabled(if: stories.isPresent, "\(stories.absence)"))
    func tellsTheStoryThatTransformersTells() throws {
        let folder = try Self.stories.required()
        let expected = try JSONValue(parsing: try InputFile(path: folder + "/expected_greedy.json").allBytes(limit: 1 << 20))
        let ids = try #require(expected["greedy_ids"]?.array).compactMap { $0.integer.map { Int32($0) } }
        let prompt = try #require(expected["prompt_ids"]?.array).compactMap { $0.integer.map { Int32($0) } }
        let model = try LoadedModel.open(folder)
        let tokenizer = try model.checkpoint.tokenizer()
        try model.check(tokenizer)
        #expect(tokenizer.encode(try #require(expected["prompt"]?.string)) == prompt)
        var generator = TextGenerator(session: model.exactSession(contextLength: 256), tokenizer: tokenizer)
        var streamed = try #require(expected["prompt"]?.string)
        let result = try generator.generate(
            GenerationRequest(prompt: prompt, tokenLimit: ids.count - prompt.count, sampling: SamplingSettings())
        ) { streamed += $0 }
        #expect(prompt + result.tokens.map(\.id) == ids)
        #expect(streamed == expected["text"]?.string)
    }
}
