import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge

/// `qinspect check` says "sound" of whole, working models only, and what is made of others is made with a warning.
@Suite struct SoundnessTests {
    private static func write(_ tensors: [(name: String, shape: [Int], values: [Float])], to path: String) throws {
        var image = SafetensorsImage()
        for tensor in tensors { image.add(tensor.name, "F32", tensor.shape, tensor.values) }
        try image.write(to: path)
    }

    private static func writeNorms(_ values: [Float] = [1, 1], to path: String) throws {
        try write([("model.norm.weight", [2], values), ("model.embed_tokens.weight", [1, 2], [1, 2])], to: path)
    }

    private static func write(_ text: String, to path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: false)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func valuesThatAreNotFinite(_ value: Float) throws {
        let folder = try TemporaryFolder()
        try Self.writeNorms([1, value], to: folder.path("m.safetensors"))
        let run = ToolRunner(qinspect, ["check", folder.path("m.safetensors")])
        #expect(run.status == .no)
        #expect(run.output.hasPrefix("\(folder.path)/m.safetensors: tensor 'model.norm.weight': element 1 is not a finite number\n"))
        #expect(run.output.contains(": UNSOUND, 1 problem in 2 tensors"))
        let document = try ToolRunner(qinspect, ["check", folder.path("m.safetensors"), "--json"]).document()
        #expect(document["ok"] == .bool(false) && document["problems"]?.array?.count == 1)
    }

    @Test func missingTensors() throws {
        let folder = try TemporaryFolder()
        let lost = "model.layers.1.mlp.up_proj.weight"
        let whole = "model.layers.1.mlp.up_proj.whole!"
        let model = folder.path("model")
        #expect(ToolRunner(qconvert, ["to-hf", Fixture.sample("llama-hf"), "-o", model, "--max-shard-size", "1GB"]).status == .done)
        // Under another name of the same length it is not there.
        try Fixture.replaceBytes(lost, with: whole, in: model + "/model.safetensors")
        let check = ToolRunner(qinspect, ["check", model])
        #expect(check.status == .no && check.output.contains("\(model): tensor '\(lost)': is missing"))
        let warning = "warning: \(model): '\(lost)': is missing"
        for words in [["to-nf4", model, "-o", folder.path("m.qnf")], ["to-hf", model, "-o", folder.path("copy")]] {
            let run = ToolRunner(qconvert, words)
            #expect(run.status == .done && run.errors.contains(warning), "\(words[0])")
        }
        #expect(ToolRunner(qconvert, ["to-nf4", model, "-o", folder.path("n.qnf"), "--dry-run"]).errors.contains(warning))
        let adapter = Fixture.sample("adapters/llama-instructions")
        #expect(ToolRunner(qmerge, [model, adapter, "-o", folder.path("merged"), "--dry-run"]).errors.contains(warning))
        // A .qnf of it is no better.
        #expect(ToolRunner(qinspect, ["check", folder.path("m.qnf")]).status == .no)
    }

    @Test func modelThatHidesShards() throws {
        let folder = try TemporaryFolder()
        try Self.writeNorms(to: folder.path("model.safetensors"))
        for number in 1...2 { try Self.writeNorms(to: folder.path("model-0000\(number)-of-00002.safetensors")) }
        let run = ToolRunner(qinspect, ["check", folder.path])
        #expect(run.status == .no && run.output.contains("hides 2 shards ('model-00001-of-00002.safetensors', ...)"))
        #expect(ToolRunner(qinspect, ["layers", folder.path]).errors.contains("warning: \(folder.path): model.safetensors is read"))
    }

    @Test func adapterBesideAModel() throws {
        let folder = try TemporaryFolder()
        try Self.writeNorms(to: folder.path("model.safetensors"))
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            try Self.write(try Fixture.text(at: Fixture.path("adapters/llama-plain/adapter_config.json")), to: folder.path(name))
        }
        let run = ToolRunner(qinspect, ["layers", folder.path])
        #expect(run.status == .done && run.output.contains("model.norm.weight"))
        #expect(run.errors.contains("warning: \(folder.path): adapter_config.json lies beside the model; the adapter is not applied"))
        #expect(ToolRunner(qinspect, ["check", folder.path]).status == .done)
    }

    // MARK: - What transformers does otherwise

    @Test func fusedExpertsAreSaid() throws {
        let folder = try TemporaryFolder()
        try Self.write(#"{"model_type":"x","architectures":["XForCausalLM"]}"#, to: folder.path("config.json"))
        try Self.write(
            [
                ("model.layers.0.mlp.experts.gate_up_proj", [4, 4, 2], [Float](repeating: 1, count: 32)),
                ("model.layers.0.mlp.experts.down_proj", [4, 2, 2], [Float](repeating: 1, count: 16)),
                ("model.layers.0.self_attn.q_proj.weight", [2, 2], [1, 2, 3, 4]),
            ], to: folder.path("model.safetensors"))
        let run = ToolRunner(qconvert, ["to-nf4", folder.path, "-o", folder.path("m.qnf"), "--dry-run"])
        #expect(run.status == .done)
        #expect(run.errors.contains("2 tensors like 'model.layers.0.mlp.experts.gate_up_proj' are kept dense, 92.3% of the bytes"))
    }

    @Test func expertsAreSaidUnlessTheyAreKept() throws {
        let folder = try TemporaryFolder()
        try Self.write(#"{"model_type":"mixtral"}"#, to: folder.path("config.json"))
        let name = "model.layers.0.block_sparse_moe.experts.0.w1.weight"
        try Self.write([(name, [2, 2], [1, 2, 3, 4])], to: folder.path("model.safetensors"))
        let words = ["to-nf4", folder.path, "-o", folder.path("m.qnf"), "--dry-run"]
        let run = ToolRunner(qconvert, words)
        #expect(run.errors.contains("the expert weight '\(name)' is 4-bit here, 100.0% of the bytes: transformers 5 holds"))
        #expect(run.errors.contains("hint: --match-transformers"))
        let kept = ToolRunner(qconvert, words + ["--match-transformers"])
        #expect(kept.status == .done && kept.errors.isEmpty && kept.output.contains("keep"))
    }
}
