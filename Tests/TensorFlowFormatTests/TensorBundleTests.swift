import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import TensorFlowFormat

@Suite struct TensorBundleTests {
    @Test("reads what TensorFlow reads", arguments: BundleFixture.all)
    func readsWhatTensorFlowReads(fixture: BundleFixture) throws {
        let bundle = try fixture.open()
        let expected = try fixture.expected()
        let listed = bundle.tensors.map(\.name) + bundle.unreadableTensors.map(\.name)
        #expect(listed.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } == expected.map(\.name))
        for tensor in expected {
            if let index = bundle.tensors.firstIndex(where: { $0.name == tensor.name }) {
                #expect(bundle.tensors[index].shape.description == tensor.shape, "\(tensor.name)")
                #expect(Self.typeNames[bundle.tensors[index].scalarType] == tensor.type, "\(tensor.name)")
                #expect(CRC32C(of: try bundle.bytes(ofTensor: index)) == tensor.checksum, "\(tensor.name)")
            } else {
                let unreadable = try #require(bundle.unreadableTensors.first { $0.name == tensor.name })
                #expect(unreadable.typeName == tensor.type)
                #expect("\(unreadable.shape)" == tensor.shape)
            }
        }
        try bundle.verifyAll()
    }

    private static let typeNames: [ScalarType: String] = [
        .f32: "float32", .f64: "float64", .f16: "float16", .bf16: "bfloat16", .bool: "bool", .c64: "complex64",
        .i8: "int8", .i16: "int16", .i32: "int32", .i64: "int64", .u8: "uint8", .u16: "uint16", .u32: "uint32", .u64: "uint64",
        .f8e5m2: "float8_e5m2", .f8e4m3: "float8_e4m3fn", .f8e4m3fnuz: "float8_e4m3fnuz", .f8e5m2fnuz: "float8_e5m2fnuz",
    ]

