import ByteIO
import Checkpoints
import FlatFormat
import TensorCore
import TestSupport
import Testing

/// The example of `formats/layouts.md` is a file of llama2.c, and a model.
@Suite struct LayoutsDocumentTests {
    private static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: "layouts.md"), to: "model.bin")
        return folder
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try Self.folder()
        let file = try FlatFile(llama2C: InputFile(path: folder.path("model.bin")))
        guard case .llama2C(let header) = file.header else { throw HexDump.Missing(document: "layouts.md") }
        #expect([header.width, header.innerWidth, header.layerCount, header.headCount, header.keyValueHeadCount] == [2, 1, 1, 1, 1])
        #expect([header.vocabularySize, header.contextLength] == [1, 1] && !header.hasHead)
        let tensors = try file.storedTensors()
        #expect(tensors.flatMap(\.floats) == (1...30).map { Float($0) })
        #expect(tensors.first?.name == "tok_embeddings.weight" && tensors.last?.floats == [29, 30])
    }

    /// Two rows that are one pair have the same order either way.
    @Test func exampleIsAModel() throws {
        let folder = try Self.folder()
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.modelType == "llama" && checkpoint.tensors.count == 11)
        let query = try #require(checkpoint.tensors.first { $0.name == "model.layers.0.self_attn.q_proj.weight" })
        #expect(try checkpoint.reader(of: query).allElements() == [5, 6, 7, 8])
    }

    @Test func statesWhatIsReadOfLLMC() throws {
        let text = try Fixture.document("layouts.md")
        #expect(text.contains("| 0 | 20240326 |") && text.contains("| 1 | 3: F32, 5: BF16 |"))
    }
}
