import ByteIO
import Checkpoints
import Conversion
import Glibc
import Inspection
import JSONText
import Quantization
import SafetensorsFormat
import Streaming
import TensorCore
import TestSupport
import Testing

/// The example of `formats/qnf.md` is a real file: it opens, means what the document says, and is what we write today.
@Suite struct QNFDocumentTests {
    @Test func exampleIsWhatConvertingItsSourceGives() throws {
        let folder = try TemporaryFolder()
        let written = try Self.convertExample(in: folder)
        let documented = try HexDump.example(inDocument: "qnf.md")
        #expect(written == documented, "formats/qnf.md should say:\n\(HexDump.text(written))")
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("example.qnf")
        try folder.write(try HexDump.example(inDocument: "qnf.md"), to: "example.qnf")
        let checkpoint = try Checkpoint.open(path)
        #expect(checkpoint.kind == .qnf)
        #expect(checkpoint.tensors.map(\.name) == ["proj.weight", "norm.weight"])
        #expect(checkpoint.files.map(\.name) == ["config.json"])
        let quantized = try #require(checkpoint.tensors[0].quantized)
        let reader = try QuantizedReader(source: checkpoint.source, tensor: quantized)
        #expect(try reader.absmax(ofBlocks: 0..<2) == [31, 62])
        #expect(try IntegrityCheck(checkpoint, resources: Resources(threadCount: 1)).run().problems.isEmpty)
    }

    /// Converts the source that the document describes.
    private static func convertExample(in folder: TemporaryFolder) throws -> [UInt8] {
        let weight = (0..<64).map { index -> Float in
            let magnitude = Float(index < 32 ? index : 2 * (index - 32))
            return index % 2 == 0 ? magnitude : -magnitude
        }
        let norm: [Float] = [1, 2]
        let (matrix, vector) = (try #require(Shape([2, 32])), try #require(Shape([2])))
        let plan = [
            try #require(TensorInfo(name: "proj.weight", scalarType: .f32, shape: matrix)),
            try #require(TensorInfo(name: "norm.weight", scalarType: .f32, shape: vector)),
        ]
        let output = try AtomicOutput(destination: folder.path("model.safetensors"), replaces: false)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: [("format", "pt")])
        try weight.withUnsafeBytes { try writer.write($0, tensor: 0) }
        try norm.withUnsafeBytes { try writer.write($0, tensor: 1) }
        try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
        try folder.write(Array("{\"model_type\": \"example\"}\n".utf8), to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path("model.safetensors"))
        let conversion = try ConversionPlan(
            checkpoint, settings: QuantizationSettings(quantType: .nf4, blockSize: 32, isDoubleQuantized: false), rules: ConversionRules(),
            castingTo: nil, toolVersion: "0.1.0", options: ["--block-size 32", "--no-double-quant"])
        let path = folder.path("example.qnf")
        _ = try Conversion(conversion, resources: Resources(threadCount: 1), allowsNonfinite: false).run(path: path, replaces: false)
        return try InputFile(path: path).allBytes(limit: 1 << 20)
    }
}
