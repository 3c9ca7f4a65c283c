import ByteIO
package import Checkpoints
import ContainerKit
import JSONText
import Parallelism
import SafetensorsFormat
package import Streaming
import TensorCore

/// Undoes merges: writes the base that a merged model was made from, byte for byte.
///
/// Every record is read and checked before anything is written, and every tensor is compared with the checksum that the
/// base had before the output gets its name.
package struct Unmerge: Sendable {
    package let merged: Checkpoint
    /// Merges that are undone; the last one first.
    package let stepCount: Int
    /// Merges that the model could undo.
    package let recordCount: Int
    let records: [UndoRecord]
    let holdings: MergedHoldings

    /// - Parameter all: undoes every merge on record instead of the last one.
    /// - Throws: where there is no record, or one is damaged.
    package init(_ merged: Checkpoint, all: Bool) throws {
        holdings = try MergedHoldings(merged)
        let numbers = holdings.recordNumbers
        guard let last = numbers.last else { throw Self.noRecord(merged) }
        guard numbers == Array(1...last) else {
            throw FileError(
                merged.path, "holds \(numbers.count) undo records, but the last is number \(last)",
                hint: "one is missing: take the base from elsewhere")
        }
        let stepCount = all ? last : 1
        var records: [UndoRecord] = []
        for step in 0..<stepCount {
            let place = try holdings.place(of: UndoFiles.tensorName(last - step))
            records.append(try UndoRecord(place.source, tensor: place.tensor))
        }
        self.merged = merged
        self.stepCount = stepCount
        self.records = records
        recordCount = last
    }

    /// The base that is written.
    var directory: UndoDirectory { records[stepCount - 1].directory }

    /// Whether the base is a folder of files.
    package var isFolder: Bool { directory.isFolder }

    /// Bytes of the base, all files together.
    package var outputByteCount: Int {
        directory.files.reduce(0) { $0 + $1.byteCount } + directory.companions.reduce(0) { $0 + $1.byteCount }
    }

    /// Writes the base at `path`, complete or not at all.
    package func run(path: String, replaces: Bool, resources: Resources) throws {
        let headers = try directory.files.map { try BaseFile($0, record: records[stepCount - 1]) }
        let output = try AtomicOutput(
            destination: path, isFolder: isFolder, replaces: replaces, inputs: merged.inputFiles + holdings.files)
        var files: [OutputFile] = []
        for header in headers {
            let file = isFolder ? try output.createFile(named: header.name) : try output.file()
            try file.reserve(byteCount: header.byteCount)
            try file.write(header.bytes, atOffset: 0)
            try restore(header, to: file, resources)
            files.append(file)
        }
        for companion in directory.companions {
            files.append(try output.createFile(named: companion.name, holding: try content(of: companion)))
        }
        try output.commit(files)
    }

    // MARK: - Tensors

    private func restore(_ base: BaseFile, to file: OutputFile, _ resources: Resources) throws {
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: RestoredTensor.slotCount)
        let checksums = ChecksumTable(tensorCount: base.entries.count)
        // Tensors as they come: a large one takes all threads, and factors are in memory for one at a time.
        var copies: [(tensor: Int, restored: RestoredTensor, chunk: Int)] = []
        var changed: [(tensor: Int, restored: RestoredTensor)] = []
        for (index, entry) in base.entries.enumerated() {
            let restored = try RestoredTensor(entry.info, records: records, holdings: holdings)
            if restored.isUnchanged {
                copies += (0..<restored.chunkCount).map { (index, restored, $0) }
            } else {
                changed.append((index, restored))
            }
        }
        @Sendable func write(
            _ restored: RestoredTensor, _ factors: RestoredTensor.Factors, _ chunk: Int, tensor: Int, worker: Int
        ) throws {
            let bytes = try restored.bytes(ofChunk: chunk, factors, scratch: scratch, worker: worker)
            let offset = restored.range(ofChunk: chunk).lowerBound
            checksums.record(bytes, tensor: tensor, atByteOffset: offset)
            try file.write(bytes, atOffset: base.dataStart + base.entries[tensor].dataOffset + offset)
            resources.progress(bytes.count)
        }
        try resources.pool.forEach(count: copies.count) { [copies] index, worker in
            let copy = copies[index]
            try write(copy.restored, RestoredTensor.Factors(), copy.chunk, tensor: copy.tensor, worker: worker)
        }
        for (tensor, restored) in changed {
            let factors = try restored.loadFactors()
            try resources.pool.forEach(count: restored.chunkCount) { chunk, worker in
                try write(restored, factors, chunk, tensor: tensor, worker: worker)
            }
        }
        for (index, entry) in base.entries.enumerated() {
            let found = checksums.checksum(ofTensor: index, byteCount: entry.info.byteCount) ?? CRC32C()
            guard found == base.checksums[index] else {
                throw FileError(
                    merged.path, at: "tensor '\(JSONError.excerpt(entry.info.name))'",
                    "does not lead back to the base: its checksum would be \(found), but it was \(base.checksums[index])",
                    hint: "the merged model was changed or damaged after the merge; `IntegrityCheck` says whether it is whole")
            }
        }
    }

    private func content(of companion: UndoDirectory.Companion) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        if let content = companion.content {
            bytes = try records[stepCount - 1].content(content, 0, limit: companion.byteCount)
        } else if companion.byteCount > 0 {
            bytes = try earlierContent(of: companion)
        }
        guard CRC32C(of: bytes) == companion.checksum else {
            throw FileError(
                merged.path, at: companion.name,
                "does not lead back to the base: its checksum is \(CRC32C(of: bytes)), but it was \(companion.checksum)",
                hint: "the file was changed after the merge")
        }
        return bytes
    }

    /// Of a file that the merge left as it was: what a later merge kept of it, or what lies in the folder.
    private func earlierContent(of companion: UndoDirectory.Companion) throws(FileError) -> [UInt8] {
        for step in stride(from: stepCount - 2, through: 0, by: -1) {
            let kept = records[step].directory.companions.first { ByteKey($0.name) == ByteKey(companion.name) }
            guard let kept, let content = kept.content else { continue }
            return try records[step].content(content, 0, limit: kept.byteCount)
        }
        return try holdings.companion(companion.name, limit: companion.byteCount)
    }

    // MARK: - Messages

    private static func noRecord(_ merged: Checkpoint) -> any Error {
        let steps: [JSONValue]
        do { steps = try MergeLineage.steps(of: merged) } catch { return error }
        guard let last = steps.last(where: { $0["step"]?.string == "merge" }) else {
            return OperationError(
                "\(merged.path) was not made by qmerge, or converted since: it holds no undo record", hint: "take the base from elsewhere")
        }
        let isLast = steps.last == last
        let hasOtherForm = last["options"]?.array?.contains { $0.string?.hasPrefix("--to") == true } == true
        let (reason, hint) =
            !isLast
            ? ("was converted after the merge, which leaves undo records out", "unmerge before converting")
            : hasOtherForm
                ? ("is of another form than its base, so no undo record was kept", "take the base from elsewhere")
                : ("was merged with `noUndo`", "take the base from elsewhere, and merge without `noUndo` next time")
        return OperationError("\(merged.path) cannot be unmerged: it \(reason)", hint: hint)
    }
}

