import ByteIO
import TestSupport

@testable import TensorFlowFormat

/// A bundle in memory, to be written as it is or with one thing wrong.
struct BundleImage {
    struct Entry {
        var type = 1
        var shape: [Int] = []
        var shard = 0
        var offset = 0
        var byteCount = 0
        var checksum: UInt32 = 0
        var slices: [TensorSlice] = []
        /// Bytes after the fields above.
        var more: [UInt8] = []

        var encoded: [UInt8] {
            var bytes = type == 0 ? [] : Wire.field(1, type)
            bytes += Wire.field(2, shape.flatMap { Wire.field(2, $0 == 0 ? [] : Wire.field(1, $0)) })
            if shard != 0 { bytes += Wire.field(3, shard) }
            if offset != 0 { bytes += Wire.field(4, offset) }
            if byteCount != 0 { bytes += Wire.field(5, byteCount) }
            if checksum != 0 { bytes += Wire.fixed32(6, checksum) }
            for slice in slices {
                bytes += Wire.field(
                    7,
                    slice.extents.flatMap { extent in
                        Wire.field(
                            1,
                            (extent.start == 0 ? [] : Wire.field(1, extent.start))
                                + (extent.length.map { Wire.field(2, $0) } ?? []))
                    })
            }
            return bytes + more
        }
    }

    var header: [UInt8] = Wire.field(1, 1) + Wire.field(3, Wire.field(1, 1))
    var entries: [(key: [UInt8], value: [UInt8])] = []
    var data: [[UInt8]] = [[]]
    var writer = TableWriter()

    mutating func add(_ name: String, _ entry: Entry) {
        add(Array(name.utf8), entry)
    }

    mutating func add(_ key: [UInt8], _ entry: Entry) {
        entries.append((key, entry.encoded))
    }

    /// Appends the bytes to a data file, and an entry for them to the index.
    mutating func append(_ key: [UInt8], type: Int, shape: [Int], bytes: [UInt8], shard: Int = 0) {
        add(
            key,
            Entry(
                type: type, shape: shape, shard: shard, offset: data[shard].count, byteCount: bytes.count,
                checksum: CRC32C(of: bytes).masked))
        data[shard] += bytes
    }

    /// A partitioned tensor: its entry, and one for each slice.
    mutating func append(_ name: String, type: Int, shape: [Int], slices: [(TensorSlice, shape: [Int], bytes: [UInt8])]) {
        add(name, Entry(type: type, shape: shape, slices: slices.map(\.0)))
        for (slice, shape, bytes) in slices {
            append(SliceKey(name: Array(name.utf8), slice: slice).encoded, type: type, shape: shape, bytes: bytes)
        }
    }

    /// Header and entries, sorted.
    var table: [TableWriter.Entry] {
        [TableWriter.Entry(key: [], value: header)]
            + entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { TableWriter.Entry(key: $0.key, value: $0.value) }
    }

    var index: [UInt8] { writer.table(table) }

    func write(to folder: TemporaryFolder, prefix: String = "m") throws {
        try folder.write(index, to: "\(prefix).index")
        for (number, bytes) in data.enumerated() {
            try folder.write(bytes, to: BundleLocation.dataPath(prefix: prefix, shard: number, of: data.count))
        }
    }

    /// Two tensors: `a`, float32 [2, 3], and `b`, float16 [4].
    static var small: BundleImage {
        var image = BundleImage()
        image.append(Array("a".utf8), type: 1, shape: [2, 3], bytes: (0..<24).map { UInt8($0) })
        image.append(Array("b".utf8), type: 19, shape: [4], bytes: (100..<108).map { UInt8($0) })
        return image
    }
}

extension TensorSlice {
    /// From start and length of each extent; nil for a whole dimension.
    init(_ extents: (Int, Int)?...) {
        self.init(extents: extents.map { Extent(start: $0?.0 ?? 0, length: $0?.1) })
    }
}
