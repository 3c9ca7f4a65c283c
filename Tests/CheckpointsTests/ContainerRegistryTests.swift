import ByteIO
import ContainerKit
import TensorCore
import TensorFlowFormat
import TestSupport
import Testing

@testable import Checkpoints

/// What files are told by, whatever they are called.
@Suite struct ContainerRegistryTests {
    private static let zeros = [UInt8](repeating: 0, count: 60)
    private static let tableMagic: [UInt8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]

    /// Seven numbers: width 8, inner width 6, 2 layers, 2 heads, 1 of keys, 3 tokens, 5 positions.
    private static let small: [UInt8] = [8, 6, 2, 2, 1, 3, 5].flatMap { (value: UInt8) in [value, 0, 0, 0] }

    static let files: [(bytes: [UInt8], name: String?)] = [
        (Array("version https://git-lfs.github.com/spec/v1\nsize 7\n".utf8), "Git LFS pointer"),
        (Array(" \n<!DOCTYPE html>".utf8), "HTML"), (Array("<HTML lang=en>".utf8), "HTML"), (Array("<?xml version".utf8), "XML"),
        (Array("GGUF".utf8) + [3, 0, 0, 0], "GGUF"), (Array("PK\u{3}\u{4}".utf8), "PyTorch"), ([0x80, 2, 0x8a], "PyTorch"),
        ([0x1f, 0x8b, 8], "gzip"), ([0x89, 0x48, 0x44, 0x46], "HDF5"), ([0x93, 0x4e, 0x55, 0x4d], "NumPy"),
        ([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d], "safetensors"),
        // Lengths of headers that are the magics of others.
        ([0x80, 2, 0, 0, 0, 0, 0, 0, 0x7b], "safetensors"), ([0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0x7b], "safetensors"),
        ([0xc6, 0xd7, 0x34, 0x01], "llm.c"), (Array("24ka".utf8), "llama2.c of a later version"),
        (small, "llama2.c"), (small.dropLast(), nil), ([0x0c] + small.dropFirst(), "llama2.c"), ([0x0d] + small.dropFirst(), nil),
        (zeros + tableMagic, "TensorFlow"), (zeros.dropLast(21) + tableMagic, nil), ([0x7b] + zeros + tableMagic, "TensorFlow"),
        (Array(" \t\r\n{}".utf8), "index of shards"), (Array("[]".utf8), nil), ([], nil), ([0x80], nil), (zeros, nil),
    ]

    @Test(arguments: files) func tellsFilesByTheirBytes(_ file: (bytes: [UInt8], name: String?)) throws {
        let folder = try TemporaryFolder()
        let probe = try FileProbe(path: try folder.write(file.bytes, to: "model.safetensors"))
        #expect(ContainerRegistry.all.format(of: probe)?.name == file.name)
    }

    @Test func everyRowHasItsOwnName() {
        let names = ContainerRegistry.all.map(\.name)
        #expect(Set(names).count == names.count && names.first == "safetensors")
        #expect(Set(Self.files.compactMap(\.name)) == Set(names), "a file of each kind is in the table")
    }

    /// Opening a stranger says what it is, as refusing it does.
    @Test func strangersOpenToTheirRefusal() throws {
        let folder = try TemporaryFolder()
        for (bytes, name) in Self.files {
            let probe = try FileProbe(path: try folder.write(bytes, to: "a"))
            guard let format = ContainerRegistry.all.format(of: probe), let refusal = format.refusal else { continue }
            let error = #expect(throws: FileError.self) { try format.open(probe) }
            #expect(error?.report == refusal(probe).report && error?.hint != nil, "\(name ?? "")")
        }
    }

    /// The blocks of a GGUF file would be bytes in an index of shards.
    @Test func aGGUFFileIsNoShard() throws {
        let folder = try TemporaryFolder()
        try folder.write(GGUFImage.small.bytes, to: "a.safetensors")
        let names = ["a.weight", "b.weight"].map { "\"\($0)\": \"a.safetensors\"" }.joined(separator: ", ")
        let index = try folder.write("{\"weight_map\": {\(names)}}", to: "model.safetensors.index.json")
        let error = #expect(throws: FileError.self) { try ShardedSource(index: InputFile(path: index)) }
        #expect(error?.message == "is a GGUF file, which says itself how it is split, and no shard of an index")
    }

    /// A bundle of slices in three files beside a safetensors file: neither container knows of the other.
    @Test func shardsMayBeOfAnyContainer() throws {
        let folder = try TemporaryFolder()
        let bundle = try TensorBundle.open(path: Fixture.tensorFlow("partitioned"))
        try folder.write([StoredTensor("x", [2], [1, 2]), StoredTensor("y", [1], [3])].safetensors(), to: "b.safetensors")
        let members = bundle.tensors.map { "\"\($0.name)\": \"a.index\"" } + ["\"x\": \"b.safetensors\"", "\"y\": \"b.safetensors\""]
        try folder.write("", to: "a.index")
        let index = try folder.write("{\"weight_map\": {\(members.joined(separator: ", "))}}", to: "model.safetensors.index.json")
        let source = try ShardedSource(index: InputFile(path: index)) { (path) throws(FileError) in
            path.hasSuffix(".index") ? bundle : try ContainerRegistry.openShard(path)
        }
        #expect(checkTensorSource(source) == [])
        #expect(source.files.count == bundle.files.count + 1 && source.tensors.count == bundle.tensors.count + 2)
        let last = source.tensors.count - 1
        #expect(source.fileIndex(ofTensor: last) == bundle.files.count)
        #expect(try source.storedTensors()[last].floats == [3])
        #expect(bundle.tensors.indices.allSatisfy { source.storedChecksum(ofTensor: $0) == bundle.storedChecksum(ofTensor: $0) })
    }
}
