import Architectures
import JSONText
import ModelLoading
import TensorCore
import TestSupport
import Testing
import Transformer

/// Against the logits and hidden states of transformers, for every family and every form that weights come in.
@Suite struct ReferenceTests {
    /// Float32 throughout agrees to this share of the largest value; 1e-4 is what is promised.
    private static let tolerance: Float = 2e-5

    private static let folders: [(reference: String, path: String)] =
        [
            "gpt2", "gpt2-gelu", "gpt2-gelu-fast", "gpt2-relu", "gpt2-silu", "llama-biased", "llama3", "mistral", "qwen2", "qwen3", "gemma",
            "gemma2", "gemma3",
        ].map { ($0, Fixture.transformer($0)) } + [
            ("nf4-llama", Fixture.checkpoint("llama/nf4-f32")), ("nf4-gpt2", Fixture.checkpoint("gpt2/nf4-f32")),
        ]

    @Test(arguments: folders)
    func logitsAndStatesAreThoseOfTransformers(name: String, path: String) throws {
        let reference = try Reference(name)
        let session = try LoadedModel.open(path).exactSession()
        var hidden: [Int: [Float]] = [:]
        session.observer = { hidden[$0] = $1 }
        #expect(relativeDifference(try session.allLogits(reference.ids), reference.logits) < Self.tolerance)
        // The last one is after the final norm in the reference, before it here.
        for index in 0..<reference.hidden.count - 1 {
            #expect(relativeDifference(hidden[index] ?? [], reference.hidden[index]) < Self.tolerance)
        }
    }

    /// As transformers and bitsandbytes run them.
    @Test(arguments: ["gemma", "gemma2", "gemma3"])
    func fourBitTwinsHaveTheirLogits(name: String) throws {
        let reference = try Reference(name + "/nf4")
        let logits = try LoadedModel.open(Fixture.transformer(name + "/nf4")).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) < Self.tolerance)
    }

    /// Without one of these members it would be another model: what is promised, 1e-4, tells them apart.
    @Test(arguments: [
        ("gpt2-gelu", "activation_function"), ("gpt2-relu", "activation_function"), ("gpt2-silu", "activation_function"),
        ("gpt2-gelu-fast", "scale_attn_by_inverse_layer_idx"), ("gpt2-relu", "scale_attn_weights"),
    ])
    func everyMemberCounts(name: String, member: String) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.transformer(name + "/model.safetensors"))
        try folder.copy(Fixture.transformer(name + "/config.json"))
        var config = try #require(try JSONValue(parsing: folder.bytes("config.json")).object)
        config[member] = config[member]?.bool.map { .bool(!$0) } ?? .null
        try folder.write(JSONValue.object(config).text(.compact), to: "config.json")
        let reference = try Reference(name)
        let logits = try LoadedModel.open(folder.path).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) > 1e-4)
    }

    /// Token by token, in pieces, and at once.
    @Test(arguments: folders)
    func theCacheChangesNothing(name: String, path: String) throws {
        let reference = try Reference(name)
        let model = try LoadedModel.open(path)
        let vocabularySize = model.configuration.vocabularySize
        for pieces in [[20], [1, 19], [7, 13], Array(repeating: 1, count: 20)] {
            let session = model.exactSession()
            var start = 0
            for piece in pieces {
                let logits = try session.append(Array(reference.ids[start..<start + piece]))
                start += piece
                let expected = Array(reference.logits[(start - 1) * vocabularySize..<start * vocabularySize])
                #expect(relativeDifference(logits, expected) < Self.tolerance)
            }
        }
    }

    /// Keys and values in 16 bits cost some digits, not more.
    @Test(arguments: folders)
    func aCacheInHalfPrecisionIsClose(name: String, path: String) throws {
        let reference = try Reference(name)
        let model = try LoadedModel.open(path)
        let session = InferenceSession(
            model.configuration, model.weights, engine: model.exactSession().engine, contextLength: 20, cacheType: .f16)
        #expect(relativeDifference(try session.allLogits(reference.ids), reference.logits) < 2e-3)
    }

    @Test(arguments: folders)
    func threadsChangeNothing(name: String, path: String) throws {
        let reference = try Reference(name)
        let model = try LoadedModel.open(path)
        let expected = try model.exactSession(threadCount: 1).allLogits(reference.ids).map(\.bitPattern)
        for threadCount in [2, 3, 5] {
            #expect(try model.exactSession(threadCount: threadCount).allLogits(reference.ids).map(\.bitPattern) == expected)
        }
    }

    @Test func runsOpenAIsCheckpointFromTensorFlow() throws {
        let folder = try Fixture.makeOpenAIFolder()
        let reference = try Reference("tensorflow-gpt2")
        let logits = try LoadedModel.open(folder.path).exactSession().allLogits(reference.ids)
        #expect(relativeDifference(logits, reference.logits) < Self.tolerance)
    }

    @Test func truncatingForgets() throws {
        let reference = try Reference("mistral")
        let session = try LoadedModel.open(Fixture.transformer("mistral")).exactSession()
        let whole = try session.append(reference.ids)
        session.truncate(to: 12)
        #expect(relativeDifference(try session.append(Array(reference.ids[12...])), whole) < Self.tolerance)
        session.reset()
        #expect(session.count == 0)
        #expect(try session.append(reference.ids) == whole)
    }

    @Test func refusesTokensThatTheModelDoesNotKnow() throws {
        let session = try LoadedModel.open(Fixture.transformer("gpt2")).exactSession(contextLength: 8)
        #expect(throws: ModelError("token 2 of 2 has id 101, but ids of this model go from 0 to 100")) { try session.append([0, 101]) }
        #expect(throws: ModelError("token 1 of 1 has id -1, but ids of this model go from 0 to 100")) { try session.append([-1]) }
        #expect(throws: ModelError("there are no tokens to run")) { try session.append([]) }
        _ = try session.append([1, 2, 3])
        #expect(
            throws: ModelError(
                "9 tokens do not fit into the context of 8", hint: "`contextLength` sets up more, as far as the model goes")
        ) { try session.append([1, 2, 3, 4, 5, 6]) }
    }
}
