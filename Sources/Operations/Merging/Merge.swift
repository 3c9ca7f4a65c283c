import Adapters
import ByteIO
package import Checkpoints
import Compression
import ContainerKit
import JSONText
import Parallelism
import Parts
import Quantization
import SafetensorsFormat
package import Streaming
import TensorCore

/// What a merge has written.
package struct MergeOutcome: Sendable {
    package let report: MergeReport
    /// Bytes of all files written.
    package fileprivate(set) var outputByteCount = 0
    /// Bytes of the undo record; nil where none is kept.
    package let undoByteCount: Int?
    /// Fingerprint of the weights that were read as the base.
    package let baseFingerprint: Fingerprint
    /// Tensors with elements that were finite but are too large for their type once merged, and how many.
    package let overflows: [(name: String, count: Int)]
    /// Not where overflows were to be refused and there are some.
    package fileprivate(set) var isWritten = true
    package let warnings: [String]
}

/// Merges adapters into a base, in a stream.
///
/// The output is the base's tensors, those that no adapter touches byte for byte, and the merged ones in the places that a
/// plan gives. Memory is a few chunks a worker, and the factors and constants of the tensor in progress.
package struct Merge: Sendable {
    let plan: MergePlan
    let resources: Resources
    let toolVersion: String
    let options: [String]
    let flips: FlipMerge?
    let calibrated: CalibratedMerge?
    /// What is known already, and is not computed.
    let parts: MergeParts?

    /// - Parameters:
    ///   - options: the options that shape the result, for the lineage.
    ///   - flips: of the weights that are not quantized again; nil where all are. Only of a .qnf without a reference.
    ///   - calibrated: how a reference's merged weights become 4-bit; nil for the nearest codes.
    ///   - parts: of this merge, with neither of these; what they hold takes the place of computing.
    package init(
        _ plan: MergePlan, resources: Resources, toolVersion: String, options: [String], flips: FlipMerge? = nil,
        calibrated: CalibratedMerge? = nil, parts: MergeParts? = nil
    ) {
        precondition(flips == nil || plan.form == .qnf && plan.reference == nil, "codes are flipped from the base's own on")
        self.plan = plan
        self.resources = resources
        self.toolVersion = toolVersion
        self.options = options
        precondition(calibrated == nil || plan.form == .qnf && plan.reference != nil, "only a reference's weights are quantized anew")
        self.flips = flips
        self.calibrated = calibrated
        precondition(parts == nil || flips == nil && calibrated == nil, "calibrations go through the whole model")
        self.parts = parts
    }

    /// Does all of the work on tensors, or takes it from parts.
    ///
    /// - Parameter stored: what the sink takes.
    /// - Returns: also the checksums of the checkpoint that is read completely.
    func perform(
        _ places: [QNFPlan.Place], stored: [TensorInfo], sink: any MergeSink, undo: UndoRecordWriter?
    ) throws -> (MergeRun.Result, checksums: [CRC32C]) {
        let run = MergeRun(plan, places: places, sink: sink, undo: undo, resources: resources, flips: flips, calibrated: calibrated)
        if let parts { return try run.replay(parts, stored: stored) }
        let result = try run.run()
        return (result, try run.pass.finish())
    }

    /// Writes the output at `path`, complete or not at all.
    ///
    /// - Parameters:
    ///   - isFolder: of a dense output.
    ///   - refusesOverflow: leaves nothing behind where merged values are too large for their type.
    package func run(path: String, isFolder: Bool, replaces: Bool, refusesOverflow: Bool = false) throws -> MergeOutcome {
        let inputs =
            plan.base.inputFiles + (plan.reference?.inputFiles ?? []) + plan.adapters.flatMap(\.adapter.files)
            + (parts?.set.parts.map(\.inputFile) ?? [])
        let output = try AtomicOutput(
            destination: path, isFolder: isFolder, replaces: replaces, inputs: inputs)
        let written: (outcome: MergeOutcome, files: [OutputFile])
        switch plan.form {
        case .qnf: written = try writeQNF(try output.file())
        case .sameFiles, .export: written = try writeDense(output, isFolder: isFolder)
        }
        var outcome = written.outcome
        guard !refusesOverflow || outcome.overflows.isEmpty else {
            outcome.isWritten = false
            return outcome
        }
        try output.commit(written.files)
        let paths = isFolder ? try TemplateFolder.files(ofModel: path).map { FilePath.join(path, $0) } : [path]
        outcome.outputByteCount = try paths.reduce(0) { $0 + (try InputFile(path: $1).byteCount) }
        return outcome
    }

    func step(undoRecord: String?) throws -> MergeStep {
        MergeStep(
            plan: plan, toolVersion: toolVersion, options: options, undoRecord: undoRecord,
            adapterFingerprints: try MergeStep.fingerprints(plan.adapters), flips: flips,
            calibrated: calibrated)
    }

    func report(_ result: MergeRun.Result) -> MergeReport {
        MergeReport(
            rows: result.rows,
            total: .init(result.sums, elementCount: result.elementCount, changedCount: result.changedCount))
    }

    // MARK: - .qnf

    private func writeQNF(_ file: OutputFile) throws -> (MergeOutcome, [OutputFile]) {
        guard let metadata = plan.base.metadata else { preconditionFailure("a .qnf has its metadata") }
        let image = try BaseImage(plan.base)
        let undoName = plan.keepsUndo ? UndoFiles.tensorName(image.lastRecord + 1) : nil
        let files = try companions()
        let layout = try MergeLayout.qnf(plan, files: files.compactMap(\.file), undoRecord: undoName.map { ($0, undoLimit) })
        let step = try step(undoRecord: undoName)
        let earlier = try MergeLineage.steps(of: plan.base)
        let writer = try QNFWriter(
            plan: layout, file: file, settings: metadata.settings,
            lineagePlaceholder: .array(earlier + [step.document(checksums: nil, report: nil)]))
        let undo = plan.keepsUndo ? UndoRecordWriter { try writer.writeUndoRecord($0, atByteOffset: $1) } : nil
        let header = try undo.map { try self.headers(image, $0) } ?? []
        var (result, checksums) = try perform(layout.places, stored: layout.stored, sink: writer, undo: undo)
        for file in files {
            guard let previous = file.previous else { continue }
            try undoFile(previous, name: QNFMetadata.filePrefix + file.name, undo, &result)
        }
        try writer.writeFiles()
        let undoByteCount = try undo.map {
            try $0.finish(directory(image, headers: header, companions: [], result, checksums: [metadata.checksums]))
        }
        let report = report(result)
        _ = try writer.finish(
            states: result.states, undoByteCount: undoByteCount,
            lineage: .array(earlier + [step.document(checksums: checksums, report: report)]))
        return (outcome(report, result, undoByteCount, checksums), [file])
    }

    /// More than any record can take: all chunks at their worst, and the factors.
    var undoLimit: Int {
        4 * plan.base.storedByteCount + 16 * plan.adapters.reduce(0) { $0 + $1.adapter.storedByteCount } + 1 << 30
    }

    func outcome(
        _ report: MergeReport, _ result: MergeRun.Result, _ undoByteCount: Int?, _ checksums: [CRC32C],
        warnings: [String] = []
    ) -> MergeOutcome {
        let read = plan.readCheckpoint
        let included = read.source.tensors.indices.filter { QNFMetadata.isWeight(read.source.tensors[$0].name) }
        let fingerprint = Fingerprint(of: included.map { read.source.tensors[$0] }, checksums: included.map { checksums[$0] })
        return MergeOutcome(
            report: report, undoByteCount: undoByteCount,
            baseFingerprint: fingerprint, overflows: result.overflows, warnings: warnings)
    }

    // MARK: - Undoing

    /// Everything before the data section of each of the base's files.
    func headers(_ image: BaseImage, _ undo: UndoRecordWriter) throws -> [UndoDirectory.Items] {
        try image.files.map { try undo.append(try $0.file.bytes(atOffset: 0, count: $0.dataStart), .text) }
    }

    func undoFile(_ bytes: [UInt8], name: String, _ undo: UndoRecordWriter?, _ result: inout MergeRun.Result) throws {
        guard let undo else { return }
        result.undone.append(
            UndoDirectory.Tensor(
                name: name, method: .content, byteCount: bytes.count, chunkByteCount: bytes.count,
                items: bytes.isEmpty ? .init(offset: 0, byteCounts: []) : try undo.append(bytes, .text)))
    }

    func directory(
        _ image: BaseImage, headers: [UndoDirectory.Items], companions: [UndoDirectory.Companion], _ result: MergeRun.Result,
        checksums: [[CRC32C]]
    ) -> UndoDirectory {
        UndoDirectory(
            isFolder: image.isFolder,
            files: zip(zip(image.files, headers), checksums).map { pair, checksums in
                UndoDirectory.File(name: pair.0.file.name, byteCount: pair.0.file.byteCount, header: pair.1, checksums: checksums)
            },
            companions: companions, tensors: result.undone.sorted { NaturalOrder.precedes($0.name, $1.name) })
    }

    /// The files that ride along; of one that changes, with what it was, and of one that is left out without its new content.
    func companions() throws -> [(name: String, file: CompanionFile?, previous: [UInt8]?)] {
        let files = try mergedFiles(of: plan.base)
        var result = try files.map { file in
            let before = plan.base.files.first { $0.name == file.name }
            let isSame = try before.map { try $0.bytes() == file.bytes() } ?? true
            return (name: file.name, file: Optional(file), previous: isSame ? nil : try before?.bytes())
        }
        for file in plan.base.files where !files.contains(where: { $0.name == file.name }) {
            result.append((file.name, nil, try file.bytes()))
        }
        return result
    }

    /// The files beside the weights: those of a checkpoint, config.json and tokenizer as the plan has them.
    ///
    /// - Parameter change: of config.json, besides what the plan changes in it.
    func mergedFiles(of checkpoint: Checkpoint, _ change: (JSONObject) -> JSONObject = { $0 }) throws -> [CompanionFile] {
        var files = checkpoint.files.filter { plan.tokenizer == nil || !CompanionFile.isOfTokenizer($0.name) }
        files += plan.tokenizer ?? []
        return try files.map { file in
            guard file.name == "config.json", let config = checkpoint.config?.object else { return file }
            let changed = plan.changed(change(try checkpoint.correctedConfig() ?? config))
            guard changed != config else { return file }
            let bytes = Array((JSONValue.object(changed).text(.indented) + "\n").utf8)
            return CompanionFile(name: file.name, content: .bytes(bytes))
        }.sorted { $0.name < $1.name }
    }
}
