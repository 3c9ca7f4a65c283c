import Adapters
import ByteIO
import JSONText
import ModelLoading
import Prompts
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

/// What the samples write, against what transformers and PEFT wrote with them: every token of every continuation.
@Suite struct SampleTextTests {
    private static func document(_ name: String) throws -> JSONValue {
        try JSONValue(parsing: try InputFile(path: Fixture.sample(name)).allBytes(limit: 1 << 20))
    }

    private static func ids(_ value: JSONValue?) throws -> [TokenID] {
        try #require(value?.array).compactMap { $0.integer.map { TokenID($0) } }
    }

    @Test(arguments: ["gpt2-tensorflow", "llama-hf", "llama-bnb4"])
    func continuationsAreThoseOfTransformers(name: String) throws {
        let model = try LoadedModel.open(Fixture.sample(name))
        let tokenizer = try model.checkpoint.tokenizer()
        var generator = TextGenerator(session: model.exactSession(contextLength: 128), tokenizer: tokenizer)
        let prompts = try #require(try Self.document("expected.json")["models"]?[name]?["greedy"]?.array)
        #expect(prompts.count == 8)
        for prompt in prompts {
            let ids = try Self.ids(prompt["ids"]), continuation = try Self.ids(prompt["continuation_ids"])
            #expect(tokenizer.encode(try #require(prompt["prompt"]?.string)) == ids)
            let request = GenerationRequest(prompt: ids, tokenLimit: continuation.count, sampling: SamplingSettings())
            #expect(try generator.generate(request) { _ in }.tokens.map(\.id) == continuation)
        }
    }

    @Test(arguments: [("gpt2-tensorflow", "gpt2-instructions"), ("llama-hf", "llama-instructions")])
    func answersWithAnAdapterAreThoseOfPEFT(name: String, adapterName: String) throws {
        let model = try LoadedModel.open(Fixture.sample(name))
        let tokenizer = try model.checkpoint.tokenizer()
        let session = model.exactSession(contextLength: 128)
        session.weights = try model.weights(
            with: [(try Adapter.open(Fixture.sample("adapters/\(adapterName)")), 1)], engine: session.engine)
        var generator = TextGenerator(session: session, tokenizer: tokenizer)
        let answers = try #require(
            try Self.document("adapters/expected.json")["adapters"]?[adapterName]?["adapter"]?["answers"]?.array)
        for answer in answers {
            let question = try #require(answer["question"]?.string), expected = try Self.ids(answer["ids"])
            let request = GenerationRequest(
                prompt: tokenizer.encode("### Instruction:\n\(question)\n\n### Response:\n"), tokenLimit: expected.count,
                sampling: SamplingSettings())
            #expect(try generator.generate(request) { _ in }.tokens.map(\.id) == expected)
        }
    }
}