    @Test func listsWhatItCannotRead() throws {
        let bundle = try BundleFixture.named("types").open()
        #expect(
            bundle.unreadableTensors == [
                UnreadableTensor(name: "complex128", typeName: "complex128", shape: [1], byteCount: 16),
                UnreadableTensor(name: "float8_e4m3b11fnuz", typeName: "float8_e4m3b11fnuz", shape: [2, 3], byteCount: 6),
                UnreadableTensor(name: "int4", typeName: "int4", shape: [3], byteCount: 3),
                UnreadableTensor(name: "qint8", typeName: "qint8", shape: [2, 3], byteCount: 6),
                UnreadableTensor(name: "quint8", typeName: "quint8", shape: [2, 3], byteCount: 6),
                UnreadableTensor(name: "string", typeName: "string", shape: [3], byteCount: 215),
                UnreadableTensor(name: "string_scalar", typeName: "string", shape: [], byteCount: 6),
                UnreadableTensor(name: "uint4", typeName: "uint4", shape: [3], byteCount: 3),
            ])
        let objects = try TensorBundle.open(folder: BundleFixture.root + "/objects")
        #expect(objects.unreadableTensors.map(\.name) == ["_CHECKPOINTABLE_OBJECT_GRAPH"])
    }

    @Test func namesItsFilesAndWhereATensorLies() throws {
        let sharded = try BundleFixture.named("sharded3").open()
        #expect(
            sharded.files.map(\.name) == [
                "model.ckpt.index", "model.ckpt.data-00000-of-00003", "model.ckpt.data-00001-of-00003",
                "model.ckpt.data-00002-of-00003",
            ])
        #expect(sharded.path == BundleFixture.named("sharded3").prefixPath + ".index")
        #expect(Set(sharded.tensors.indices.map(sharded.fileIndex)) == [1, 2, 3])
        let partitioned = try BundleFixture.named("partitioned").open()
        #expect(partitioned.tensors.map(\.name) == ["model/c_attn/w", "model/ln/g", "model/wte"])
        #expect(partitioned.tensors.indices.map(partitioned.fileIndex) == [2, 1, 1])
    }

    @Test func shardsHoldTheSameTensorsAsOneFile() throws {
        let one = try BundleFixture.named("openai").open()
        let three = try BundleFixture.named("sharded3").open()
        #expect(one.tensors == three.tensors)
        for index in one.tensors.indices { #expect(try one.bytes(ofTensor: index) == three.bytes(ofTensor: index)) }
    }

    @Test func givesStoredChecksumsOfWholeTensorsOnly() throws {
        let bundle = try BundleFixture.named("partitioned").open()
        let norm = CRC32C(of: try bundle.bytes(ofTensor: 1))
        #expect(bundle.tensors.indices.map(bundle.storedChecksum) == [nil, norm, nil])
        let empty = try BundleFixture.named("types").open()
        let index = try #require(empty.tensors.firstIndex { $0.name == "empty" })
        #expect(empty.storedChecksum(ofTensor: index) == CRC32C())
    }

    @Test("serves any range of a partitioned tensor", arguments: ["grid", "partitioned"])
    func servesAnyRange(folder: String) throws {
        let bundle = try BundleFixture.named(folder).open()
        for (index, tensor) in bundle.tensors.enumerated() {
            let whole = try bundle.bytes(ofTensor: index)
            var generator = SeededGenerator(seed: UInt64(tensor.byteCount))
            for _ in 0..<200 {
                let start = Int(generator.next() % UInt64(tensor.byteCount + 1))
                let end = start + Int(generator.next() % UInt64(tensor.byteCount - start + 1))
                #expect(
                    try bundle.bytes(ofTensor: index, start..<end) == Array(whole[start..<end]),
                    "\(tensor.name) \(start)..<\(end)")
            }
        }
    }

    /// Bricks of a wall in three dimensions, with element values that are their places.
    @Test func assemblesBricksOfThreeDimensions() throws {
        let shape = [5, 4, 6]
        let bricks: [TensorSlice] = [
            TensorSlice((0, 2), nil, (0, 5)), TensorSlice((0, 2), (0, 3), (5, 1)), TensorSlice((0, 2), (3, 1), (5, 1)),
            TensorSlice((2, 3), (0, 1), nil), TensorSlice((2, 1), (1, 3), nil), TensorSlice((3, 2), (1, 3), (0, 6)),
        ]
        var image = BundleImage()
        image.append(
            "wall", type: 17, shape: shape,
            slices: bricks.map { brick in
                let box = brick.box(in: shape)!
                var bytes: [UInt8] = []
                for i in box.starts[0]..<box.starts[0] + box.lengths[0] {
                    for j in box.starts[1]..<box.starts[1] + box.lengths[1] {
                        for k in box.starts[2]..<box.starts[2] + box.lengths[2] {
                            bytes += Wire.littleEndian(UInt16((i * shape[1] + j) * shape[2] + k))
                        }
                    }
                }
                return (brick, box.lengths, bytes)
            })
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        let expected = (0..<120).flatMap { Wire.littleEndian(UInt16($0)) }
        for start in 0...240 {
            for end in [start, min(start + 1, 240), min(start + 13, 240), 240] {
                #expect(try bundle.bytes(ofTensor: 0, start..<end) == Array(expected[start..<end]))
            }
        }
        try bundle.verifyAll(bufferByteCount: 3)
    }

    /// Runs longer than a direct read and slices longer than the scratch buffer, so that both ways of copying are taken.
    @Test(arguments: [(rows: 3, columns: 200_000, split: 70_000), (rows: 9_000, columns: 96, split: 33)])
    func assemblesLargeSlices(rows: Int, columns: Int, split: Int) throws {
        let shape = [rows, columns]
        let whole = (0..<rows * columns).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8)) }
        var image = BundleImage()
        image.append(
            "w", type: 4, shape: shape,
            slices: [(0, split), (split, columns - split)].map { start, count in
                let bytes = (0..<rows).flatMap { whole[$0 * columns + start..<$0 * columns + start + count] }
                return (TensorSlice(nil, (start, count)), [rows, count], bytes)
            })
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(try bundle.bytes(ofTensor: 0) == whole)
        #expect(try bundle.bytes(ofTensor: 0, 12_345..<567_890) == Array(whole[12_345..<567_890]))
        try bundle.verifyAll(bufferByteCount: 100_000)
    }

    @Test func acceptsATensorWhoseMaskedChecksumIsZero() throws {
        // A field of value zero is not written: an absent checksum is the checksum zero, not "none".
        var image = BundleImage.small
        image.entries[0].value = BundleImage.Entry(shape: [2, 3], byteCount: 24).encoded
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(bundle.storedChecksum(ofTensor: 0)?.masked == 0)
        let error = #expect(throws: FileError.self) { try bundle.verifyAll() }
        #expect(
            try folder.report(#require(error)) == """
                m.data-00000-of-00001: tensor 'a': the stored checksum is 00000000, but the 24 bytes from byte 0 on give \
                \(CRC32C(value: CRC32C(of: image.data[0].dropLast(8)).masked))
                hint: the data file is damaged, or not the one that belongs to this index; fetch both again
                """)
    }

    @Test func namesTheSliceWhoseChecksumIsWrong() throws {
        var image = BundleImage()
        image.append(
            "w", type: 4, shape: [2, 2],
            slices: [
                (TensorSlice((0, 1), nil), [1, 2], [1, 2]), (TensorSlice((1, 1), nil), [1, 2], [3, 4]),
            ])
        image.data[0][3] = 5
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(try bundle.bytes(ofTensor: 0) == [1, 2, 3, 5])
        let error = #expect(throws: FileError.self) { try bundle.verifyAll() }
        #expect(
            try #require(error).description.hasSuffix(
                "m.data-00000-of-00001: tensor 'w' slice 1,1:-: the stored checksum is "
                    + "\(CRC32C(value: CRC32C(of: [3, 4]).masked)), but the 2 bytes from byte 2 on give "
                    + "\(CRC32C(value: CRC32C(of: [3, 5]).masked))"))
    }

    @Test func skipsFieldsItDoesNotKnow() throws {
        var image = BundleImage.small
        let unknown = Wire.field(100, 7) + Wire.field(101, [1, 2, 3]) + Wire.fixed32(102, 9) + Wire.fixed64(103, 10)
        image.header += unknown
        image.entries = image.entries.map { ($0.key, unknown + $0.value + unknown) }
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        #expect(try TensorBundle.open(path: folder.path).tensors.map(\.name) == ["a", "b"])
    }

    @Test func readsTensorsWithoutElements() throws {
        var image = BundleImage()
        image.append(Array("plain".utf8), type: 1, shape: [0, 1 << 62, 1 << 62], bytes: [])
        image.append(
            "sliced", type: 1, shape: [0, 1 << 62, 1 << 62],
            slices: [
                (TensorSlice(nil, (0, 1 << 62), nil), [0, 1 << 62, 1 << 62], [])
            ])
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(bundle.tensors.map(\.byteCount) == [0, 0])
        for index in bundle.tensors.indices { #expect(try bundle.bytes(ofTensor: index) == []) }
        #expect(bundle.tensors.indices.map(bundle.fileIndex) == [1, 1])
        try bundle.verifyAll()
    }

    @Test func listsAPartitionedStringOnce() throws {
        var image = BundleImage()
        image.append(
            "s", type: 7, shape: [4],
            slices: [
                (TensorSlice((0, 3)), [3], [1, 1, 1, 0, 0, 0, 0, 0x61, 0x62, 0x63]), (TensorSlice((3, 1)), [1], [0, 0, 0, 0, 0]),
            ])
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(bundle.tensors.isEmpty)
        #expect(bundle.unreadableTensors == [UnreadableTensor(name: "s", typeName: "string", shape: [4], byteCount: 15)])
    }

    @Test func opensABundleOfNoTensors() throws {
        let folder = try TemporaryFolder()
        try BundleImage().write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(bundle.tensors.isEmpty)
        #expect(bundle.files.map(\.name) == ["m.index"])
    }

    @Test func opensOnlyTheDataFilesThatHoldTensors() throws {
        var image = BundleImage.small
        image.header = Wire.field(1, 2_000_000_000)
        let folder = try TemporaryFolder()
        try folder.write(image.index, to: "m.index")
        try folder.write(image.data[0], to: "m.data-00000-of-2000000000")
        #expect(try TensorBundle.open(path: folder.path).files.map(\.name) == ["m.index", "m.data-00000-of-2000000000"])
    }
}
