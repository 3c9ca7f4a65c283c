import ByteIO
import GGUFFormat
import TensorCore
import TestSupport
import Testing

/// The example of `formats/gguf.md` is a real file: it opens, holds what the document says, and is what we write today.
@Suite struct GGUFDocumentTests {
    private static let name = "gguf.md"

    /// Scale 0.5, codes 0 to 31.
    private static let block: [UInt8] = [0x00, 0x38] + (0..<32).map { UInt8($0) }

    @Test func exampleIsWhatWeWrite() throws {
        let folder = try TemporaryFolder()
        let metadata = [
            GGUFMetadata.Entry("general.architecture", .string("toy")),
            GGUFMetadata.Entry("toy.tokens", .array(GGUFArray(["<s>", "\u{2581}a"]))), GGUFMetadata.Entry("toy.bias", .bool(true)),
        ]
        let tensors = try [("norm.weight", "F32", [2]), ("w", "Q8_0", [1, 32])].map { name, type, dimensions in
            GGUFPlannedTensor(name: name, type: try #require(.named(type)), shape: try #require(Shape(dimensions)))
        }
        let plan = try GGUFPlan(metadata: metadata, tensors: tensors, path: "example")
        let output = try AtomicOutput(destination: folder.path("example.gguf"), replaces: false)
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        try [Float(1), -2].withUnsafeBytes { try writer.write($0, tensor: 0) }
        try Self.block.withUnsafeBytes { try writer.write($0, tensor: 1) }
        try output.commit([writer.file])
        let written = try folder.bytes("example.gguf")
        let documented = try HexDump.example(inDocument: Self.name)
        #expect(written == documented, "formats/gguf.md should say:\n\(HexDump.text(written))")
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        let source = try GGUFSource(path: folder.write(try HexDump.example(inDocument: Self.name), to: "example.gguf"))
        #expect(try source.metadata.string("general.architecture") == "toy" && source.metadata.bool("toy.bias") == true)
        #expect(try source.metadata.array("toy.tokens", of: .string)?.strings() == ["<s>", "\u{2581}a"])
        #expect(source.tensors.map(\.name) == ["norm.weight", "w"] && source.parts[0].header.dataStart == 256)
        #expect(try source.floats(ofTensor: 0, 0..<2) == [1, -2])
        #expect(source.blockType(ofTensor: 1)?.type.name == "Q8_0" && source.blockType(ofTensor: 1)?.shape.dimensions == [1, 32])
        #expect(try source.bytes(ofTensor: 1) == Self.block)
    }

    /// Every type is in the table, with its numbers.
    @Test func documentHasEveryType() throws {
        let text = try Fixture.document(Self.name)
        for type in GGUFTensorType.all {
            #expect(text.contains("| \(type.id) | \(type.name) | \(type.elementsPerBlock) | \(type.bytesPerBlock) |"), "\(type)")
        }
    }
}
