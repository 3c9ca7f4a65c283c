import ByteIO
import GGUFFormat
import JSONText
import TensorCore

extension Reader {
    /// A GGUF file: a byte whose lowest bit says that the file follows; records to put one together follow otherwise.
    static let gguf = Reader(
        "gguf",
        words: [
            "GGUF", "general.architecture", "general.alignment", "split.no", "split.count", "split.tensors.count", "a.weight",
            "\u{2581}a", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
        ],
        seeds: { samples in
            let files = ["all-kv-types", "bigendian", "dims", "nested-array", "v2", "v3", "last-not-padded", "nothing"]
            let records: [UInt8] =
                [0, 0, 4] + Array("size".utf8) + [4, 7, 0, 0] + [2, 6] + Array("tokens".utf8) + [2, 1, 0x61, 2, 0xc3, 0xa9]
                + [1, 8] + Array("a.weight".utf8) + [6, 2, 2, 3]
            return files.flatMap { samples.file("Tests/Fixtures/gguf/container/\($0).gguf") }.map { [1] + $0 } + [[0] + records]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isFile = input.byte() & 1 != 0
            ggufFolder.write(isFile ? input.rest() : FuzzedGGUF(input.rest()).bytes, to: "m.gguf")
            do throws(FileError) {
                let source = try GGUFSource(path: ggufFolder.path("m.gguf"))
                try check(source)
                try writeAgain(source)
            } catch {
                tell(error)
            }
        })

    private static let ggufFolder = Folder.temporary()

    private static func check(_ source: GGUFSource) throws(FileError) {
        require(Set(source.tensors.map { ByteKey($0.name) }).count == source.tensors.count, "names are different")
        require(Set(source.metadata.entries.map { ByteKey($0.key) }).count == source.metadata.entries.count, "keys are different")
        for index in source.tensors.indices {
            let info = source.info(ofTensor: index)
            require(info.byteCount == source.tensors[index].byteCount, "bytes are those of the blocks")
            require(info.byteCount * info.type.elementsPerBlock == info.shape.elementCount * info.type.bytesPerBlock, "blocks are whole")
            try source.readAll(index)
        }
        for entry in source.metadata.entries {
            require(source.metadata[entry.key].map { isSame($0, entry.value) } ?? false, "a key has its value")
            guard let array = entry.value.array else { continue }
            require(try array.values(limit: 1 << 12).count == min(array.count, 1 << 12), "an array has its items")
            require(try array.holdsSameItems(as: array), "an array is the same as itself")
        }
    }

    /// What was read means the same once it is written and read again.
    private static func writeAgain(_ source: GGUFSource) throws(FileError) {
        let tensors = source.tensors.indices.map { index in
            let info = source.info(ofTensor: index)
            return GGUFPlannedTensor(name: info.name, type: info.type, shape: info.shape)
        }
        guard source.tensors.reduce(0, { $0 + $1.byteCount }) < 1 << 20,
            !source.metadata.entries.contains(where: { $0.value.array?.itemType == .array }), source.parts[0].header.alignment <= 1 << 16
        else { return }
        let path = ggufFolder.path("again.gguf")
        let output = try AtomicOutput(destination: path, replaces: true)
        let writer = try GGUFWriter(file: output.file(), plan: GGUFPlan(metadata: source.metadata.entries, tensors: tensors, path: path))
        for index in tensors.indices {
            let bytes = try source.bytes(ofTensor: index)
            try bytes.withBytes { (bytes) throws(FileError) in try writer.write(bytes, tensor: index) }
        }
        try output.commit([writer.file])
        let again = try GGUFSource(path: path)
        require(again.tensors == source.tensors, "a file written again has the same tensors")
        for index in tensors.indices {
            require(try again.bytes(ofTensor: index) == source.bytes(ofTensor: index), "a file written again has the same data")
        }
        for (entry, other) in zip(source.metadata.entries, again.metadata.entries) {
            require(entry.key == other.key && entry.value.type == other.value.type, "a file written again has the same keys")
            if let array = entry.value.array, let copy = other.value.array {
                require(array.count == copy.count && array.itemType == copy.itemType, "a file written again has the same arrays")
            } else {
                require(isSame(entry.value, other.value), "a file written again has the same values")
            }
        }
    }

    /// NaN is NaN here.
    private static func isSame(_ a: GGUFValue, _ b: GGUFValue) -> Bool {
        switch (a, b) {
        case (.f32(let x), .f32(let y)) where x.isNaN: y.isNaN
        case (.f64(let x), .f64(let y)) where x.isNaN: y.isNaN
        default: a == b
        }
    }
}
