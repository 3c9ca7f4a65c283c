import Adapters
import Architectures
import ByteIO
import Checkpoints
import JSONText
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Records
@testable import Training

/// Factors of all experts of a layer, as PEFT adapts the parameters that hold them (`target_parameters`), whichever way they are stored.
@Suite struct ExpertTrainingTests {
    private static let names = ["mixtral", "qwen3_moe", "granitemoe", "gpt_oss", "llama4"]
    private static let targets = ["q_proj", "experts.gate_up_proj", "experts.down_proj"]

    private static func model(
        _ name: String, _ targets: [String] = targets, rank: Int = 2, alpha: Double = 3, recomputes: Bool = false
    ) throws -> (LoadedModel, TrainableModel) {
        let settings = LowRankSettings(rank: rank, alpha: alpha, tunesExperts: true) { module in
            targets.contains { module.hasSuffix("." + $0) }
        }
        let loaded = try LoadedModel(Checkpoint.open(Fixture.mixture(name)))
        let network = try NetworkBuilder.build(loaded.configuration, loaded.weights, tuning: .lowRank(settings, seed: 3))
        let model = try TrainableModel(
            network, positionLimit: 20, longestSample: 20, recomputes: recomputes,
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)))
        return (loaded, model)
    }

    private static func batch(_ name: String) throws -> Batch {
        let ids = try #require(try storedTensors(at: Fixture.mixture(name) + "/reference.safetensors")["ids"]).bytes.withUnsafeBytes {
            bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        return Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
    }

    private static func norm(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

    /// With the factors that `make_expert_fixtures.py` gives PEFT, read from an adapter of its kind.
    private static func adapter(_ name: String, in folder: TemporaryFolder) throws -> String {
        let (_, model) = try Self.model(name)
        let tensors = OutputFactor.all(of: model).map(\.info).map { info in
            StoredTensor(info.name, info.shape.dimensions, (0..<info.elementCount).map { Float(Double(($0 * 37 + 11) % 101 - 50) / 250) })
        }
        try folder.makeFolder("adapter")
        try folder.write(
            #"{"peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}"#,
            to: "adapter/adapter_config.json")
        try folder.write(tensors.safetensors(), to: "adapter/adapter_model.safetensors")
        return folder.path("adapter")
    }

    @Test("has PEFT's loss and gradients of factors", arguments: names, [false, true])
    func gradients(_ name: String, recomputes: Bool) throws {
        let folder = try TemporaryFolder(), table = try Fixture.table("experts/gradients.tsv").filter { $0[0] == name }
        let (_, model) = try Self.model(name, recomputes: recomputes)
        try model.start(from: Adapter.open(try Self.adapter(name, in: folder)))
        let batch = try Self.batch(name)
        let loss = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
        let expected = try #require(table.first { $0[1] == "-" }.flatMap { Double($0[2]) })
        #expect(abs(loss.sum / Double(loss.count) - expected) <= 1e-5 * expected)
        let factors = OutputFactor.all(of: model)
        for factor in factors {
            let wanted = try #require(table.first { $0[1] == factor.info.name }, "\(factor.info.name)").dropFirst(2).compactMap {
                Double($0)
            }
            let actual = factor.arranged(
                Array(UnsafeBufferPointer(start: model.parameters.gradient(factor.slot), count: factor.info.elementCount)))
            let count = actual.count
            let size = max(wanted[0], 1e-3)
            #expect(abs(Self.norm(actual) - wanted[0]) <= 1e-5 * size, "\(factor.info.name)")
            for (place, value) in zip([0, count / 3, 2 * count / 3, count - 1], wanted.dropFirst()) {
                #expect(abs(Double(actual[place]) - value) <= 1e-5 * size, "element \(place) of \(factor.info.name)")
            }
        }
        #expect(table.count == factors.count + 1)
    }

    /// Where PEFT takes inputs for outputs, what it draws are the outputs' factors.
    @Test(arguments: names + ["qwen2_moe", "olmoe"]) func theyBeginWithoutAnEffect(_ name: String) throws {
        let (_, model) = try Self.model(name)
        let reference = try storedTensors(at: Fixture.mixture(name) + "/reference.safetensors")
        let loss = try model.evaluate(Self.batch(name)), wanted = Double(try #require(reference["loss"]?.floats.first))
        #expect(abs(loss.sum / Double(loss.count) - wanted) <= 1e-5 * wanted)
        for factor in OutputFactor.all(of: model) {
            let values = factor.values(model.parameters), bound = 1 / Float(factor.info.shape.dimensions[1]).squareRoot()
            if factor.info.name.hasSuffix("lora_B.weight") {
                #expect(values.allSatisfy { $0 == 0 }, "\(factor.info.name)")
            } else {
                #expect(values.allSatisfy { abs($0) <= bound } && values.contains { abs($0) > 0.8 * bound }, "\(factor.info.name)")
            }
        }
    }

    /// Logits of the weights in training, and of the file beside the base, are the same; and a run can begin with the file.
    @Test(arguments: names + ["qwen2_moe", "olmoe"]) func whatIsWrittenIsWhatWasTrained(_ name: String) throws {
        let folder = try TemporaryFolder()
        let (loaded, model) = try Self.model(name)
        try model.start(from: Adapter.open(try Self.adapter(name, in: folder)))
        let output = try AtomicOutput(destination: folder.path("out.lora"), replaces: false)
        try AdapterOutput.write(
            model, to: output, baseFingerprint: "sha256:" + String(repeating: "0", count: 64), baseName: "base", tool: "test")
        let adapter = try Adapter.open(folder.path("out.lora"))
        #expect(adapter.configuration.targetModules == ["q_proj"])
        #expect(adapter.configuration.targetParameters == ["experts.down_proj", "experts.gate_up_proj"])
        let ids = try Self.batch(name).tokens, engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        func logits(_ weights: ModelWeights) throws -> [Float] {
            let session = InferenceSession(loaded.configuration, weights, engine: engine, contextLength: 32, cacheType: .f32)
            return try session.append(ids)
        }
        let trained = try logits(model.tunedWeights(of: loaded.weights))
        #expect(try logits(loaded.weights(with: [(adapter, 1)], engine: engine)) == trained)
        #expect(try logits(loaded.weights) != trained)
        let (_, second) = try Self.model(name)
        try second.start(from: adapter)
        #expect(zip(second.parameters.values.buffer, model.parameters.values.buffer).allSatisfy { $0 == $1 })
    }

    @Test func oneOfTheTwoIsNamedInFull() throws {
        let (_, model) = try Self.model("qwen3_moe", ["0.mlp.experts.down_proj"])
        #expect(model.tunedModules == ["model.layers.0.mlp.experts.down_proj"])
        let folder = try TemporaryFolder()
        try AdapterOutput.write(
            model, to: try AtomicOutput(destination: folder.path("out.lora"), replaces: false),
            baseFingerprint: "sha256:" + String(repeating: "0", count: 64),
            baseName: "base",
            tool: "test")
        let adapter = try Adapter.open(folder.path("out.lora"))
        #expect(adapter.configuration.targetModules.isEmpty)
        #expect(adapter.configuration.targetParameters == ["model.layers.0.mlp.experts.down_proj"])
        #expect(adapter.tensors.map(\.name).sorted() == ["A", "B"].map { "base_model.model.model.layers.0.mlp.experts.lora_\($0).weight" })
    }

    /// Layers of their own, as transformers 4 has them: one lora_A of gate and another of up.
    @Test func gateAndUpOfAnExpertShareAFactor() throws {
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: 5), tensors: [StoredTensor] = []
        for layer in 0..<2 {
            for expert in 0..<4 {
                for (part, outputs, inputs) in [("w1", 24, 32), ("w3", 24, 32), ("w2", 32, 24)] {
                    let name = "base_model.model.model.layers.\(layer).block_sparse_moe.experts.\(expert).\(part)"
                    tensors.append(StoredTensor("\(name).lora_A.weight", [2, inputs], random.normals(count: 2 * inputs)))
                    tensors.append(StoredTensor("\(name).lora_B.weight", [outputs, 2], random.normals(count: 2 * outputs)))
                }
            }
        }
        try folder.write(#"{"peft_type": "LORA", "r": 2, "lora_alpha": 3}"#, to: "adapter_config.json")
        try folder.write(tensors.safetensors(), to: "adapter_model.safetensors")
        let (_, model) = try Self.model("mixtral", ["experts.gate_up_proj", "experts.down_proj"])
        let error = try #require(throws: FileError.self) { try model.start(from: Adapter.open(folder.path)) }
        #expect(
            error.message
                == "has a lora_A of its own for 'model.layers.0.block_sparse_moe.experts.0.w3', where gate and up of an expert are to have one"
        )
    }
}
