import ByteIO
import JSONText
import TensorCore

/// Produces the JSON of a header piece by piece: a header can have 100 MB, and nobody needs it in memory at once.
struct HeaderEncoder {
    /// Bytes produced so far.
    private(set) var byteCount = 0
    /// Where the value of the watched metadata key begins, counted from the first byte of the JSON.
    private(set) var watchedValueOffset: Int?
    private var buffer: [UInt8] = []
    private let watchedKey: String?
    private let emit: ([UInt8]) throws(FileError) -> Void

    private static let bufferByteCount = 1 << 18

    /// - Parameters:
    ///   - watchedKey: a key of the metadata whose value will be changed in place later.
    ///   - emit: is given the bytes, in order; for counting alone it does nothing.
    init(watching watchedKey: String? = nil, emit: @escaping ([UInt8]) throws(FileError) -> Void) {
        self.watchedKey = watchedKey
        self.emit = emit
    }

    /// Bytes of the JSON of such a header.
    static func byteCount(_ tensors: [TensorInfo], metadata: [(key: String, value: String)]) -> Int {
        var encoder = HeaderEncoder { _ in }
        // Counting cannot fail: nothing is written.
        try? encoder.encode(tensors, metadata: metadata)
        return encoder.byteCount
    }

    /// The metadata first, then the tensors in the order of their data.
    mutating func encode(_ tensors: some Sequence<TensorInfo>, metadata: [(key: String, value: String)]) throws(FileError) {
        append("{\"__metadata__\":{")
        for (index, member) in metadata.enumerated() {
            if index > 0 { append(",") }
            appendQuoted(member.key)
            append(":")
            if member.key == watchedKey { watchedValueOffset = byteCount + 1 }
            appendQuoted(member.value)
        }
        append("}")
        var offset = 0
        for info in tensors {
            append(",")
            appendQuoted(info.name)
            append(":{\"dtype\":\"")
            append(info.scalarType.rawValue)
            append("\",\"shape\":[")
            for (index, dimension) in info.shape.dimensions.enumerated() {
                if index > 0 { append(",") }
                append(String(dimension))
            }
            append("],\"data_offsets\":[")
            append(String(offset))
            append(",")
            offset += info.byteCount
            append(String(offset))
            append("]}")
            if buffer.count >= Self.bufferByteCount { try flush() }
        }
        append("}")
        try flush()
    }

    /// Fills up with spaces, which JSON allows after its value.
    mutating func pad(toByteCount target: Int) throws(FileError) {
        precondition(target >= byteCount, "the header is longer than the room for it")
        append(String(repeating: " ", count: target - byteCount))
        try flush()
    }

    private mutating func flush() throws(FileError) {
        try emit(buffer)
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ text: String) {
        let before = buffer.count
        buffer.append(contentsOf: text.utf8)
        byteCount += buffer.count - before
    }

    private mutating func appendQuoted(_ text: String) {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 != 0x7f }
        guard isPlain else { return append(JSONValue.string(text).text(.compact)) }
        append("\"")
        append(text)
        append("\"")
    }
}
