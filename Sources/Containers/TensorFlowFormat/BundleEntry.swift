import ByteIO

/// What the index says of one tensor, or of one slice of it.
///
///     BundleEntryProto    1 dtype | 2 shape, TensorShapeProto | 3 shard_id, int32 | 4 offset, int64 | 5 size, int64
///                         6 crc32c, fixed32, masked | 7 slices, repeated TensorSliceProto
///     TensorShapeProto    2 dim, repeated { 1 size, int64 | 2 name } | 3 unknown_rank, bool
///     TensorSliceProto    1 extent, repeated { 1 start, int64 | 2 length, int64 }
///
/// A field whose value is zero is not written, but for an extent's length: without one, it is the whole dimension.
struct BundleEntry: Hashable, Sendable {
    /// TensorFlow's number of the type.
    var type = 0
    var dimensions: [Int] = []
    var shard = 0
    /// Bytes from the start of the shard's file.
    var offset = 0
    var byteCount = 0
    /// Masked; a masked checksum that happens to be zero is not written.
    var checksum: UInt32 = 0
    /// Where not empty, the tensor is kept in these slices, each under its own key, and has no bytes of its own.
    var slices: [TensorSlice] = []

    init(_ value: ArraySlice<UInt8>, origin: Int) throws(ByteReader.Failure) {
        var fields = ProtobufReader(value, origin: origin, message: "BundleEntryProto")
        while let field = try fields.next() {
            if (1...6).contains(field.number) { try fields.requireFirst(field) }
            switch field.number {
            case 1: type = try field.int32("dtype")
            case 2: dimensions = try Self.dimensions(field.fields(of: "TensorShapeProto"))
            case 3: shard = try field.int32("shard_id")
            case 4: offset = try field.count("offset")
            case 5: byteCount = try field.count("size")
            case 6: checksum = try field.fixed32()
            case 7: slices.append(try Self.slice(field.fields(of: "TensorSliceProto")))
            default: break
            }
        }
    }

    private static func dimensions(_ reader: ProtobufReader) throws(ByteReader.Failure) -> [Int] {
        var fields = reader
        var dimensions: [Int] = []
        while let field = try fields.next() {
            switch field.number {
            case 2:
                guard dimensions.count < TensorShapeLimits.rank else {
                    throw ByteReader.Failure(offset: field.offset, "a shape has more than \(TensorShapeLimits.rank) dimensions")
                }
                dimensions.append(try dimension(field.fields(of: "Dim"), number: dimensions.count))
            case 3:
                try fields.requireFirst(field)
                guard try field.int64() == 0 else {
                    throw ByteReader.Failure(offset: field.offset, "the shape is of unknown rank")
                }
            default: break
            }
        }
        return dimensions
    }

    private static func dimension(_ reader: ProtobufReader, number: Int) throws(ByteReader.Failure) -> Int {
        var fields = reader
        var count = 0
        while let field = try fields.next() {
            guard field.number == 1 else { continue }
            try fields.requireFirst(field)
            count = try field.int64()
            guard count >= 0 else { throw ByteReader.Failure(offset: field.offset, "dimension \(number) is \(count)") }
        }
        return count
    }

    private static func slice(_ reader: ProtobufReader) throws(ByteReader.Failure) -> TensorSlice {
        var fields = reader
        var extents: [TensorSlice.Extent] = []
        while let field = try fields.next() {
            guard field.number == 1 else { continue }
            guard extents.count < TensorShapeLimits.rank else {
                throw ByteReader.Failure(offset: field.offset, "a slice has more than \(TensorShapeLimits.rank) extents")
            }
            extents.append(try extent(field.fields(of: "Extent")))
        }
        return TensorSlice(extents: extents)
    }

    private static func extent(_ reader: ProtobufReader) throws(ByteReader.Failure) -> TensorSlice.Extent {
        var fields = reader
        var start = 0
        var length: Int?
        while let field = try fields.next() {
            switch field.number {
            case 1:
                try fields.requireFirst(field)
                start = try field.count("the start of an extent")
            case 2:
                try fields.requireFirst(field)
                length = try field.count("the length of an extent")
            default: break
            }
        }
        guard length != nil || start == 0 else {
            throw ByteReader.Failure(offset: fields.offset, "an extent starts at \(start) but has no length")
        }
        return TensorSlice.Extent(start: start, length: length)
    }
}
