import Architectures
import ByteIO
import Checkpoints
import JSONText
import ModelLoading
import TestSupport
import Testing

/// Models in the files of Mistral, Meta, nanoGPT, llm.c and llama2.c compute what transformers does of the same weights.
@Suite struct OwnNamesTests {
    /// Float32 throughout agrees to this share of the largest value; 1e-4 is what is promised.
    private static let tolerance: Float = 2e-5

    @Test(arguments: ["mistral", "meta-llama", "nanogpt", "llm.c", "llama2.c"])
    func logitsAreThoseOfTransformers(_ name: String) throws {
        let reference = try Reference(file: Fixture.path("layouts/\(name).expected.safetensors"))
        let model = try LoadedModel.open(Fixture.path("layouts/\(name)"))
        let session = model.exactSession(contextLength: reference.ids.count)
        #expect(relativeDifference(try session.allLogits(reference.ids), reference.logits) < Self.tolerance)
    }

    /// With a head of its own, here the embedding once more, and with positions of the tables that nobody reads.
    @Test func aHeadOfItsOwnIsTaken() throws {
        let reference = try Reference(file: Fixture.path("layouts/llama2.c.expected.safetensors"))
        var bytes = try Fixture.bytes(Fixture.path("layouts/llama2.c/model.bin"))
        // 64 tokens, 32 wide.
        bytes.replaceSubrange(20..<24, with: withUnsafeBytes(of: Int32(-64)) { Array($0) })
        let folder = try TemporaryFolder()
        try folder.write(bytes + bytes[28..<28 + 64 * 32 * 4], to: "model.bin")
        let model = try LoadedModel.open(folder.path)
        #expect(!model.configuration.head.isTied)
        let session = model.exactSession(contextLength: reference.ids.count)
        #expect(relativeDifference(try session.allLogits(reference.ids), reference.logits) < Self.tolerance)
    }
}
