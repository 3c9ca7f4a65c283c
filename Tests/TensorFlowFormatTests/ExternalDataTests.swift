import ByteIO
import Glibc
import TensorCore
import TestSupport
import Testing

@testable import TensorFlowFormat

/// Files of others, which are not part of the project. Skipped unless the environment variable QNF_DATA names a folder with
///
///     tensorflow/gpt2-124M-index-only/   OpenAI's index of GPT-2 124M, and its files `checkpoint` and `hparams.json`
///     tensorflow/snappy-index/           a bundle `variables` whose index is compressed: a = 0.5, b = 2, c = 3
@Suite struct ExternalDataTests {
    private static let gpt2 = ExternalFolder("tensorflow/gpt2-124M-index-only")
    private static let compressed = ExternalFolder("tensorflow/snappy-index")

    @Test(.enabled(if: gpt2.isPresent, "\(gpt2.absence)"))
    func listsGPT2() throws {
        let path = try Self.gpt2.required()
        let error = #expect(throws: FileError.self) { try TensorBundle.open(path: path) }
        #expect(
            try #require(error).message
                == "only the index is here: its data file 'model.ckpt.data-00000-of-00001' is missing")
        let index = try BundleIndex(InputFile(path: path + "/model.ckpt.index"))
        // 12 variables in each of 12 layers, the embeddings, and the last norm.
        #expect(index.tensors.count == 12 * 12 + 4)
        #expect(index.tensors.allSatisfy { $0.entry.type == 1 && $0.entry.shard == 0 })
        #expect(index.tensors.compactMap { Shape($0.entry.dimensions)?.elementCount }.reduce(0, +) == 124_439_808)
        #expect(index.tensors.map(\.entry.byteCount).reduce(0, +) == 4 * 124_439_808)
        #expect(index.tensors.first { $0.name == "model/wte" }?.entry.dimensions == [50257, 768])
    }

    @Test(.enabled(if: gpt2.isPresent, "\(gpt2.absence)"))
    func opensGPT2WithADataFileOfItsLength() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            InputFile(path: Self.gpt2.required() + "/model.ckpt.index").allBytes(limit: 1 << 20), to: "m.index")
        // A hole of the right length: no block of it is on the disk.
        try folder.write([], to: "m.data-00000-of-00001")
        #expect(truncate(folder.path("m.data-00000-of-00001"), 497_759_232) == 0)
        let bundle = try TensorBundle.open(path: folder.path("m"))
        #expect(bundle.tensors.count == 148)
        #expect(throws: FileError.self) { try bundle.verifyAll(bufferByteCount: 1 << 20) }
        #expect(truncate(folder.path("m.data-00000-of-00001"), 497_759_231) == 0)
        #expect(throws: FileError.self) { try TensorBundle.open(path: folder.path("m")) }
    }

    @Test(.enabled(if: compressed.isPresent, "\(compressed.absence)"))
    func readsACompressedIndex() throws {
        let bundle = try TensorBundle.open(path: Self.compressed.required())
        #expect(bundle.tensors.map(\.name) == ["a", "b", "c"].map { $0 + "/.ATTRIBUTES/VARIABLE_VALUE" })
        let values = try bundle.tensors.indices.map { index in
            try bundle.bytes(ofTensor: index).withUnsafeBytes { $0.loadUnaligned(as: Float.self) }
        }
        #expect(values == [0.5, 2, 3])
        #expect(bundle.unreadableTensors.map(\.name) == ["_CHECKPOINTABLE_OBJECT_GRAPH"])
        try bundle.verifyAll()
    }
}
