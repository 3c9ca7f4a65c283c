import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

struct UnmergeTests {
    /// Merges everything in turn and undoes it in every way.
    private static func roundtrip(_ base: String, _ adapters: [String], in folder: TemporaryFolder, suffix: String) throws {
        var path = base
        var states = [base]
        for (number, adapter) in adapters.enumerated() {
            let next = folder.path("merged\(number)\(suffix)")
            try merge(path, adapter, to: next)
            path = next
            states.append(next)
        }
        for number in stride(from: adapters.count, to: 0, by: -1) {
            let output = folder.path("undone\(number)\(suffix)")
            try unmerge(states[number], to: output)
            #expect(try modelFiles(output) == modelFiles(states[number - 1]), "step \(number)")
        }
        try unmerge(path, to: folder.path("all\(suffix)"), all: true, threadCount: 3)
        #expect(try modelFiles(folder.path("all\(suffix)")) == modelFiles(base))
    }

    @Test(arguments: [
        ("llama/nf4-bf16", ["llama-plain", "llama-rslora", "llama-dora"]), ("llama/fp4-plain-bf16", ["llama-plain", "llama-plain"]),
        ("llama/nf4-f32", ["llama-modules-to-save", "llama-embedding"]), ("gpt2/nf4-f32", ["gpt2-bias-all", "gpt2-plain"]),
        ("gpt2/nf4-bf16", ["gpt2-plain", "gpt2-embedding-tied", "gpt2-dora"]),
    ])
    func leadsBackToAFourBitBase(_ source: String, _ adapters: [String]) throws {
        let folder = try TemporaryFolder()
        let base = folder.path("base.qnf")
        try convert(Fixture.checkpoint(source), to: base)
        try Self.roundtrip(base, adapters.map(Fixture.adapter), in: folder, suffix: ".qnf")
    }

    @Test(arguments: [
        ("llama/dense-f32", ["llama-plain", "llama-embedding", "llama-dora"]),
        ("llama/dense-bf16", ["llama-rank-alpha-pattern", "llama-modules-to-save", "llama-bf16-adapter"]),
        ("gpt2/dense-f32", ["gpt2-plain", "gpt2-bias-all"]), ("gpt2/dense-bf16", ["gpt2-embedding-tied", "gpt2-dora"]),
    ])
    func leadsBackToADenseFolder(_ source: String, _ adapters: [String]) throws {
        let folder = try TemporaryFolder()
        try Self.roundtrip(Fixture.checkpoint(source), adapters.map(Fixture.adapter), in: folder, suffix: "")
    }

    @Test func leadsBackToADenseFile() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.checkpoint("gpt2/dense-bf16/model.safetensors"), as: "base.safetensors")
        try Self.roundtrip(
            folder.path("base.safetensors"), ["gpt2-plain", "gpt2-plain"].map(Fixture.adapter), in: folder, suffix: ".safetensors")
    }

    /// Deltas from far below to far above the weights, in every type.
    @Test(arguments: [0.0005, 0.02, 0.5, 20] as [Float])
    func leadsBackWhateverTheDelta(_ scale: Float) throws {
        let folder = try TemporaryFolder()
        let adapter = try RandomAdapter([("model.layers.0.mlp.up_proj", 70, 37), ("odd", 3, 5)], scale: scale, seed: UInt64(scale * 10000))
        var random = SeededGenerator(seed: 8)
        for type in [ScalarType.f32, .bf16, .f16] {
            var tensors: [StoredTensor] = []
            for (name, rows, columns) in [("model.layers.0.mlp.up_proj.weight", 70, 37), ("odd.weight", 3, 5)] {
                let values = random.normals(count: rows * columns, scale: 0.02)
                var bytes = [UInt8](repeating: 0, count: rows * columns * type.bitCount / 8)
                var span = bytes.mutableSpan
                var destination = span.mutableBytes
                FloatConversion.narrow(values.span, to: type, into: &destination)
                tensors.append(StoredTensor(name, type, [rows, columns], bytes))
            }
            try folder.write(tensors.safetensors(), to: "\(type).safetensors")
            try merge(folder.path("\(type).safetensors"), adapter.path, to: folder.path("\(type)-merged.safetensors"))
            try unmerge(folder.path("\(type)-merged.safetensors"), to: folder.path("\(type)-again.safetensors"))
            #expect(try folder.bytes("\(type)-again.safetensors") == folder.bytes("\(type).safetensors"))
        }
    }

    @Test func aDamagedRecordIsFoundFirst() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-f32"), to: folder.path("base.qnf"))
        try merge(folder.path("base.qnf"), Fixture.adapter("llama-plain"), to: folder.path("merged.qnf"))
        let file = try Checkpoint.open(folder.path("merged.qnf"))
        let index = try #require(file.attachments.first { UndoFiles.number(of: file.source.tensors[$0].name) != nil })
        let record = file.source.tensors[index]
        let position = try #require(file.source.place(ofTensor: index)).offset
        let whole = try folder.bytes("merged.qnf")
        for offset in [0, record.byteCount / 2, record.byteCount - 40, record.byteCount - 33, record.byteCount - 20, record.byteCount - 1] {
            var bytes = whole
            bytes[position + offset] ^= 0x10
            try folder.write(bytes, to: "damaged.qnf")
            #expect(throws: FileError.self) { try unmerge(folder.path("damaged.qnf"), to: folder.path("out.qnf")) }
            #expect(FilePath.kind(of: folder.path("out.qnf")) == .missing)
        }
    }

    @Test func aDamagedTensorIsFound() throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint("llama/dense-bf16")
        try merge(base, Fixture.adapter("llama-plain"), to: folder.path("merged"))
        let path = folder.path("merged/model.safetensors")
        var bytes = try InputFile(path: path).allBytes(limit: 1 << 26)
        bytes[bytes.count - 9] ^= 1
        try folder.write(bytes, to: "merged/model.safetensors")
        do {
            try unmerge(folder.path("merged"), to: folder.path("out"))
            Issue.record("a damaged model was undone")
        } catch let error as FileError {
            #expect(error.message.hasPrefix("does not lead back to the base: its checksum would be"))
        }
        #expect(FilePath.kind(of: folder.path("out")) == .missing)
    }

    @Test func saysWhyItCannot() throws {
        let folder = try TemporaryFolder()
        let base = folder.path("base.qnf"), adapter = Fixture.adapter("llama-plain")
        try convert(Fixture.checkpoint("llama/nf4-f32"), to: base)
        func refusal(_ name: String) throws -> String? {
            do {
                _ = try Unmerge(try Checkpoint.open(folder.path(name)), all: false)
                return nil
            } catch let error as OperationError { return error.message.replacing(folder.path + "/", with: "") }
        }
        #expect(try refusal("base.qnf") == "base.qnf was not made by qmerge, or converted since: it holds no undo record")
        try merge(base, [(adapter, 1)], to: folder.path("without.qnf"), keepsUndo: false)
        #expect(try refusal("without.qnf") == "without.qnf cannot be unmerged: it was merged with `noUndo`")
        try merge(base, [(adapter, 1)], to: folder.path("with.qnf"))
        try merge(folder.path("with.qnf"), [(adapter, 1)], to: folder.path("second.qnf"), keepsUndo: false)
        #expect(try refusal("second.qnf") == "second.qnf cannot be unmerged: it was merged with `noUndo`")
        try convert(folder.path("with.qnf"), to: folder.path("converted.qnf"))
        #expect(
            try refusal("converted.qnf")
                == "converted.qnf cannot be unmerged: it was converted after the merge, which leaves undo records out")
    }
}