/// A safetensors file of the base, as its record describes it.
private struct BaseFile {
    let name: String
    let byteCount: Int
    /// Everything before the data section.
    let bytes: [UInt8]
    let entries: [SafetensorsHeader.Entry]
    let checksums: [CRC32C]

    var dataStart: Int { bytes.count }

    init(_ file: UndoDirectory.File, record: UndoRecord) throws(FileError) {
        let bytes = try record.content(file.header, 0, limit: min(file.byteCount, 8 + SafetensorsHeader.byteCountLimit))
        var reader = ByteReader(bytes)
        guard let length = try? reader.uint64(), length == UInt64(max(0, bytes.count - 8)) else {
            throw record.problem("the header of '\(file.name)' in it does not have the length that it says")
        }
        let header = try SafetensorsHeader(parsing: Array(bytes[8...]), path: "\(file.name) in the undo record")
        guard bytes.count + header.dataByteCount == file.byteCount else {
            throw record.problem(
                "'\(file.name)' is to have \(file.byteCount) bytes, but its header describes \(bytes.count + header.dataByteCount)")
        }
        guard header.entries.count == file.checksums.count else {
            throw record.problem("'\(file.name)' has \(header.entries.count) tensors, but there are \(file.checksums.count) checksums")
        }
        name = file.name
        byteCount = file.byteCount
        self.bytes = bytes
        entries = header.entries
        checksums = file.checksums
    }
}
