import ByteIO

/// What the first entry of an index, whose key is empty, says of the whole bundle.
///
///     BundleHeaderProto   1 num_shards, int32 | 2 endianness, 0 little 1 big | 3 version, VersionDef
///     VersionDef          1 producer, int32 | 2 min_consumer, int32 | 3 bad_consumers, repeated int32
///
/// A field whose value is zero is not written.
struct BundleHeader: Hashable, Sendable {
    /// The version of the format read here, as TensorFlow counts it.
    static let version = 1

    var shardCount = 0
    var isBigEndian = false
    /// The least version a reader must have.
    var minimumConsumer = 0
    /// Versions that must not read the bundle.
    var badConsumers: [Int] = []

    init(_ value: ArraySlice<UInt8>, origin: Int) throws(ByteReader.Failure) {
        var fields = ProtobufReader(value, origin: origin, message: "BundleHeaderProto")
        while let field = try fields.next() {
            switch field.number {
            case 1:
                try fields.requireFirst(field)
                shardCount = try field.int32("num_shards")
            case 2:
                try fields.requireFirst(field)
                let endianness = try field.int32("endianness")
                guard endianness <= 1 else {
                    throw ByteReader.Failure(offset: field.offset, "endianness is \(endianness), but only 0 and 1 are known")
                }
                isBigEndian = endianness == 1
            case 3:
                try fields.requireFirst(field)
                try readVersion(field.fields(of: "VersionDef"))
            default: break
            }
        }
    }

    private mutating func readVersion(_ reader: ProtobufReader) throws(ByteReader.Failure) {
        var fields = reader
        while let field = try fields.next() {
            switch field.number {
            case 1:
                try fields.requireFirst(field)
                _ = try field.int32("producer")
            case 2:
                try fields.requireFirst(field)
                minimumConsumer = try field.int32("min_consumer")
            case 3: badConsumers += try field.repeatedInt32()
            default: break
            }
        }
    }

    /// Whether the first entry of a table is the meta data of a V1 checkpoint, SavedTensorSlices, instead.
    ///
    /// Both have an empty key. There, field 1 is a message; here it is a number.
    static func isOfVersion1(_ value: ArraySlice<UInt8>) -> Bool {
        value.first == 0x0a
    }
}
