import Architectures
import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Testing
import Transformer

/// Keys and values in each of their forms.
@Suite struct CacheTests {
    private static let models = [
        Fixture.transformer("gpt2"), Fixture.transformer("gemma3"), Fixture.family("olmo3"), Fixture.mixture("llama4"),
        Fixture.mixture("gpt_oss"),
    ]

    private static func session(
        _ model: LoadedModel, _ type: CacheType, threadCount: Int = 2, passLength: Int? = nil
    ) -> InferenceSession {
        InferenceSession(
            model.configuration, model.weights, engine: MatrixEngine(pool: WorkerPool(threadCount: threadCount)), contextLength: 32,
            cacheType: type, passLength: passLength)
    }

    private static let ids = (0..<20).map { Int32($0 * 7 % 29) }

    /// Eight bits cost more digits than sixteen, but not the model.
    @Test(arguments: models)
    func fewerBitsCostDigits(path: String) throws {
        let model = try LoadedModel.open(path), exact = try Self.session(model, .f32).allLogits(Self.ids)
        let half = relativeDifference(try Self.session(model, .f16).allLogits(Self.ids), exact)
        let bytes = relativeDifference(try Self.session(model, .q8).allLogits(Self.ids), exact)
        #expect(half > 0 && half < 2e-3 && bytes > half && bytes < 0.1, "F16 \(half), Q8 \(bytes)")
    }

    /// Whatever is read at once, kept or moved, and on any number of threads; fewer rows are multiplied by other sums in F32.
    @Test(arguments: models)
    func piecesChangeNoBits(path: String) throws {
        let model = try LoadedModel.open(path)
        let expected = try Self.session(model, .q8).allLogits(Self.ids).map(\.bitPattern)
        for (threadCount, passLength) in [(1, 5), (3, 10), (2, 7)] {
            let session = Self.session(model, .q8, threadCount: threadCount, passLength: passLength)
            #expect(try session.allLogits(Self.ids).map(\.bitPattern) == expected, "\(threadCount), \(passLength)")
            session.truncate(to: 0)
            #expect(try session.allLogits(Self.ids).map(\.bitPattern) == expected, "\(threadCount), \(passLength)")
        }
    }

    /// What is estimated before is what a session reserves.
    @Test(arguments: models, CacheType.allCases)
    func estimatesAreMet(path: String, type: CacheType) throws {
        let checkpoint = try Checkpoint.open(path), model = try LoadedModel(checkpoint)
        for positions in [1, 7, 32] {
            let estimate = MemoryEstimate(checkpoint, model.configuration, positions: positions, isExact: true, cacheType: type)
            let session = InferenceSession(
                model.configuration, model.weights, engine: MatrixEngine(pool: WorkerPool(threadCount: 1)), contextLength: positions,
                cacheType: type)
            #expect(estimate.cache == session.cache.byteCount && estimate.cacheType == type)
            #expect(estimate.cacheLayers.count == model.configuration.layers.count)
        }
    }

    /// Gemma 3 of 270 million parameters at 32,768 positions: three layers of eighteen keep all of them.
    @Test func slidingLayersKeepTheirWindows() throws {
        let types = (1...18).map { #""\#($0.isMultiple(of: 6) ? "full" : "sliding")_attention""# }.joined(separator: ", ")
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.transformer("gemma3/model.safetensors"))
        try folder.write(
            """
            {"model_type": "gemma3_text", "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18, "vocab_size": 262144,
             "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "max_position_embeddings": 32768, "sliding_window": 512,
             "query_pre_attn_scalar": 256, "layer_types": [\(types)]}
            """, to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path), model = try checkpoint.describedModel()
        func bytes(_ type: CacheType) -> Int {
            MemoryEstimate(checkpoint, model, positions: 32_768, isExact: false, cacheType: type).cache
        }
        // 1 head of 256: keys and values of 1,024 bytes a position; a window, a pass of 512 and a little before it.
        #expect(bytes(.f16) == 1024 * (3 * 32_768 + 15 * (511 + 512 + 64)) && bytes(.f32) == 2 * bytes(.f16))
        // Layers begin at multiples of 64 bytes.
        #expect(bytes(.q8) == 520 * 3 * 32_768 + 15 * 565_248)
        #expect(model.keyValueCount(positions: 32_768) == 512 * (3 * 32_768 + 15 * 512))
        #expect(model.parameterCount == 268_098_176 && model.activeParameterCount == model.parameterCount)
        #expect(model.layerKinds.map(\.layers) == [[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16], [5, 11, 17]])
    }

    /// Of five layers of experts, two have them: 4 of 4 count, or 1 of them.
    @Test func activeParametersAreThoseOfTheChosen() throws {
        let model = try LoadedModel.open(Fixture.mixture("llama4")).configuration
        // An expert has 3 matrices of 32 by 24.
        let all = try #require(model.parameterCount), active = try #require(model.activeParameterCount)
        #expect(all - active == 2 * 3 * (3 * 32 * 24))
        let separate = try LoadedModel.open(Fixture.mixture("mixtral")).configuration
        let both = (try #require(separate.parameterCount), try #require(separate.activeParameterCount))
        #expect(both.0 - both.1 == 2 * 2 * (3 * 32 * 24))
    }
}
