import ByteIO
import TestSupport
import Testing

@testable import TensorFlowFormat

/// A sound bundle with one thing wrong, and the whole message that says so.
struct HostileBundle: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let change: @Sendable (inout BundleImage) -> Void
    let message: String

    init(_ name: String, _ message: String, _ change: @escaping @Sendable (inout BundleImage) -> Void) {
        testDescription = name
        self.message = message
        self.change = change
    }
}

extension BundleImage {
    /// Changes the entry of `a`, float32 [2, 3] in the first 24 bytes.
    mutating func changeA(_ change: (inout Entry) -> Void) {
        var entry = Entry(shape: [2, 3], byteCount: 24, checksum: 1)
        change(&entry)
        entries[0].value = entry.encoded
    }

    /// A uint8 tensor `p` [4, 2] in slices of these places, each with its own entry.
    mutating func addPartitioned(_ listed: [TensorSlice], stored: [TensorSlice]) {
        add("p", Entry(type: 4, shape: [4, 2], slices: listed))
        for slice in stored {
            let shape = slice.box(in: [4, 2])?.lengths ?? [1, 1]
            append(
                SliceKey(name: Array("p".utf8), slice: slice).encoded, type: 4, shape: shape,
                bytes: [UInt8](repeating: 7, count: shape.reduce(1, *)))
        }
    }
}

@Suite struct HostileBundleTests {
    @Test("refuses", arguments: headers + entries + slices)
    func refuses(bundle: HostileBundle) throws {
        var image = BundleImage.small
        bundle.change(&image)
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let error = #expect(throws: FileError.self) { try TensorBundle.open(prefix: folder.path("m")) }
        #expect(try folder.report(#require(error)) == bundle.message)
    }

    static let headers: [HostileBundle] = [
        HostileBundle(
            "a big-endian bundle",
            """
            m.index: header: the bundle is big-endian, but only little-endian ones are read
            hint: restore it in TensorFlow on a little-endian machine, which swaps the bytes, and save it \
            again
            """
        ) { $0.header = Wire.field(1, 1) + Wire.field(2, 1) },
        HostileBundle("an endianness of 2", "m.index: header, byte 5: endianness is 2, but only 0 and 1 are known") {
            $0.header = Wire.field(1, 1) + Wire.field(2, 2)
        },
        HostileBundle(
            "2^31 data files", "m.index: header, byte 3: num_shards is 2147483648, which is not between 0 and 2147483647"
        ) { $0.header = Wire.field(1, 1 << 31) },
        HostileBundle(
            "a negative count of data files", "m.index: header, byte 3: num_shards is -1, which is not between 0 and 2147483647"
        ) { $0.header = Wire.field(1, -1) },
        HostileBundle("no data files", "m.index: header: the bundle has 0 data files") { $0.header = [] },
        HostileBundle("a header with a version twice", "m.index: header, byte 9: field 3 of BundleHeaderProto appears twice") {
            $0.header += Wire.field(3, Wire.field(2, 2))
        },
        HostileBundle(
            "a header that needs a newer reader",
            """
            m.index: header: the bundle needs a reader of version 2, but this one is of version 1
            hint: save it again with a TensorFlow of the 2.x series
            """
        ) {
            $0.header = Wire.field(1, 1) + Wire.field(3, Wire.field(2, 2))
        },
        HostileBundle(
            "a header that excludes this reader",
            """
            m.index: header: the bundle says that readers of version 1 must not read it
            hint: save it again with a TensorFlow of the 2.x series
            """
        ) { $0.header = Wire.field(1, 1) + Wire.field(3, Wire.field(3, [0, 1])) },
        HostileBundle(
            "a count of data files of the wrong wire type",
            "m.index: header, byte 3: field 1 of BundleHeaderProto has wire type 5, not 0"
        ) { $0.header = Wire.fixed32(1, 1) },
        HostileBundle("a header that is cut short", "m.index: header, byte 4: 1 byte is needed here, but none is left") {
            $0.header = [0x08]
        },
        HostileBundle(
            "a group in the header", "m.index: header, byte 9: field 10 of BundleHeaderProto has wire type 3, which is not read"
        ) { $0.header += [0x53] },
        HostileBundle("field number 0", "m.index: header, byte 9: BundleHeaderProto has a field of number 0") {
            $0.header += [0x00, 0x00]
        },
        HostileBundle(
            "an unknown field past the end", "m.index: header, byte 20: 1152921504606846976 bytes are needed here, but 0 are left"
        ) { $0.header += Wire.varint(100 << 3 | 2) + Wire.varint(1 << 60) },
        HostileBundle(
            "the meta data of a V1 checkpoint",
            """
            m.index: is a V1 checkpoint of TensorFlow, index and tensors in one file; only V2 checkpoints \
            are read
            hint: restore it in TensorFlow with tf.compat.v1.train.Saver and save it again, which writes V2 \
            unless told not to
            """
        ) { $0.header = Wire.field(1, [0x0a, 0x00]) },
    ]

