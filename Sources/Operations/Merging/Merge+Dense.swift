import ByteIO
import Checkpoints
import Compression
import JSONText
import Quantization
import SafetensorsFormat
import Streaming
import TensorCore

/// A safetensors file of a dense output: the indices of the plan's items, in the order of the data.
private typealias DenseFile = (shard: ShardedWriter.Shard, items: [Int])

extension Merge {
    /// Bytes of data in one file of a dense folder, unless the base says otherwise or a single tensor has more.
    private static let shardByteCountLimit = 5_000_000_000

    func writeDense(_ output: borrowing AtomicOutput, isFolder: Bool) throws -> (MergeOutcome, [OutputFile]) {
        let image = plan.keepsUndo ? try BaseImage(plan.base) : nil
        let undoName = image.map { UndoFiles.tensorName($0.lastRecord + 1) }
        let step = try step(undoRecord: undoName)
        let earlier = try MergeLineage.steps(of: plan.readCheckpoint)
        let layout = try denseFiles(isFolder: isFolder)
        func lineageMember(_ lineage: [JSONValue]) -> [(key: String, value: String)] {
            // A file in a folder stays as others write it; a file that stands alone carries its lineage.
            isFolder ? [] : [(MergeLineage.metadataKey, JSONValue.array(lineage).text(.compact))]
        }
        let writer = try ShardedWriter(
            layout.map(\.shard), to: output, isFolder: isFolder, trailing: try isFolder ? nil : undoName.map(recordInfo),
            adding: lineageMember(earlier + [step.document(checksums: nil, report: nil)]))
        var files = writer.files
        let recordFile = isFolder && undoName != nil ? try output.createFile(named: UndoFiles.recordName) : nil
        if let recordFile { files.append(recordFile) }
        let recordWriter = try recordFile.map { file in
            try SafetensorsWriter(
                file: file, plan: (image?.records?.tensors ?? []) + [undoName].compactMap { $0 }.map(recordInfo), trailingCount: 1,
                metadata: ShardedWriter.metadata)
        }
        let undo = undoName.map { _ in
            UndoRecordWriter { bytes, offset in
                if let recordWriter { return try recordWriter.writeStreamed(bytes, atByteOffset: offset) }
                try writer.writeStreamed(bytes, atByteOffset: offset)
            }
        }
        let headers = try undo.flatMap { undo in try image.map { try self.headers($0, undo) } } ?? []

        let (places, stored) = densePlaces(layout)
        let (result, checksums) = try perform(places, stored: stored, sink: writer, undo: undo)
        let report = report(result)
        let lineage = earlier + [step.document(checksums: checksums, report: report)]

        var warnings: [String] = []
        let companions = isFolder ? try denseCompanions(writer, lineage: lineage, warnings: &warnings) : []
        for companion in companions {
            files.append(try output.createFile(named: companion.name, holding: companion.bytes))
        }
        var undoByteCount: Int?
        if let undo, let image {
            undoByteCount = try undo.finish(
                directory(
                    image, headers: headers, companions: try undoCompanions(image, companions, undo), result,
                    checksums: try imageChecksums(image, checksums)))
        }
        try writer.finish(streamedByteCount: isFolder ? nil : undoByteCount, adding: lineageMember(lineage))
        if let recordWriter {
            if let records = image?.records { try copy(records, to: recordWriter) }
            try recordWriter.finish(streamedByteCount: undoByteCount) { _ in ShardedWriter.metadata }
        }
        return (outcome(report, result, undoByteCount, checksums, warnings: warnings), files)
    }

    private func recordInfo(_ name: String) throws -> TensorInfo {
        guard let shape = Shape([undoLimit]), let info = TensorInfo(name: name, scalarType: .u8, shape: shape) else {
            throw OperationError("an undo record of \(plan.base.path) could be longer than any tensor; `noUndo` leaves it out")
        }
        return info
    }

    // MARK: - Files

    /// Of each item its place among all stored tensors, and these.
    func densePlaces(isFolder: Bool) throws -> ([QNFPlan.Place], [TensorInfo]) { densePlaces(try denseFiles(isFolder: isFolder)) }

    private func densePlaces(_ layout: [DenseFile]) -> ([QNFPlan.Place], [TensorInfo]) {
        var places = [QNFPlan.Place](repeating: .plain(0), count: plan.items.count)
        for (stored, item) in layout.flatMap(\.items).enumerated() { places[item] = .plain(stored) }
        return (places, layout.flatMap(\.shard.tensors))
    }

