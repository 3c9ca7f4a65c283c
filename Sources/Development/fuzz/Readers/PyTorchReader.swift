import ByteIO
import JSONText
import PyTorchFormat
import TensorCore

extension Reader {
    /// A PyTorch file: a byte whose lowest bit says that the file follows; the pickle of an archive with one storage follows otherwise.
    static let pyTorch = Reader(
        "pytorch",
        words: [
            "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_tensor_v3\n", "ctorch._utils\n_rebuild_parameter\n",
            "ctorch\nFloatStorage\n", "ctorch.storage\nUntypedStorage\n", "ccollections\nOrderedDict\n", "ctorch\nuint16\n",
            "X\u{7}\u{0}\u{0}\u{0}storage", "X\u{5}\u{0}\u{0}\u{0}model", "state_dict", "_orig_mod.", "byteorder", "constants.pkl",
        ],
        seeds: { samples in
            let files = ["zip.bin", "legacy.bin", "lightning.ckpt", "zip-big-endian.bin", "adapter-zero3.bin", "whole-module.pt"]
            return files.flatMap { samples.file("Tests/Fixtures/pickle/\($0)") }.map { [1] + $0 } + [[0] + pickle]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isFile = input.byte() & 1 != 0
            pyTorchFolder.write(isFile ? input.rest() : archive(of: input.rest()), to: "m.bin")
            do throws(FileError) {
                let source = try PyTorchFile(path: pyTorchFolder.path("m.bin"))
                require(Set(source.tensors.map { ByteKey($0.name) }).count == source.tensors.count, "names are different")
                for index in source.tensors.indices where source.tensors[index].byteCount < 1 << 20 { try source.readAll(index) }
            } catch {
                tell(error)
            }
        })

    private static let pyTorchFolder = Folder.temporary()

    /// {"w": two floats, transposed from nothing}.
    private static let pickle: [UInt8] =
        Array("}X".utf8) + [1, 0, 0, 0] + Array("wctorch._utils\n_rebuild_tensor_v2\n((X".utf8) + [7, 0, 0, 0]
        + Array("storagectorch\nFloatStorage\nX".utf8) + [1, 0, 0, 0] + Array("0X".utf8) + [3, 0, 0, 0] + Array("cpuK".utf8) + [16]
        + Array("tQK".utf8) + [0] + Array("(K".utf8) + [2] + Array("K".utf8) + [3] + Array("t(K".utf8) + [1] + Array("K".utf8) + [2]
        + Array("t".utf8) + [0x89] + Array("NtRs.".utf8)

    /// A sound archive of a pickle and a storage of 64 bytes.
    private static func archive(of pickle: [UInt8]) -> [UInt8] {
        func number(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        var bytes: [UInt8] = [], directory: [UInt8] = []
        for (name, content) in [("a/data.pkl", pickle), ("a/data/0", (0..<64).map { UInt8($0) })] {
            let start = bytes.count, sizes = number(content.count, 4) + number(content.count, 4)
            let common = number(0, 2) + number(0, 2) + number(0, 4) + number(0, 4)
            bytes +=
                [0x50, 0x4b, 3, 4] + number(20, 2) + common + sizes + number(name.utf8.count, 2) + number(0, 2) + Array(name.utf8) + content
            directory += [0x50, 0x4b, 1, 2] + number(20, 2) + number(20, 2) + common + sizes + number(name.utf8.count, 2)
            directory += number(0, 12) + number(start, 4) + Array(name.utf8)
        }
        let end = number(0, 4) + number(2, 2) + number(2, 2) + number(directory.count, 4) + number(bytes.count, 4) + number(0, 2)
        return bytes + directory + [0x50, 0x4b, 5, 6] + end
    }
}
