package import ByteIO
import Checkpoints
import SafetensorsFormat
import Streaming
import TensorCore

/// What a part holds of a tensor of the output.
package struct HeldTensor: Sendable {
    /// In the frame.
    package let index: Int
    /// Nil for all.
    package let bytes: Range<Int>?

    package init(_ index: Int, bytes: Range<Int>? = nil) {
        self.index = index
        self.bytes = bytes
    }
}

/// Writes one part: a safetensors file of its share of the tensors, under their names in the output.
///
///     __metadata__          part.number, part.count, part.conversion, ...
///     tensors of the share  as the output has them; blocks of GGUF types as bytes
///                           (of one of which it has a run the bytes of that)
///     part/constants/I      absmax of the blocks of a run of the weight with quant state I, F32
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
    /// What is written of tensors of the frame.
    private let tensors: [HeldTensor]
    private let places: [Int: Int]
    private let constants: [RunConstants]
    private let pieces: [(name: String, checksum: CRC32C)]

    /// - Parameters:
    ///   - conversion: digest of the frame.
    ///   - tensors: what is to be written of the frame's tensors.
    ///   - constants: of runs among these.
    ///   - pieces: of the output, beside tensors.
    init(
        _ frame: PartFrame, lines: [UInt8], conversion: String, _ part: PartNumber, tensors: [HeldTensor], constants: [RunConstants],
        pieces: [(piece: Piece, bytes: [UInt8])], file: OutputFile
    ) throws(FileError) {
        self.frame = frame
        self.part = part
        self.conversion = conversion
        self.tensors = tensors
        self.constants = constants
        var whole = pieces.map { (name: $0.piece.name, bytes: $0.bytes) }
        if part.isFirst { whole.insert((Self.frameName, lines), at: 0) }
        var plan: [TensorInfo] = []
        for held in tensors {
            let tensor = frame.tensors[held.index]
            guard !tensor.name.hasPrefix(Self.prefix) else {
                throw FileError(file.path, at: "tensor '\(tensor.name)'", "names that begin with '\(Self.prefix)' are the part's own")
            }
            if let info = tensor.info, held.bytes == nil {
                plan.append(info)
            } else {
                plan.append(try Self.bytes(tensor.name, held.bytes?.count ?? tensor.byteCount, file.path))
            }
        }
        for run in constants {
            guard let shape = Shape([run.blockCount]), let info = TensorInfo(name: run.name, scalarType: .f32, shape: shape) else {
                preconditionFailure("a weight has more elements than blocks")
            }
            plan.append(info)
        }
        for piece in whole { plan.append(try Self.bytes(piece.name, piece.bytes.count, file.path)) }
        plan.append(try Self.bytes(Self.resultsName, Self.resultsByteCountLimit, file.path))
        writer = try SafetensorsWriter(
            file: file, plan: plan, trailingCount: 1, metadata: Self.metadata(frame, part, conversion, resultsChecksum: CRC32C()))
        checksums = ChecksumTable(tensorCount: tensors.count)
        places = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.index, $0) })
        self.pieces = whole.map { ($0.name, CRC32C(of: $0.bytes)) }
        for (number, piece) in whole.enumerated() {
            try piece.bytes.withBytes { bytes throws(FileError) in
                try writer.write(bytes, tensor: tensors.count + constants.count + number)
            }
        }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        guard let place = places[index] else { preconditionFailure("a part writes what is of its share") }
        let start = tensors[place].bytes?.lowerBound ?? 0
        checksums.record(bytes, tensor: place, atByteOffset: offset - start)
        try writer.write(bytes, tensor: place, atByteOffset: offset - start)
    }

    /// Writes results and header; every tensor of the share has been written completely.
    ///
    /// - Parameters:
    ///   - absmax: of the blocks of each of the runs that have constants.
    ///   - sources: tensors of the source, and runs of others, with the checksums that were found.
    func finish(
        _ results: PartResults, absmax: [[Float]], sources: [PartRecord.Row], sourceRuns: [PartRecord.SourceRun]
    ) throws(FileError) {
        var record = PartRecord(results)
        for (place, held) in tensors.enumerated() {
            let byteCount = held.bytes?.count ?? frame.tensors[held.index].byteCount
            guard let checksum = checksums.checksum(ofTensor: place, byteCount: byteCount) else {
                preconditionFailure("tensor '\(frame.tensors[held.index].name)' was not written completely")
            }
            record.tensors.append(PartRecord.Row(index: held.index, checksum: checksum, bytes: held.bytes))
        }
        record.sources = sources
        record.sourceRuns = sourceRuns
        record.constants = constants
        var pieces = pieces
        precondition(absmax.count == constants.count, "each run has its constants")
        for (number, (run, absmax)) in zip(constants, absmax).enumerated() {
            let bytes = absmax.withUnsafeBytes { Array($0) }
            precondition(absmax.count == run.blockCount, "a run has a constant for each of its blocks")
            pieces.append((run.name, CRC32C(of: bytes)))
            try bytes.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: tensors.count + number) }
        }
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
