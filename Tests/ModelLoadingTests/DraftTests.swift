import Architectures
import Checkpoints
import Glibc
import ModelLoading
import Parallelism
import TestSupport
import Testing
import Tokenization

@testable import Transformer

/// Guesses change how many passes there are, and nothing else.
@Suite struct DraftTests {
    private static let models = [
        Fixture.transformer("gpt2"), Fixture.transformer("gemma3"), Fixture.family("bloom"), Fixture.family("olmo3"),
        Fixture.family("phi3"), Fixture.family("llama-dynamic"), Fixture.mixture("llama4"), Fixture.mixture("gpt_oss"),
        Fixture.mixture("qwen2_moe"), Fixture.checkpoint("gpt2/nf4-f32"),
    ]

    private static func session(
        _ model: LoadedModel, _ precision: MatrixEngine.Precision = .exact, _ cache: CacheType = .f32, threadCount: Int = 2,
        passLength: Int? = nil
    ) -> InferenceSession {
        InferenceSession(
            model.configuration, model.weights, engine: MatrixEngine(pool: WorkerPool(threadCount: threadCount)),
            contextLength: min(64, model.configuration.contextLength), precision: precision, cacheType: cache, passLength: passLength)
    }

    private static func request(_ sampling: SamplingSettings, tokenLimit: Int = 40) -> GenerationRequest {
        GenerationRequest(
            prompt: [5, 6, 7, 5, 6], tokenLimit: tokenLimit, sampling: sampling, needsProbabilities: true)
    }

    /// What is to come, with every few tokens a wrong one.
    private struct ScriptedDraft: TokenDraft {
        let text: [TokenID]
        let period: Int
        let vocabularySize: Int

        func read(_ prompt: [TokenID], isInterrupted: () -> Bool) {}

        func guesses(after tokens: [TokenID], limit: Int, sampler: Sampler) -> [TokenID] {
            text.indices.dropFirst(tokens.count).prefix(limit).map { index in
                index % period == 0 ? (text[index] + 1) % TokenID(vocabularySize) : text[index]
            }
        }

        func learn(guessed: Int, right: Int) {}
    }

    /// Tokens and the bits of their probabilities, right and wrong guesses alike, as layers slide and sequences are read again.
    private static func expectSame(
        _ sampling: SamplingSettings, of model: LoadedModel, _ location: SourceLocation = #_sourceLocation,
        session: () -> InferenceSession
    ) throws {
        let request = request(sampling)
        var plain = TextGenerator(session: session(), tokenizer: nil)
        // The second time only the last token of the prompt is read, where keys are kept for as long as that.
        let rounds = model.configuration.layers.contains { $0.attention.reach != nil } ? 1 : 2
        let expected = try (0..<rounds).map { _ in try plain.generate(request) { _ in } }
        let text = request.prompt + expected[0].tokens.map(\.id)
        #expect(text.count > 20, sourceLocation: location)
        let vocabularySize = model.configuration.vocabularySize
        let drafts: [any TokenDraft] = [
            LookupDraft(), ScriptedDraft(text: text, period: 5, vocabularySize: vocabularySize),
            ScriptedDraft(text: text, period: 1000, vocabularySize: vocabularySize),
            ModelDraft(session(), vocabularySize: vocabularySize),
        ]
        for draft in drafts {
            var generator = TextGenerator(session: session(), tokenizer: nil, draft: draft)
            for round in expected {
                let result = try generator.generate(request) { _ in }
                #expect(result.tokens == round.tokens && result.end == round.end, "\(draft)", sourceLocation: location)
                #expect(result.guesses.right <= result.guesses.guessed, sourceLocation: location)
                // Nothing is left in the cache that would not have been there.
                #expect(generator.session.count == text.count - 1, sourceLocation: location)
            }
        }
    }

    @Test(arguments: models, CacheType.allCases)
    func tokensAreTheSame(path: String, cache: CacheType) throws {
        let model = try LoadedModel.open(path)
        for (sampling, passLength) in [
            (SamplingSettings(), nil), (SamplingSettings(temperature: 1, topK: 20, seed: 3), 5),
            (SamplingSettings(temperature: 0.7, topP: 0.9, repeatPenalty: 1.3, seed: 9), 2),
        ] {
            try Self.expectSame(sampling, of: model) { Self.session(model, .exact, cache, passLength: passLength) }
        }
    }

    /// 4-bit weights and a head in 8 bits: rows are multiplied in integers.
    @Test(arguments: MatrixEngine.Precision.allCases, [1, 3])
    func tokensAreTheSameInEachPrecision(precision: MatrixEngine.Precision, threadCount: Int) throws {
        let stored = try LoadedModel.open(Fixture.sample("llama-bnb4"))
        for model in [stored, stored.withCompactHead(pool: WorkerPool(threadCount: 1))] {
            for sampling in [SamplingSettings(), SamplingSettings(temperature: 0.8, seed: 5)] {
                try Self.expectSame(sampling, of: model) { Self.session(model, precision, .f16, threadCount: threadCount) }
            }
        }
    }

