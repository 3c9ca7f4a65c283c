/// The fields of one protobuf message, as they lie on the wire.
///
///     varint number << 3 | wire type, then
///     0 varint | 1 eight bytes | 2 varint count and that many bytes | 5 four bytes
///
/// A group (3, 4) or any other wire type is refused: nothing after it could be found.
package struct ProtobufReader: Sendable {
    /// The message's name, for failures.
    package let message: StaticString
    private var reader: ByteReader
    /// A bit per field number met by `requireFirst`.
    private var seen: UInt64 = 0

    package init(_ bytes: ArraySlice<UInt8>, origin: Int, message: StaticString) {
        reader = ByteReader(bytes, origin: origin)
        self.message = message
    }

    /// Where the next field begins, or the message ends.
    package var offset: Int { reader.offset }

    /// The next field, or nil after the last.
    package mutating func next() throws(ByteReader.Failure) -> ProtobufField? {
        guard reader.remainingCount > 0 else { return nil }
        let offset = reader.offset
        let tag = try reader.varint()
        guard let number = Int32(exactly: tag >> 3), number > 0, number < 1 << 29 else {
            throw ByteReader.Failure(offset: offset, "\(message) has a field of number \(tag >> 3)")
        }
        let payload: ProtobufField.Payload
        var payloadOffset = reader.offset
        switch tag & 7 {
        case 0: payload = .varint(try reader.varint())
        case 1: payload = .fixed64(try reader.uint64())
        case 2:
            let count = try reader.count()
            payloadOffset = reader.offset
            payload = .bytes(try reader.run(count: count))
        case 5: payload = .fixed32(try reader.uint32())
        default:
            throw ByteReader.Failure(offset: offset, "field \(number) of \(message) has wire type \(tag & 7), which is not read")
        }
        return ProtobufField(
            number: Int(number), payload: payload, offset: offset, payloadOffset: payloadOffset, message: message)
    }

    /// Refuses a second value for a field that has one: readers differ on which of two counts. Numbers up to 63.
    package mutating func requireFirst(_ field: ProtobufField) throws(ByteReader.Failure) {
        let bit = UInt64(1) << UInt64(field.number)
        guard seen & bit == 0 else {
            throw ByteReader.Failure(offset: field.offset, "field \(field.number) of \(message) appears twice")
        }
        seen |= bit
    }
}

/// One field of a protobuf message.
package struct ProtobufField: Sendable {
    package enum Payload: Sendable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)

        package var wireType: Int {
            switch self {
            case .varint: 0
            case .fixed64: 1
            case .bytes: 2
            case .fixed32: 5
            }
        }
    }

    package let number: Int
    package let payload: Payload
    package let offset: Int
    fileprivate let payloadOffset: Int
    fileprivate let message: StaticString

    fileprivate init(number: Int, payload: Payload, offset: Int, payloadOffset: Int, message: StaticString) {
        self.number = number
        self.payload = payload
        self.offset = offset
        self.payloadOffset = payloadOffset
        self.message = message
    }

    /// An `int64`: a varint in two's complement.
    package func int64() throws(ByteReader.Failure) -> Int {
        guard case .varint(let value) = payload else { throw wrongWireType(expected: 0) }
        return Int(truncatingIfNeeded: value)
    }

    /// An `int64` that counts something.
    package func count(_ name: StaticString) throws(ByteReader.Failure) -> Int {
        let value = try int64()
        guard value >= 0 else { throw ByteReader.Failure(offset: offset, "\(name) is \(value)") }
        return value
    }

    /// An `int32` or an enumeration, not negative.
    package func int32(_ name: StaticString) throws(ByteReader.Failure) -> Int {
        let value = try int64()
        guard value >= 0, value <= Int32.max else {
            throw ByteReader.Failure(offset: offset, "\(name) is \(value), which is not between 0 and \(Int32.max)")
        }
        return value
    }

    package func fixed32() throws(ByteReader.Failure) -> UInt32 {
        guard case .fixed32(let value) = payload else { throw wrongWireType(expected: 5) }
        return value
    }

    /// A `bytes` or `string` field, not copied.
    package func bytes() throws(ByteReader.Failure) -> ArraySlice<UInt8> {
        guard case .bytes(let bytes) = payload else { throw wrongWireType(expected: 2) }
        return bytes
    }

    /// A message inside this one.
    package func fields(of name: StaticString) throws(ByteReader.Failure) -> ProtobufReader {
        guard case .bytes(let bytes) = payload else { throw wrongWireType(expected: 2) }
        return ProtobufReader(bytes, origin: payloadOffset, message: name)
    }

    /// Values of a repeated `int32`: one, or packed into a run.
    package func repeatedInt32() throws(ByteReader.Failure) -> [Int] {
        guard case .bytes(let bytes) = payload else { return [try int64()] }
        var reader = ByteReader(bytes, origin: payloadOffset)
        var values: [Int] = []
        while reader.remainingCount > 0 { values.append(Int(truncatingIfNeeded: try reader.varint())) }
        return values
    }

    private func wrongWireType(expected: Int) -> ByteReader.Failure {
        ByteReader.Failure(
            offset: offset, "field \(number) of \(message) has wire type \(payload.wireType), not \(expected)")
    }
}