    private func denseFiles(isFolder: Bool) throws -> [DenseFile] {
        let infos = plan.items.map { MergeLayout.info($0, plan) }
        guard case .export = plan.form else { return try sameFiles(infos) }
        let order = plan.items.indices.sorted { NaturalOrder.precedes(plan.items[$0].name, plan.items[$1].name) }
        var shards: [[Int]] = []
        var byteCount = 0
        for index in order {
            if shards.isEmpty || isFolder && byteCount > 0 && byteCount + infos[index].byteCount > Self.shardByteCountLimit {
                shards.append([])
                byteCount = 0
            }
            shards[shards.count - 1].append(index)
            byteCount += infos[index].byteCount
        }
        let names = ShardedWriter.names(count: max(1, shards.count))
        return zip(names, shards.isEmpty ? [[]] : shards).map { name, shard in
            let items = StorageOrder.indices(of: shard.map { infos[$0] }).map { shard[$0] }
            return (ShardedWriter.Shard(name: name, tensors: items.map { infos[$0] }), items)
        }
    }

    /// Every tensor in the file and at the place where the base has it; what the base lacks at the end.
    private func sameFiles(_ infos: [TensorInfo]) throws -> [DenseFile] {
        let source = plan.base.source
        var items = [[Int]](repeating: [], count: source.files.count)
        let positions = Dictionary(plan.items.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        for (index, tensor) in source.tensors.enumerated() {
            guard let item = positions[ByteKey(tensor.name)] else { continue }
            items[source.fileIndex(ofTensor: index)].append(item)
        }
        let placed = Set(items.joined())
        items[items.count - 1] += plan.items.indices.filter { !placed.contains($0) }
        return try zip(source.files, items).map { file, items in
            let metadata = try SafetensorsFile(file).header.metadata.filter { $0.key != MergeLineage.metadataKey }
            return (ShardedWriter.Shard(name: file.name, tensors: items.map { infos[$0] }, metadata: metadata), items)
        }
    }

    private func denseCompanions(
        _ writer: ShardedWriter, lineage: [JSONValue], warnings: inout [String]
    ) throws -> [(name: String, bytes: [UInt8])] {
        let read = plan.readCheckpoint
        var result: [(name: String, bytes: [UInt8])] = [(MergeLineage.fileName, MergeLineage.fileText(lineage))]
        for file in try mergedFiles(
            of: read,
            { config in
                guard case .export(let type) = plan.form else { return config }
                return HuggingFaceConfig.dense(config, scalarType: type).object ?? config
            })
        { result.append((file.name, try file.bytes())) }
        if !read.files.contains(where: { $0.name == "config.json" }) {
            warnings.append("the base has no config.json: transformers cannot load the folder without one")
        }
        let isIndexed = writer.files.count > 1 || !read.guides.isEmpty && read.kind == .huggingFace
        guard isIndexed else { return result }
        if case .sameFiles = plan.form, let guide = read.guides.first {
            result.append((guide.name, plan.keepsLayout ? try guide.bytes(atOffset: 0, count: guide.byteCount) : writer.index))
        } else if writer.files.count > 1 {
            result.append((ShardedWriter.indexName, writer.index))
        }
        return result
    }

    // MARK: - Undoing

    /// Of each file of the base, the checksums of its tensors; those of earlier records are taken here.
    private func imageChecksums(_ image: BaseImage, _ checksums: [CRC32C]) throws -> [[CRC32C]] {
        let source = plan.base.source
        var result = [[CRC32C]](repeating: [], count: source.files.count)
        for index in source.tensors.indices { result[source.fileIndex(ofTensor: index)].append(checksums[index]) }
        guard let records = image.records else { return result }
        return result + [
            try records.tensors.indices.map { index in
                var checksum = CRC32C()
                try pieces(of: records, tensor: index) { bytes, _ in checksum.append(bytes) }
                return checksum
            }
        ]
    }

    /// What becomes of the other files: those that are no longer there as they were are kept.
    private func undoCompanions(
        _ image: BaseImage, _ written: [(name: String, bytes: [UInt8])], _ undo: UndoRecordWriter
    ) throws -> [UndoDirectory.Companion] {
        try image.companions.map { companion in
            let bytes = try companion.bytes()
            let isThere = written.contains { ByteKey($0.name) == ByteKey(companion.name) && $0.bytes == bytes }
            let content = isThere || bytes.isEmpty ? nil : try undo.append(bytes, .text)
            return UndoDirectory.Companion(
                name: companion.name, byteCount: bytes.count, checksum: CRC32C(of: bytes), content: content)
        }
    }

    private func copy(_ records: SafetensorsFile, to writer: SafetensorsWriter) throws {
        for index in records.tensors.indices {
            try pieces(of: records, tensor: index) { bytes, offset in
                try bytes.withBytes { buffer throws(FileError) in try writer.write(buffer, tensor: index, atByteOffset: offset) }
            }
        }
    }

    private func pieces(of file: SafetensorsFile, tensor: Int, _ body: ([UInt8], Int) throws -> Void) throws {
        let byteCount = file.tensors[tensor].byteCount
        for start in stride(from: 0, to: byteCount, by: 1 << 20) {
            try body(try file.bytes(ofTensor: tensor, start..<min(start + (1 << 20), byteCount)), start)
        }
    }
}
