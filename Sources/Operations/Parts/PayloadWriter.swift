package import ByteIO
import Checkpoints
import JSONText
import SafetensorsFormat
import Synchronization
import TensorCore

/// Writes the file of a part of a report: tensors that ride along from any thread, results and header last.
package struct PayloadWriter: Sendable {
    private let part: PartNumber
    private let frame: ReportFrame
    private let models: [String]
    private let writer: SafetensorsWriter
    private let checksums: ChecksumTable
    private let streamed = StreamLength()

    private final class StreamLength: Sendable {
        let byteCount = Mutex(0)
    }

    init(
        _ part: PartNumber, of frame: ReportFrame, models: [String], payload: [TensorInfo], streamLimit: Int, file: OutputFile
    ) throws(FileError) {
        self.part = part
        self.frame = frame
        self.models = models
        checksums = ChecksumTable(tensorCount: payload.count)
        let plan = payload.map { info in
            var info = info
            info.name = ReportPart.payload + info.name
            return info
        }
        let trailing = [(ReportPart.stream, streamLimit), (ReportPart.results, ReportPart.byteCountLimit)]
        writer = try SafetensorsWriter(
            file: file,
            plan: plan
                + trailing.map { name, count throws(FileError) in
                    guard let shape = Shape([count]), let info = TensorInfo(name: name, scalarType: .u8, shape: shape) else {
                        throw FileError(file.path, "would have \(count) bytes, which no file has")
                    }
                    return info
                }, trailingCount: 2, metadata: Self.metadata(part, frame, models, checksum: CRC32C()))
    }

    package func write(_ bytes: UnsafeRawBufferPointer, payload index: Int, atByteOffset offset: Int) throws(FileError) {
        checksums.record(bytes, tensor: index, atByteOffset: offset)
        try writer.write(bytes, tensor: index, atByteOffset: offset)
    }

    /// Bytes of a tensor of the payload that were written.
    package func read(payload index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try writer.read(tensor: index, atByteOffset: offset, into: buffer)
    }

    /// Of a tensor of the payload, all of which was written.
    package func checksum(ofPayload index: Int) -> CRC32C {
        guard let checksum = checksums.checksum(ofTensor: index, byteCount: writer.plan[index].byteCount) else {
            preconditionFailure("'\(writer.plan[index].name)' was not written completely")
        }
        return checksum
    }

    /// Bytes of the stream, in order, from one thread at a time.
    package func writeStreamed(_ bytes: [UInt8], atByteOffset offset: Int) throws(FileError) {
        try writer.writeStreamed(bytes, atByteOffset: offset)
        streamed.byteCount.withLock { $0 = max($0, offset + bytes.count) }
    }

    /// Bytes of the stream that were written.
    package func streamed(_ range: Range<Int>) throws(FileError) -> [UInt8] {
        try [UInt8](count: range.count) { buffer throws(FileError) in
            try writer.file.read(atOffset: writer.fileOffset(ofTensor: writer.plan.count - 2) + range.lowerBound, into: buffer)
        }
    }

    /// - Parameter items: by index, ascending.
    func finish(_ items: [(index: Int, found: JSONValue)]) throws(FileError) {
        var lines = LineWriter()
        for item in items { lines.append(.array([.integer(item.index), item.found])) }
        guard lines.bytes.count <= ReportPart.byteCountLimit else {
            throw FileError(
                writer.file.path, "its results would have \(lines.bytes.count) bytes, but at most \(ReportPart.byteCountLimit) are read",
                hint: "make more parts")
        }
        try writer.finish(streamedByteCount: streamed.byteCount.withLock { $0 }, trailing: [lines.bytes]) { _ in
            Self.metadata(part, frame, models, checksum: CRC32C(of: lines.bytes))
        }
    }

    private static func metadata(
        _ part: PartNumber, _ frame: ReportFrame, _ models: [String], checksum: CRC32C
    ) -> [(key: String, value: String)] {
        let members =
            [
                ("version", ReportPart.version), ("part", String(part.number)), ("parts", String(part.count)), ("tool", frame.tool),
                ("command", frame.command), ("options", frame.options), ("source", frame.source), ("items", String(frame.itemCount)),
                ("crc32c", checksum.description),
            ] + zip(ReportPart.modelKeys(frame), models)
        return members.map { (key: "report." + $0.0, value: $0.1) }
    }
}