    @Test func passesAreAsLongAsBitsAllow() throws {
        let stored = try LoadedModel.open(Fixture.sample("llama-bnb4")), compact = stored.withCompactHead(pool: WorkerPool(threadCount: 1))
        func length(_ model: LoadedModel, _ precision: MatrixEngine.Precision, after count: Int = 0) throws -> Int {
            let session = Self.session(model, precision)
            if count > 0 { _ = try session.append(Array(repeating: 5, count: count)) }
            return session.alikePassLength(atMost: 20)
        }
        #expect(try length(stored, .exact) == 4 && length(stored, .balanced) == 4)
        #expect(try length(compact, .balanced) == 20 && length(compact, .fast) == 8)
        #expect(try length(try LoadedModel.open(Fixture.transformer("gpt2")), .exact) == 4)
        // Beyond 16 positions every length has angles of its own; at 16 those of the long factors begin.
        let dynamic = try LoadedModel.open(Fixture.family("llama-dynamic")), long = try LoadedModel.open(Fixture.family("phi3"))
        #expect(try length(dynamic, .exact, after: 20) == 1)
        #expect(try length(long, .exact, after: 13) == 3 && length(long, .exact, after: 16) == 1 && length(long, .exact, after: 17) == 4)
    }

    /// Of the first two of three tokens, by tokens that a draft has guessed: they are drawn as the model says.
    @Test func tokensAreDrawnFromTheDistribution() throws {
        let model = try LoadedModel.open(Fixture.transformer("llama3")), topK = 3, prompt: [TokenID] = [5, 6, 7]
        func probabilities(after tokens: [TokenID]) throws -> [TokenID: Double] {
            let logits = try Self.session(model).append(tokens)
            let best = logits.indices.sorted { logits[$0] > logits[$1] }.prefix(topK)
            let sum = best.reduce(0.0) { $0 + exp(Double(logits[$1])) }
            return Dictionary(uniqueKeysWithValues: best.map { (TokenID($0), exp(Double(logits[$0])) / sum) })
        }
        var expected: [[TokenID]: Double] = [:]
        for (first, share) in try probabilities(after: prompt) {
            for (second, other) in try probabilities(after: prompt + [first]) { expected[[first, second]] = share * other }
        }
        let count = 500
        var found: [[TokenID]: Int] = [:], counts = GuessCounts()
        var generator = TextGenerator(
            session: Self.session(model), tokenizer: nil,
            draft: ModelDraft(Self.session(model), vocabularySize: model.configuration.vocabularySize))
        for seed in 0..<count {
            let sampling = SamplingSettings(temperature: 1, topK: topK, seed: UInt64(seed))
            let result = try generator.generate(GenerationRequest(prompt: prompt, tokenLimit: 3, sampling: sampling)) { _ in }
            found[result.tokens.prefix(2).map(\.id), default: 0] += 1
            counts.guessed += result.guesses.guessed
            counts.right += result.guesses.right
        }
        // A draft that draws as the model does is always right.
        #expect(counts.right == counts.guessed && counts.guessed >= count)
        #expect(Set(found.keys).isSubset(of: expected.keys))
        let chiSquare = expected.reduce(0.0) { sum, pair in
            let mean = pair.value * Double(count), difference = Double(found[pair.key] ?? 0) - mean
            return sum + difference * difference / mean
        }
        // 8 degrees of freedom: exceeded once in 10^4.
        #expect(chiSquare < 31.8)
    }

    @Test func looksUpTheLastLikePlace() {
        func guesses(_ tokens: [TokenID], limit: Int = 4) -> [TokenID] {
            var draft = LookupDraft()
            return draft.guesses(after: tokens, limit: limit, sampler: Sampler(SamplingSettings()))
        }
        #expect(guesses([1, 2, 3, 4, 9, 1, 2]) == [3, 4, 9, 1])
        #expect(guesses([1, 2, 3, 4, 9, 1, 2], limit: 1) == [3])
        // The last of equal ones, but first the one that is like for longer.
        #expect(guesses([1, 2, 3, 8, 1, 2, 4, 9, 1, 2], limit: 1) == [4])
        #expect(guesses([7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], limit: 1) == [3])
        // What repeats itself goes on.
        #expect(guesses([1, 2, 1, 2]) == [1, 2, 1, 2] && guesses([5, 5, 5]) == [5, 5, 5, 5])
        #expect(guesses([1]) == [] && guesses([1, 2]) == [] && guesses([1, 2, 3, 2]) == [])
        var draft = LookupDraft()
        func now() -> [TokenID] { draft.guesses(after: [1, 2, 3, 4, 9, 1, 2], limit: 4, sampler: Sampler(SamplingSettings())) }
        draft.learn(guessed: 4, right: 0)
        // Two like tokens are too few after a mistake.
        #expect(now() == [])
        draft.learn(guessed: 1, right: 1)
        #expect(now() == [3, 4])
    }
}
