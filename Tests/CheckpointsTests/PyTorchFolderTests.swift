import ByteIO
import Checkpoints
import TensorCore
import TestSupport
import Testing

/// Folders whose weights are pickled, as transformers wrote them until 2023.
@Suite struct PyTorchFolderTests {
    private static func expectSame(_ folder: String, _ other: String) throws {
        let opened = try Checkpoint.open(folder), expected = try Checkpoint.open(other)
        #expect(opened.kind == .pyTorchFolder && opened.architecture == expected.architecture && opened.warnings == expected.warnings)
        #expect(Set(opened.tensors.map(\.name)) == Set(expected.tensors.map(\.name)) && opened.tensors.count == expected.tensors.count)
        for (index, info) in opened.source.tensors.enumerated() {
            let place = try #require(expected.source.tensors.firstIndex { $0.name == info.name })
            #expect(expected.source.tensors[place] == info)
            #expect(try opened.source.bytes(ofTensor: index) == expected.source.bytes(ofTensor: place), "\(info.name)")
        }
    }

    @Test func shardsAreTheModelInSafetensors() throws {
        try Self.expectSame(Fixture.path("pickle/mistral"), Fixture.transformer("mistral"))
    }

    /// What a training run leaves beside the model is passed over, and a safetensors file of the same model goes first.
    @Test func oneFileAmongOthersIsTheModel() throws {
        let folder = try TemporaryFolder()
        try folder.write(Fixture.bytes(Fixture.path("pickle/zip.bin")), to: "pytorch_model.bin")
        for name in ["training_args.bin", "optimizer.pt", "rng_state.pth"] { try folder.write("x", to: name) }
        #expect(try Checkpoint.open(folder.path).kind == .pyTorchFolder)
        #expect(try Checkpoint.open(folder.path("pytorch_model.bin")).kind == .pyTorch)
        try folder.write(Fixture.bytes(Fixture.path("safetensors/types.safetensors")), to: "model.safetensors")
        #expect(try Checkpoint.open(folder.path).kind == .huggingFace)
    }

    @Test func twoFilesAreNotChosenFrom() throws {
        let folder = try TemporaryFolder()
        for name in ["a.pt", "b.pt"] { try folder.write(Fixture.bytes(Fixture.path("pickle/legacy.bin")), to: name) }
        let error = #expect(throws: FileError.self) { try Checkpoint.open(folder.path) }
        #expect(error?.message == "holds 2 files ending in '.pt' (a.pt, b.pt)")
    }

    @Test func anAdapterIsNoModel() {
        let error = #expect(throws: FileError.self) { try Checkpoint.open(Fixture.path("pickle/adapter/adapter_model.bin")) }
        #expect(error?.message == "is an adapter, not a model")
    }
}
