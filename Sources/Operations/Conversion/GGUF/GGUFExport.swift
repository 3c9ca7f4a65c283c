import Architectures
package import ByteIO
import Checkpoints
import ContainerKit
package import GGUFFormat
import Parallelism
import Quantization
package import Streaming
import Synchronization
import TensorCore

/// What an export to a GGUF file has written.
package struct GGUFExportReport: Sendable {
    package let files: [ExportReport.File]
    /// Root of the mean squared error of what was stored in blocks, in proportion to the values; nil where nothing was.
    package let relativeError: Double?
    /// Values other than zero that became zero in a type of 16 bits.
    package let underflows: Int
}

/// Writes a model as GGUF, in a stream: rows of each tensor are decoded, brought into the file's order, stored in their type.
package struct GGUFExport: Sendable {
    let plan: GGUFExportPlan
    private let metadata: [GGUFMetadata.Entry]
    let resources: Resources

    package init(_ plan: GGUFExportPlan, metadata: [GGUFMetadata.Entry], resources: Resources) {
        self.plan = plan
        self.metadata = metadata
        self.resources = resources
    }

    /// Writes the file, or where it would be longer than the limit a folder of its parts; complete or not at all.
    ///
    /// - Parameter byteCountLimit: of one file; nil for none.
    package func run(path: String, byteCountLimit: Int?, replaces: Bool) throws -> GGUFExportReport {
        let split = try split(prefix: Self.prefix(of: path), byteCountLimit: byteCountLimit)
        let isFolder = split.parts.count > 1
        let destination = try AtomicOutput(
            destination: path, form: isFolder ? .ggufFolder : .file, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let output = try GGUFOutput(split, to: destination)
        let findings = try GGUFExportRun(plan, output, resources).perform()
        try destination.commit(output.files)
        let files = try (isFolder ? split.names.map { FilePath.join(path, $0) } : [path]).map {
            ExportReport.File(name: FilePath.name(of: $0), byteCount: try InputFile(path: $0).byteCount)
        }
        return GGUFExportReport(files: files, relativeError: findings.relativeError, underflows: findings.underflows)
    }

    /// What the names of the files of a split model begin with.
    static func prefix(of path: String) -> String {
        let name = FilePath.name(of: path)
        return name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name
    }

    func split(prefix: String, byteCountLimit: Int?) throws(FileError) -> GGUFSplitPlan {
        try GGUFSplitPlan(prefix: prefix, metadata: metadata, tensors: plan.outputs.map(\.planned), byteCountLimit: byteCountLimit)
    }
}

extension GGUFOutput: TensorSink {
    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        try write(bytes, tensor: index, atByteOffset: offset)
    }
}

/// One export in progress, or a part of it.
final class GGUFExportRun: Sendable {
    struct Findings {
        var errors = ErrorStatistics()
        var underflows = 0
        /// Of tensors of the source, where it keeps any to compare with.
        var checksums: [CRC32C] = []

        var relativeError: Double? { errors.totals.referenceSquareSum > 0 ? errors.totals.relativeError : nil }
    }

    private struct Job {
        let output: Int
        /// Number of the tensor among those of the output.
        var part = 0
        /// Elements of [out, in] of it.
        let range: Range<Int>
    }

    private let plan: GGUFExportPlan
    private let resources: Resources
    private let sink: any TensorSink
    private let scratch: ScratchMemory
    private let underflows = Mutex(0)
    /// Values that are stored as blocks, decoded and compared while they are at hand.
    private static let pieceElementCount = 1 << 14
    /// Where the source keeps checksums, everything is read and compared.
    private let pass: SourcePass?

