package import ByteIO
import TensorCore

/// Writes a header piece by piece: a vocabulary can have tens of megabytes, and nobody needs them in memory a second time.
struct GGUFHeaderEncoder {
    /// Takes pieces in order, with their place in the file.
    private let write: ([UInt8], Int) throws(FileError) -> Void
    private var buffer: [UInt8] = []
    /// Of the first byte in the buffer.
    private var offset = 0

    init(write: @escaping ([UInt8], Int) throws(FileError) -> Void) { self.write = write }

    init(file: OutputFile) {
        self.init { (bytes, offset) throws(FileError) in try file.write(bytes, atOffset: offset) }
    }

    /// Everything up to the data, padding included.
    mutating func encode(_ plan: GGUFPlan) throws(FileError) {
        buffer.append(contentsOf: "GGUF".utf8)
        buffer.append(number: UInt32(3))
        buffer.append(number: Int64(plan.tensors.count))
        buffer.append(number: Int64(plan.metadata.count))
        for entry in plan.metadata {
            buffer.append(text: entry.key)
            buffer.append(number: entry.value.type.rawValue)
            try append(entry.value)
            try flush(atLeast: HeaderCursor.windowByteCount)
        }
        for info in plan.tensors {
            buffer.append(text: info.name)
            buffer.append(number: UInt32(info.shape.dimensions.count))
            for dimension in info.shape.dimensions.reversed() { buffer.append(number: Int64(dimension)) }
            buffer.append(number: info.type.id)
            buffer.append(number: UInt64(info.dataOffset))
            try flush(atLeast: HeaderCursor.windowByteCount)
        }
        precondition(offset + buffer.count == plan.headerByteCount, "a header has the bytes that were planned")
        // A reader can ask for 2 GiB between the header and the data: what is not written is zeros all the same.
        let paddingCount = min(plan.dataStart - plan.headerByteCount, HeaderCursor.windowByteCount)
        buffer.append(contentsOf: repeatElement(0, count: paddingCount))
        try flush(atLeast: 1)
    }

    private mutating func append(_ value: GGUFValue) throws(FileError) {
        switch value {
        case .u8(let value): buffer.append(value)
        case .i8(let value): buffer.append(number: value)
        case .u16(let value): buffer.append(number: value)
        case .i16(let value): buffer.append(number: value)
        case .u32(let value): buffer.append(number: value)
        case .i32(let value): buffer.append(number: value)
        case .u64(let value): buffer.append(number: value)
        case .i64(let value): buffer.append(number: value)
        case .f32(let value): buffer.append(number: value.bitPattern)
        case .f64(let value): buffer.append(number: value.bitPattern)
        case .bool(let value): buffer.append(value ? 1 : 0)
        case .string(let text): buffer.append(text: text)
        case .array(let array): try append(array)
        }
    }

    private mutating func append(_ array: GGUFArray) throws(FileError) {
        buffer.append(number: array.itemType.rawValue)
        buffer.append(number: UInt64(array.count))
        guard array.order == .little else {
            for value in try array.values() { try append(value) }
            return
        }
        for start in stride(from: 0, to: array.byteCount, by: HeaderCursor.windowByteCount) {
            buffer += try array.bytes(start..<min(start + HeaderCursor.windowByteCount, array.byteCount))
            try flush(atLeast: HeaderCursor.windowByteCount)
        }
    }

    private mutating func flush(atLeast byteCount: Int) throws(FileError) {
        guard buffer.count >= byteCount else { return }
        try write(buffer, offset)
        offset += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }
}

extension GGUFPlan {
    /// Everything before the data, in memory; up to two gigabytes of zeros that follow are left out.
    package func head() throws(FileError) -> [UInt8] {
        let bytes = HeadBytes()
        var encoder = GGUFHeaderEncoder { (piece, _) throws(FileError) in bytes.all += piece }
        try encoder.encode(self)
        return bytes.all
    }

    private final class HeadBytes {
        var all: [UInt8] = []
    }
}
