import ByteIO
import Checkpoints
import TestSupport
import Testing

/// The examples of `formats/mlx.md` and `formats/compressed-tensors.md` are real files, and hold what the documents say.
@Suite struct GroupedDocumentTests {
    @Test func exampleOfMLXHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: "mlx.md"), to: "model.safetensors")
        try folder.write("{\"quantization\": {\"group_size\": 32, \"bits\": 4}}", to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.tensors.map(\.name) == ["w.weight"] && checkpoint.tensors[0].typeName == "MLX/4/32")
        let expected = (0..<32).map { Float($0 % 16) * 0.5 - 4 }
        #expect(try checkpoint.reader(of: checkpoint.tensors[0]).allElements() == expected)
    }

    @Test func exampleOfCompressedTensorsHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: "compressed-tensors.md"), to: "model.safetensors")
        let config = #"{"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}"#
        try folder.write("{\"quantization_config\": \(config)}", to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.tensors.map(\.name) == ["w.weight"] && checkpoint.tensors[0].typeName == "INT4/tensor+Z")
        let expected = (0..<32).map { Float($0 % 16 - 3) * 0.5 }
        #expect(try checkpoint.reader(of: checkpoint.tensors[0]).allElements() == expected)
    }

    /// Every width and group that is read, and every mode, stands in the document.
    @Test func documentNamesWhatIsRead() throws {
        let text = try Fixture.document("mlx.md")
        for row in ["| affine | 2, 3, 4, 5, 6, 8 | 32, 64, 128 |", "| mxfp4 | 4 | 32 |", "| mxfp8 | 8 | 32 |", "| nvfp4 | 4 | 16 |"] {
            #expect(text.contains(row), "\(row)")
        }
    }
}
