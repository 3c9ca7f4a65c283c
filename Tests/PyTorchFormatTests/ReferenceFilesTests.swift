import ByteIO
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import PyTorchFormat

/// Files that PyTorch wrote, with what torch.load gives of them (made by `Tests/Fixtures/make_pickle_fixtures.py`).
@Suite struct ReferenceFilesTests {
    /// File, the file with its tensors, and what stands before the names there and not here.
    static let cases: [(file: String, expected: String, prefix: String)] = [
        ("zip.bin", "zip.bin", ""), ("zip-protocol4.bin", "zip.bin", ""), ("zip-protocol5.bin", "zip.bin", ""),
        // Checksums of the records are wrong, as PyTorch can be told to write them.
        ("zip-no-crc.bin", "zip.bin", ""), ("zip-old-types.bin", "legacy.bin", ""), ("zip-big-endian.bin", "legacy.bin", ""),
        ("zip-other-prefix-no-byteorder.bin", "legacy.bin", ""), ("legacy.bin", "legacy.bin", ""),
        ("legacy-protocol4.bin", "legacy.bin", ""),
        ("module-state-dict.bin", "module-state-dict.bin", ""), ("compiled.bin", "compiled.bin", "_orig_mod."),
        ("nanogpt-ckpt.pt", "nanogpt-ckpt.pt", "model._orig_mod."), ("lightning.ckpt", "lightning.ckpt", "state_dict.model."),
    ]

    @Test(arguments: cases) func readsWhatPyTorchReads(_ file: (file: String, expected: String, prefix: String)) throws {
        let source = try PyTorchFile(path: Fixture.path("pickle/\(file.file)"))
        let expected = try SafetensorsFile(path: Fixture.path("pickle/\(file.expected).expected.safetensors"))
        var left = Dictionary(
            expected.tensors.indices.filter { expected.tensors[$0].name.hasPrefix(file.prefix) }.map {
                (String(expected.tensors[$0].name.dropFirst(file.prefix.count)), $0)
            }, uniquingKeysWith: { first, _ in first })
        #expect(!left.isEmpty)
        for (index, info) in source.tensors.enumerated() {
            let found = left.removeValue(forKey: info.name)
            let other = try #require(found, "\(info.name)")
            #expect(info.scalarType == expected.tensors[other].scalarType && info.shape == expected.tensors[other].shape, "\(info.name)")
            #expect(try source.bytes(ofTensor: index) == expected.bytes(ofTensor: other), "\(info.name)")
        }
        #expect(left.isEmpty, "\(left.keys)")
    }

    /// Numbers of an optimizer, arguments and a user's own classes lie beside the weights: none of them is looked up.
    @Test func nothingBesideTheModelIsTaken() throws {
        #expect(try PyTorchFile(path: Fixture.path("pickle/lightning.ckpt")).tensors.allSatisfy { !$0.name.contains("model.") })
        let names = try PyTorchFile(path: Fixture.path("pickle/nanogpt-ckpt.pt")).tensors.map(\.name)
        #expect(!names.contains("best_val_loss") && names.contains("0.weight"))
    }

    @Test(arguments: [
        ("whole-module.pt", "is a whole Python object, not a dict of tensors"), ("refuse-compressed.bin", "is compressed (method 8)"),
        ("refuse-outside-storage.bin", "its storage '0' has 66 elements of 4 bytes, but 260 bytes are there"),
        ("refuse-quantized-tensor.bin", "tensor 'weight': is a quantized tensor of PyTorch's own kind"),
        ("refuse-sparse-tensor.bin", "tensor 'weight': is a sparse tensor"), ("refuse-torchscript.pt", "is a TorchScript program"),
        ("runs-nothing.bin", "is a Python pickle, but none of PyTorch's: its magic number is missing"),
        ("adapter-empty.bin", "is a pickled dict without tensors"),
    ])
    func refusesByName(_ file: (name: String, message: String)) {
        let error = #expect(throws: FileError.self) { try PyTorchFile(path: Fixture.path("pickle/\(file.name)")) }
        #expect(error?.description.contains(file.message) == true, "\(error?.description ?? "")")
    }

    @Test func aCutFileIsRefusedAtEveryLength() throws {
        let folder = try TemporaryFolder()
        for name in ["module-state-dict.bin", "legacy.bin"] {
            let bytes = try Fixture.bytes(Fixture.path("pickle/\(name)"))
            for count in stride(from: 0, to: bytes.count, by: 7) {
                let path = try folder.write(Array(bytes[..<count]), to: "m")
                #expect(throws: FileError.self, "\(name), \(count) bytes") { try PyTorchFile(path: path) }
            }
        }
    }

    /// Any byte may be another: what comes of it is a file that can be read, or one error.
    @Test(arguments: ["zip.bin", "legacy.bin", "lightning.ckpt"]) func damageIsAnErrorOrAFile(_ name: String) throws {
        let folder = try TemporaryFolder(), bytes = try Fixture.bytes(Fixture.path("pickle/\(name)"))
        var random = SeededGenerator(seed: 7)
        for _ in 0..<150 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let source = try? PyTorchFile(path: folder.write(damaged, to: "m")) else { continue }
            for index in source.tensors.indices where source.tensors[index].byteCount < 1 << 16 { _ = try? source.bytes(ofTensor: index) }
        }
    }
}
