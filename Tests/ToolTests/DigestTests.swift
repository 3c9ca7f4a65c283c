import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// `qinspect digest`: the same tensors have the same digests, whatever they are stored as.
@Suite struct DigestTests {
    /// Lines `sha256  dtype  shape  name`, by name without the digest's column.
    private static func digests(_ words: [String]) throws -> [String: String] {
        let run = ToolRunner(qinspect, ["digest"] + words + ["-q"])
        try #require(run.status == .done, "\(run.errors)")
        var digests: [String: String] = [:]
        for line in run.output.split(separator: "\n") {
            let name = try #require(line.split(separator: " ").last.map(String.init))
            #expect(digests.updateValue(String(line), forKey: name) == nil)
        }
        return digests
    }

    private static func line(_ tensor: StoredTensor) -> String {
        var digest = SHA256()
        digest.append(tensor.bytes)
        return "\(digest.finish())  \(tensor.scalarType.rawValue)  \(tensor.dimensions)  \(tensor.name)"
    }

    /// Of models that transformers made; GPT-2's matrices lie the other way in the files of nanoGPT and llm.c.
    @Test(arguments: [("mistral", 4), ("meta-llama", 5), ("nanogpt", 1), ("llm.c", 1)])
    func valuesAreThoseOfTransformers(_ name: String, _ count: Int) throws {
        let digests = try Self.digests([Fixture.path("layouts/\(name)"), "--dequantized"])
        let expected = try storedTensors(at: Fixture.path("layouts/\(name).expected.safetensors")).values.filter { $0.name.contains(".") }
        #expect(expected.count == count)
        for tensor in expected { #expect(digests[tensor.name] == Self.line(tensor)) }
    }

    /// What is decoded here is what a dense folder holds; of a Conv1D weight turned back.
    @Test(arguments: ["llama/nf4-bf16", "gpt2/nf4-f32"]) func decodedWeightsAreThoseOfADenseFolder(_ name: String) throws {
        let folder = try TemporaryFolder(), path = Fixture.checkpoint(name)
        let run = ToolRunner(qconvert, ["to-hf", path, "-o", folder.path("dense"), "--dequantize", "-q"])
        try #require(run.status == .done, "\(run.errors)")
        let decoded = try Self.digests([path, "--dequantized", "--threads", "3"]), dense = try Self.digests([folder.path("dense")])
        #expect(decoded == dense && decoded.count > 10)
        #expect(try Self.digests([path]).count > decoded.count)
    }

    @Test func listsAsOneDocument() throws {
        let path = Fixture.path("layouts/mistral")
        let run = ToolRunner(qinspect, ["digest", path, "--dequantized", "--match", "q_proj", "--json", "-q"])
        let document = try run.document()
        #expect(document["schema"] == .integer(1) && document["dequantized"] == .bool(true))
        let tensors = try #require(document["tensors"]?.array)
        #expect(tensors.count == 2 && tensors[0]["name"]?.string == "model.layers.0.self_attn.q_proj.weight")
        let line = try #require(try Self.digests([path, "--dequantized"])["model.layers.0.self_attn.q_proj.weight"])
        #expect(tensors[0]["sha256"]?.string.map { line.hasPrefix($0) } == true && tensors[0]["dtype"]?.string == "BF16")
    }
}
