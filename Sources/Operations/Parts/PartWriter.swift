package import ByteIO
import Checkpoints
import SafetensorsFormat
import Streaming
import TensorCore

/// Writes one part: a safetensors file of its share of the tensors, under their names in the output.
///
///     __metadata__          part.number, part.count, part.conversion, ...
///     tensors of the share  as the output has them; blocks of GGUF types as bytes
///     part/frame ...        in the first part: the frame, and whole pieces of the output
///     part/results          checksums, quant states, counts
package struct PartWriter: TensorSink {
    /// Keys of the metadata, which no model has.
    enum Key {
        static let version = "part.version"
        static let number = "part.number"
        static let count = "part.count"
        /// Digest of the frame.
        static let conversion = "part.conversion"
        static let tool = "part.tool"
        static let command = "part.command"
        static let options = "part.options"
        static let source = "part.source"
        static let resultsChecksum = "part.results_crc32c"
        static let headerChecksum = "part.header_crc32c"
    }

    /// Names with this prefix are none of the output's tensors.
    static let prefix = "part/"
    static let frameName = prefix + "frame"
    static let resultsName = Checkpoint.partResultsName

    /// A whole piece of the output, by what it is.
    package enum Piece: Sendable, Hashable {
        /// What comes before the data of a GGUF file.
        case head(file: Int)
        /// A file of a folder.
        case file(String)

        var name: String {
            switch self {
            case .head(let file): prefix + "head/\(file)"
            case .file(let name): prefix + "file/\(name)"
            }
        }
    }

    /// More than any results have; the file gets the length that they turn out to have.
    private static let resultsByteCountLimit = 1 << 40

    private let frame: PartFrame
    private let part: PartNumber
    private let conversion: String
    private let writer: SafetensorsWriter
    private let checksums: ChecksumTable
    /// Indices in the frame of the tensors that are written.
    private let tensors: [Int]
    private let places: [Int: Int]
    private let pieces: [(name: String, checksum: CRC32C)]

    /// - Parameters:
    ///   - conversion: digest of the frame.
    ///   - tensors: indices of the frame's tensors that are to be written.
    ///   - pieces: of the output, beside tensors.
    init(
        _ frame: PartFrame, lines: [UInt8], conversion: String, _ part: PartNumber, tensors: [Int],
        pieces: [(piece: Piece, bytes: [UInt8])], file: OutputFile
    ) throws(FileError) {
        self.frame = frame
        self.part = part
        self.conversion = conversion
        self.tensors = tensors
        var whole = pieces.map { (name: $0.piece.name, bytes: $0.bytes) }
        if part.isFirst { whole.insert((Self.frameName, lines), at: 0) }
        var plan: [TensorInfo] = []
        for index in tensors {
            let tensor = frame.tensors[index]
            guard !tensor.name.hasPrefix(Self.prefix) else {
                throw FileError(file.path, at: "tensor '\(tensor.name)'", "names that begin with '\(Self.prefix)' are the part's own")
            }
            if let info = tensor.info {
                plan.append(info)
            } else {
                plan.append(try Self.bytes(tensor.name, tensor.byteCount, file.path))
            }
        }
        for piece in whole { plan.append(try Self.bytes(piece.name, piece.bytes.count, file.path)) }
        plan.append(try Self.bytes(Self.resultsName, Self.resultsByteCountLimit, file.path))
        writer = try SafetensorsWriter(
            file: file, plan: plan, trailingCount: 1, metadata: Self.metadata(frame, part, conversion, resultsChecksum: CRC32C()))
        checksums = ChecksumTable(tensorCount: tensors.count)
        places = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1, $0) })
        self.pieces = whole.map { ($0.name, CRC32C(of: $0.bytes)) }
        for (number, piece) in whole.enumerated() {
            try piece.bytes.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: tensors.count + number) }
        }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        guard let place = places[index] else { preconditionFailure("a part writes what is of its share") }
        checksums.record(bytes, tensor: place, atByteOffset: offset)
        try writer.write(bytes, tensor: place, atByteOffset: offset)
    }

    /// Writes results and header; every tensor of the share has been written completely.
    ///
    /// - Parameter sources: tensors of the source with the checksums that were found.
    func finish(_ results: PartResults, sources: [(index: Int, checksum: CRC32C)]) throws(FileError) {
        var record = PartRecord(results)
        for (place, index) in tensors.enumerated() {
            guard let checksum = checksums.checksum(ofTensor: place, byteCount: frame.tensors[index].byteCount) else {
                preconditionFailure("tensor '\(frame.tensors[index].name)' was not written completely")
            }
            record.tensors.append((index, checksum))
        }
        record.sources = sources
        record.pieces = pieces
        let lines = record.lines
        try writer.finish(trailing: [lines], checksumKey: Key.headerChecksum) { _ in
            Self.metadata(frame, part, conversion, resultsChecksum: CRC32C(of: lines))
        }
    }

    private static func metadata(
        _ frame: PartFrame, _ part: PartNumber, _ conversion: String, resultsChecksum: CRC32C
    ) -> [(key: String, value: String)] {
        [
            (Key.version, String(PartFrame.version)), (Key.headerChecksum, CRC32C().description), (Key.number, String(part.number)),
            (Key.count, String(part.count)), (Key.conversion, conversion), (Key.tool, frame.tool), (Key.command, frame.command),
            (Key.options, frame.options.joined(separator: " ")), (Key.source, frame.source),
            (Key.resultsChecksum, resultsChecksum.description),
        ]
    }

    private static func bytes(_ name: String, _ count: Int, _ path: String) throws(FileError) -> TensorInfo {
        guard let shape = Shape([count]), let info = TensorInfo(name: name, scalarType: .u8, shape: shape) else {
            throw FileError(path, at: "tensor '\(name)'", "would have \(count) bytes, which no file has")
        }
        return info
    }
}