    init(_ plan: GGUFExportPlan, _ sink: any TensorSink, _ resources: Resources) {
        self.plan = plan
        self.resources = resources
        self.sink = sink
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 4)
        pass = plan.keepsChecksums ? SourcePass(plan.checkpoint, resources: resources) : nil
    }

    /// - Parameter chosen: outputs that are to be written; nil for all.
    func perform(only chosen: [Int]? = nil, sources: [Int]? = nil) throws -> Findings {
        let jobs = try jobs(chosen), errors = Disjoint(repeating: ErrorStatistics(), count: jobs.count)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index], output = plan.outputs[job.output]
            guard !output.tensors.isEmpty else {
                return try output.values.withBytes { bytes throws(FileError) in try sink.write(bytes, stored: job.output, atByteOffset: 0) }
            }
            let reader = try plan.checkpoint.reader(of: output.tensors[job.part], order: .outputsByInputs)
            errors[index] = try perform(job, output, reader, worker: worker)
        }
        var findings = Findings()
        findings.checksums = try sources.map { try pass?.finish($0) ?? [] } ?? pass?.finish() ?? []
        findings.underflows = underflows.withLock { $0 }
        for error in errors.values { findings.errors.append(error) }
        return findings
    }

    private func jobs(_ chosen: [Int]?) throws(FileError) -> [Job] {
        var jobs: [Job] = []
        for index in chosen ?? Array(plan.outputs.indices) {
            let output = plan.outputs[index]
            if output.tensors.isEmpty { jobs.append(Job(output: index, range: 0..<output.values.count)) }
            let count = output.partElementCount, row = rowElementCount(output)
            let rows = if case .paired(let width) = output.change { width } else { 1 }
            for (part, tensor) in output.tensors.enumerated() {
                let reader = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs)
                let unit = Chunks.leastCommonMultiple(max(1, rows * row), reader.granularity)
                let turned = tensor.orientation == .inputsByOutputs ? Resources.transposedChunkFactor : 1
                jobs += Chunks.ranges(count: count, limit: turned * resources.chunkElementCount, unit: unit).map {
                    Job(output: index, part: part, range: $0)
                }
            }
        }
        return jobs
    }

    /// Of a bias, whose rows are single elements where they are paired, all.
    private func rowElementCount(_ output: GGUFExportPlan.Output) -> Int {
        output.shape.dimensions.count >= 2 ? output.shape.dimensions.last ?? 1 : 1
    }

    /// What storing its values in blocks loses.
    private func perform(
        _ job: Job, _ output: GGUFExportPlan.Output, _ reader: ElementReader, worker: Int
    ) throws -> ErrorStatistics {
        let range = job.range
        let stored = scratch.buffer(worker: worker, slot: 0, byteCount: reader.storedByteCount(range.count))
        let spare = scratch.buffer(worker: worker, slot: 1, byteCount: max(4 * range.count, stored.count))
        var values = scratch.buffer(worker: worker, slot: 2, byteCount: 4 * range.count).bindMemory(to: Float.self)
        try reader.read(range, stored: stored, spare: spare, into: values)
        count(stored, output.tensors[job.part], reader, range)
        switch output.change {
        case .none: break
        case .plusOne: for index in values.indices { values[index] += 1 }
        case .paired(let width):
            let paired = spare.bindMemory(to: Float.self)
            pair(values, into: paired, headWidth: width, row: rowElementCount(output))
            values = UnsafeMutableBufferPointer(rebasing: paired[..<range.count])
        }
        let bytes = scratch.buffer(
            worker: worker, slot: 3, byteCount: output.storage.byteCount(elementCount: range.count) + 4 * range.count)
        let size = output.storage.byteCount(elementCount: range.count)
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<size])
        let room = UnsafeMutableRawBufferPointer(rebasing: bytes[size...])
        let errors = try store(values, output, part: job.part, range, into: target, room: room)
        try sink.write(
            UnsafeRawBufferPointer(target), stored: job.output,
            atByteOffset: output.storage.byteCount(elementCount: job.part * output.partElementCount + range.lowerBound))
        if pass == nil { resources.progress(plan.progressByteCount(of: output, elementCount: range.count)) }
        return errors
    }

    /// Bytes of the source that came by in one piece; the others are read again for their checksums.
    private func count(
        _ stored: UnsafeMutableRawBufferPointer, _ tensor: LogicalTensor, _ reader: ElementReader, _ range: Range<Int>
    ) {
        guard let pass else { return }
        switch tensor.storage {
        case .plain(let index) where tensor.orientation == .outputsByInputs:
            pass.count(UnsafeRawBufferPointer(stored), tensor: index, atByteOffset: reader.storedByteCount(range.lowerBound))
        case .quantized(let quantized):
            pass.count(UnsafeRawBufferPointer(stored), tensor: quantized.codes, atByteOffset: range.lowerBound / 2)
        default: break
        }
    }

    private func pair(
        _ rows: UnsafeMutableBufferPointer<Float>, into paired: UnsafeMutableBufferPointer<Float>, headWidth: Int, row: Int
    ) {
        for source in 0..<rows.count / row {
            let target = source / headWidth * headWidth + GGUFSpelling.pairedRow(source % headWidth, headWidth: headWidth)
            _ = UnsafeMutableBufferPointer(rebasing: paired[(target * row)...])
                .update(fromContentsOf: UnsafeBufferPointer(rebasing: rows[(source * row)...].prefix(row)))
        }
    }

    private func store(
        _ values: UnsafeMutableBufferPointer<Float>, _ output: GGUFExportPlan.Output, part: Int, _ range: Range<Int>,
        into bytes: UnsafeMutableRawBufferPointer, room: UnsafeMutableRawBufferPointer
    ) throws -> ErrorStatistics {
        var errors = ErrorStatistics()
        switch output.storage {
        case .scalar(let type):
            let counts = FloatCast.cast(UnsafeRawBufferPointer(values), from: .f32, to: type, into: bytes, widened: room)
            guard counts.overflows == 0 else {
                throw failure(output, "\(counts.overflows) values are too large for \(type.rawValue)", hint: "BF16 and F32 hold them")
            }
            underflows.withLock { $0 += counts.underflows }
        case .blocks(let format):
            let decoded = room.bindMemory(to: Float.self), row = rowElementCount(output)
            // Whole rows, where columns count differently; a chunk is of one matrix, or of whole ones.
            let step = output.importance == nil ? Self.pieceElementCount : row
            for start in stride(from: 0, to: values.count, by: step) {
                let piece = Span(_unsafeElements: UnsafeBufferPointer(rebasing: values[start...].prefix(step)))
                let places = output.storage.byteCount(elementCount: start)..<output.storage.byteCount(elementCount: start + piece.count)
                var blocks = MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: bytes[places]))
                do throws(BlockFault) {
                    if let importance = output.importance {
                        let first = matrix(ofElement: range.lowerBound + start, output, part: part) * row
                        try format.quantize(piece, importance: importance.span.extracting(first..<first + row), into: &blocks)
                    } else {
                        try format.quantize(piece, into: &blocks)
                    }
                } catch {
                    throw failure(error, output, format)
                }
                let back = UnsafeMutableBufferPointer(rebasing: decoded[..<piece.count])
                var span = MutableSpan(_unsafeElements: back)
                format.decode(blocks.bytes, into: &span)
                errors.add(reference: piece, actual: span.span)
            }
        }
        return errors
    }

    /// Which of the experts of an output has this element of one of its tensors: one each, or all of them.
    private func matrix(ofElement element: Int, _ output: GGUFExportPlan.Output, part: Int) -> Int {
        guard output.tensors.count == 1, output.shape.dimensions.count == 3 else { return part }
        return element / (output.shape.dimensions[1] * output.shape.dimensions[2])
    }

    private func failure(_ output: GGUFExportPlan.Output, _ message: String, hint: String?) -> FileError {
        let name = output.tensors.count == 1 ? output.tensors[0].name : output.name
        return FileError(plan.checkpoint.path, at: "tensor '\(name)'", message, hint: hint)
    }

    private func failure(_ fault: BlockFault, _ output: GGUFExportPlan.Output, _ format: BlockFormat) -> FileError {
        switch fault {
        case .nonFinite:
            failure(
                output, "holds a value that is not a finite number, which \(format.name) cannot store",
                hint: "the file is damaged, or the model was trained to such values")
        case .scaleOverflow:
            failure(
                output, "holds values that are too large for \(format.name), whose scales end at 65504", hint: "BF16 and F32 hold them")
        }
    }
}

extension GGUFExportPlan {
    /// Whether the source has something to compare what is read with.
    var keepsChecksums: Bool { checkpoint.source.tensors.indices.contains { checkpoint.storedChecksum(ofTensor: $0) != nil } }

    /// Bytes that an export tells `Resources.progress` of, all together.
    package var inputByteCount: Int {
        outputs.reduce(0) { $0 + progressByteCount(of: $1, elementCount: $1.shape.elementCount) }
    }

    /// Of the source, about, for some elements of an output.
    func progressByteCount(of output: Output, elementCount: Int) -> Int {
        guard !output.tensors.isEmpty, output.shape.elementCount > 0 else { return 0 }
        let byteCount = output.tensors.reduce(0) { $0 + $1.storedByteCount(in: checkpoint.source) }
        let bits = 8 * Double(byteCount) / Double(output.shape.elementCount)
        return Int(Double(elementCount) * bits / 8)
    }
}
