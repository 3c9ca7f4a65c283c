import Checkpoints
import TensorCore
import TestSupport
import Testing

/// The examples of `formats/fp8.md` and `formats/gptq.md` are what the documents say they are.
@Suite struct PackedDocumentTests {
    private static func values(_ document: String, config: String) throws -> (type: String, values: [Float]) {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: document), to: "model.safetensors")
        try folder.write(config, to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path)
        try checkpoint.requireReadableWeights()
        #expect(checkpoint.tensors.map(\.name) == ["q.weight"])
        return (checkpoint.tensors[0].typeName, try checkpoint.reader(of: checkpoint.tensors[0]).allElements())
    }

    @Test func floatsOfEightBits() throws {
        let found = try Self.values("fp8.md", config: #"{"quantization_config": {"quant_method": "fp8", "weight_block_size": [2, 3]}}"#)
        #expect(found.type == "FP8/2x3")
        #expect(found.values == [0.5, 1, -0.5, 0x1p-8, 224, 0, -0.0, 1.5, 1, 1, 1, 12])
    }

    @Test func codesOfFourBits() throws {
        let found = try Self.values("gptq.md", config: #"{"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": -1}}"#)
        #expect(found.type == "GPTQ/4")
        var expected: [Float] = []
        for output in 0..<8 {
            let (scale, zero) = (0.5 * Float(output + 1), Float(output == 0 ? 4 : 8))
            for input in 0..<8 { expected.append(scale * (Float((input + output) & 15) - zero)) }
        }
        #expect(found.values == expected)
        #expect(found.values[..<8] == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5])
    }
}