    static let entries: [HostileBundle] = [
        HostileBundle(
            "a tensor past the end of its file",
            """
            m.data-00000-of-00001: tensor 'a': its 24 bytes from byte 10 on reach past the end of the file, \
            at 32
            hint: the data file is incomplete; fetch it again
            """
        ) { $0.changeA { $0.offset = 10 } },
        HostileBundle(
            "an offset of 2^60",
            """
            m.data-00000-of-00001: tensor 'a': its 24 bytes from byte 1152921504606846976 on reach past the \
            end of the file, at 32
            hint: the data file is incomplete; fetch it again
            """
        ) { $0.changeA { $0.offset = 1 << 60 } },
        HostileBundle("a negative offset", "m.index: tensor 'a', byte 25: offset is -1") { $0.changeA { $0.offset = -1 } },
        HostileBundle(
            "a size of 2^63 - 1",
            """
            m.data-00000-of-00001: tensor 'a': its 9223372036854775807 bytes from byte 0 on reach past the \
            end of the file, at 32
            hint: the data file is incomplete; fetch it again
            """
        ) { $0.changeA { $0.byteCount = Int.max } },
        HostileBundle("a negative size", "m.index: tensor 'a', byte 25: size is -24") { $0.changeA { $0.byteCount = -24 } },
        HostileBundle(
            "a size that is not that of the shape",
            "m.index: tensor 'a': shape [2, 3] of float32 is 24 bytes, but the index gives it 20"
        ) { $0.changeA { $0.byteCount = 20 } },
        HostileBundle("a data file out of range", "m.index: tensor 'a': lies in data file 1, but there are 1, counted from 0") {
            $0.changeA { $0.shard = 1 }
        },
        HostileBundle(
            "a data file of number 2^31",
            "m.index: tensor 'a', byte 25: shard_id is 2147483648, which is not between 0 and 2147483647"
        ) { $0.changeA { $0.shard = 1 << 31 } },
        HostileBundle(
            "a negative data file", "m.index: tensor 'a', byte 25: shard_id is -1, which is not between 0 and 2147483647"
        ) { $0.changeA { $0.shard = -1 } },
        HostileBundle(
            "tensors with bytes in common",
            """
            m.data-00000-of-00001: tensor 'b': its 8 bytes from byte 24 on overlap those of tensor 'a', 24 \
            from byte 4 on
            """
        ) { $0.changeA { $0.offset = 4 } },
        HostileBundle(
            "a tensor of no type",
            "m.index: tensor 'a': its type has number 0, which is no type of TensorFlow's that can be stored"
        ) { $0.changeA { $0.type = 0 } },
        HostileBundle(
            "a reference type",
            "m.index: tensor 'a': its type has number 101, which is no type of TensorFlow's that can be stored"
        ) { $0.changeA { $0.type = 101 } },
        HostileBundle("a negative type", "m.index: tensor 'a', byte 13: dtype is -1, which is not between 0 and 2147483647") {
            $0.changeA { $0.type = -1 }
        },
        HostileBundle("a negative dimension", "m.index: tensor 'a', byte 23: dimension 1 is -1") {
            $0.changeA { $0.shape = [2, -1] }
        },
        HostileBundle(
            "more elements than 2^63",
            "m.index: tensor 'a': shape [1099511627776, 1099511627776] has more elements than can be counted"
        ) { $0.changeA { $0.shape = [1 << 40, 1 << 40] } },
        HostileBundle(
            "more bytes than 2^63",
            "m.index: tensor 'a': shape [1152921504606846976] of float32 has more bytes than can be counted"
        ) { $0.changeA { $0.shape = [1 << 60] } },
        HostileBundle("255 dimensions", "m.index: tensor 'a', byte 1035: a shape has more than 254 dimensions") {
            $0.changeA { $0.shape = [Int](repeating: 1, count: 255) }
        },
        HostileBundle("an unknown rank", "m.index: tensor 'a', byte 15: the shape is of unknown rank") {
            $0.changeA { $0.more = [] }
            $0.entries[0].value = Wire.field(2, Wire.field(3, 1))
        },
        HostileBundle("a shape twice", "m.index: tensor 'a', byte 32: field 2 of BundleEntryProto appears twice") {
            $0.changeA { $0.more = Wire.field(2, []) }
        },
        HostileBundle("a dimension with two sizes", "m.index: tensor 'a', byte 19: field 1 of Dim appears twice") {
            $0.entries[0].value = Wire.field(2, Wire.field(2, Wire.field(1, 1) + Wire.field(1, 2)))
        },
        HostileBundle(
            "a checksum that is a varint", "m.index: tensor 'a', byte 27: field 6 of BundleEntryProto has wire type 0, not 5"
        ) {
            $0.changeA {
                $0.checksum = 0
                $0.more = Wire.field(6, 1)
            }
        },
        HostileBundle(
            "a shape that is a number", "m.index: tensor 'a', byte 13: field 2 of BundleEntryProto has wire type 0, not 2"
        ) { $0.entries[0].value = Wire.field(2, 5) },
        HostileBundle("a shape longer than its entry", "m.index: tensor 'a', byte 15: 9 bytes are needed here, but 1 are left") {
            $0.entries[0].value = [0x12, 0x09, 0x12]
        },
        HostileBundle("a name that is not UTF-8", "m.index: tensor '�(': the name is not UTF-8") {
            $0.entries[0].key = [0xc3, 0x28]
        },
        HostileBundle("a name that comes twice", "m.index: byte 35: the key 'a' appears twice") {
            $0.entries.append($0.entries[0])
        },
        HostileBundle(
            "a string past the end of its file",
            """
            m.data-00000-of-00001: tensor 'a': its 33 bytes from byte 0 on reach past the end of the file, \
            at 32
            hint: the data file is incomplete; fetch it again
            """
        ) {
            $0.changeA {
                $0.type = 7
                $0.byteCount = 33
            }
        },
        HostileBundle(
            "a name with control characters",
            "m.index: tensor 'a\\u{1b}[2J': shape [2, 3] of float32 is 24 bytes, but the index gives it 20"
        ) {
            $0.changeA { $0.byteCount = 20 }
            $0.entries[0].key = Array("a\u{1b}[2J".utf8)
        },
    ]

    static let slices: [HostileBundle] = [
        HostileBundle("slices with a gap", "m.index: tensor 'p': the slices hold 6 of the 8 elements") {
            $0.addPartitioned(
                [TensorSlice((0, 2), nil), TensorSlice((3, 1), nil)],
                stored: [TensorSlice((0, 2), nil), TensorSlice((3, 1), nil)])
        },
        HostileBundle("slices that overlap", "m.index: tensor 'p': slices 0,2:- and 1,3:- overlap") {
            $0.addPartitioned(
                [TensorSlice((0, 2), nil), TensorSlice((1, 3), nil)],
                stored: [TensorSlice((0, 2), nil), TensorSlice((1, 3), nil)])
        },
        HostileBundle("a slice listed twice", "m.index: tensor 'p': slice 0,2:- is listed twice") {
            $0.addPartitioned([TensorSlice((0, 2), nil), TensorSlice((0, 2), nil)], stored: [TensorSlice((0, 2), nil)])
        },
        HostileBundle("a slice without an entry", "m.index: tensor 'p': slice 2,2:- has no entry of its own") {
            $0.addPartitioned([TensorSlice((0, 2), nil), TensorSlice((2, 2), nil)], stored: [TensorSlice((0, 2), nil)])
        },
        HostileBundle("a slice of no tensor", "m.index: tensor 'p' slice 2,2:0,1: no tensor of this name lists this slice") {
            $0.addPartitioned([TensorSlice((0, 4), nil)], stored: [TensorSlice((0, 4), nil), TensorSlice((2, 2), (0, 1))])
        },
        HostileBundle("a slice outside its tensor", "m.index: tensor 'p': slice 2,3:- does not lie in shape [4, 2]") {
            $0.addPartitioned([TensorSlice((2, 3), nil)], stored: [TensorSlice((2, 3), nil)])
        },
        HostileBundle(
            "a slice of 2^62 rows",
            "m.index: tensor 'p': slice 4611686018427387904,4611686018427387904:- does not lie in shape [4, 2]"
        ) {
            $0.addPartitioned([TensorSlice((1 << 62, 1 << 62), nil)], stored: [])
        },
        HostileBundle("a slice of another rank", "m.index: tensor 'p': slice 0,4 does not lie in shape [4, 2]") {
            $0.addPartitioned([TensorSlice((0, 4))], stored: [])
        },
        HostileBundle(
            "an extent with a start and no length", "m.index: tensor 'p', byte 71: an extent starts at 1 but has no length"
        ) {
            $0.add("p", Entry(type: 4, shape: [4], more: Wire.field(7, Wire.field(1, Wire.field(1, 1)))))
        },
        HostileBundle(
            "a slice of another type", "m.index: tensor 'p': slice 0,4:- is uint8 [4, 2], but its entry says int8 [4, 2]"
        ) {
            let slice = TensorSlice((0, 4), nil)
            $0.add("p", Entry(type: 4, shape: [4, 2], slices: [slice]))
            $0.append(
                SliceKey(name: Array("p".utf8), slice: slice).encoded, type: 6, shape: [4, 2],
                bytes: [UInt8](repeating: 0, count: 8))
        },
        HostileBundle(
            "a slice of another size",
            "m.index: tensor 'p' slice 0,4:-: shape [4, 2] of uint8 is 8 bytes, but the index gives it 7"
        ) {
            let slice = TensorSlice((0, 4), nil)
            $0.add("p", Entry(type: 4, shape: [4, 2], slices: [slice]))
            $0.append(
                SliceKey(name: Array("p".utf8), slice: slice).encoded, type: 4, shape: [4, 2],
                bytes: [UInt8](repeating: 0, count: 7))
        },
        HostileBundle("slices and bytes of its own", "m.index: tensor 'a': has slices, and also 24 bytes of its own") {
            $0.changeA { $0.slices = [TensorSlice((0, 2), nil)] }
        },
        HostileBundle("a slice with slices", "m.index: tensor '\\u{1}' slice 0,1: a slice has slices of its own") {
            $0.add(SliceKey(name: [1], slice: TensorSlice((0, 1))).encoded, Entry(slices: [TensorSlice((0, 1))]))
        },
        HostileBundle(
            "a key that begins like a slice's",
            "m.index: tensor '\\u{0}A': the key begins with a zero byte, but is not that of a slice"
        ) { $0.add([0x00, 0x41], Entry()) },
        HostileBundle(
            "a slice's key written the long way",
            """
            m.index: tensor '\\u{0}p\\u{0}\\u{1}\\u{2}\\u{0}\\u{1}��': the key begins with a zero byte, but \
            is not that of a slice
            """
        ) { $0.add([0x00, 0x70, 0x00, 0x01, 0x02, 0x00, 0x01, 0x80, 0x81], Entry()) },
        HostileBundle("16385 slices", "m.index: tensor 'p': has 16385 slices, but at most 16384 are read") { image in
            image.add("p", Entry(type: 4, shape: [16385], slices: (0..<16385).map { TensorSlice(($0, 1)) }))
        },
    ]

    private typealias Entry = BundleImage.Entry
}
