import Architectures
import ByteIO
import Checkpoints
import GGUFFormat
import Parallelism
import Parts
import Quantization
import Streaming
import Synchronization
import TensorCore

/// One export in progress, or a part of it.
final class GGUFExportRun: Sendable {
    struct Findings {
        var errors = ErrorStatistics()
        var underflows = 0
        /// Of tensors of the source, where it keeps any to compare with.
        var checksums: [CRC32C] = []

        var relativeError: Double? { errors.totals.referenceSquareSum > 0 ? errors.totals.relativeError : nil }
    }

    struct Job {
        let output: Int
        /// Number of the tensor among those of the output.
        var part = 0
        /// Elements of [out, in] of it.
        let range: Range<Int>
    }

    let plan: GGUFExportPlan
    let resources: Resources
    private let sink: any TensorSink
    private let scratch: ScratchMemory
    private let underflows = Mutex(0)
    /// Values that are stored as blocks, decoded and compared while they are at hand.
    private static let pieceElementCount = 1 << 14
    /// Where the source keeps checksums, everything is read and compared.
    private let pass: SourcePass?

    /// - Parameter windows: of tensors of the source of which only some bytes are read, these.
    init(_ plan: GGUFExportPlan, _ sink: any TensorSink, windows: [Int: Range<Int>] = [:], _ resources: Resources) {
        self.plan = plan
        self.resources = resources
        self.sink = sink
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 5)
        pass = plan.keepsChecksums ? SourcePass(plan.checkpoint, windows: windows, resources: resources) : nil
    }

    /// - Parameter share: of the outputs; nil for all.
    func perform(of share: Partition.Share? = nil) throws -> Findings {
        let jobs = try jobs(of: share), errors = Disjoint(repeating: ErrorStatistics(), count: jobs.count)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index], output = plan.outputs[job.output]
            guard !output.tensors.isEmpty else {
                return try output.values.withBytes { bytes throws(FileError) in try sink.write(bytes, stored: job.output, atByteOffset: 0) }
            }
            let reader = try plan.checkpoint.reader(of: output.tensors[job.part], order: .outputsByInputs)
            errors[index] = try perform(job, output, reader, worker: worker)
        }
        var findings = Findings()
        findings.checksums = try share.map { try pass?.finish($0.sources + $0.runs.map(\.source)) ?? [] } ?? pass?.finish() ?? []
        findings.underflows = underflows.withLock { $0 }
        for error in errors.values { findings.errors.append(error) }
        return findings
    }

    /// What storing its values in blocks loses.
    private func perform(
        _ job: Job, _ output: GGUFExportPlan.Output, _ reader: ElementReader, worker: Int
    ) throws -> ErrorStatistics {
        let range = job.range
        if output.isKept {
            try writeKept(job, output)
            return ErrorStatistics()
        }
        let stored = scratch.buffer(worker: worker, slot: 0, byteCount: reader.storedByteCount(range.count))
        let spare = scratch.buffer(worker: worker, slot: 1, byteCount: max(4 * range.count, stored.count))
        var values = scratch.buffer(worker: worker, slot: 2, byteCount: 4 * range.count).bindMemory(to: Float.self)
        if case .half(let half) = output.change {
            try StackRows(output.shape, half).read(range, of: reader, into: values)
        } else {
            try reader.read(range, stored: stored, spare: spare, into: values)
            count(stored, output.tensors[job.part], reader, range)
        }
        switch output.change {
        case .none, .grouped, .half: break
        case .plusOne: for index in values.indices { values[index] += 1 }
        case .paired(let width):
            let paired = spare.bindMemory(to: Float.self)
            pair(values, into: paired, headWidth: width, row: output.rowElementCount)
            values = UnsafeMutableBufferPointer(rebasing: paired[..<range.count])
        }
        let target = scratch.buffer(worker: worker, slot: 3, byteCount: output.storage.byteCount(elementCount: range.count))
        let room = scratch.buffer(worker: worker, slot: 4, byteCount: 4 * range.count)
        let errors = try store(values, output, part: job.part, range, into: target, room: room)
        try write(UnsafeRawBufferPointer(target), job, output)
        if pass == nil { resources.progress(plan.progressByteCount(of: output, elementCount: range.count)) }
        return errors
    }

    /// To where the elements of a job belong: heads of groups one by one.
    private func write(_ bytes: UnsafeRawBufferPointer, _ job: Job, _ output: GGUFExportPlan.Output) throws(FileError) {
        guard case .grouped(let heads) = output.change else {
            let start = output.storage.byteCount(elementCount: job.part * output.partElementCount + job.range.lowerBound)
            return try sink.write(bytes, stored: job.output, atByteOffset: start)
        }
        let elementCount = heads.headWidth * output.rowElementCount, byteCount = output.storage.byteCount(elementCount: elementCount)
        for place in 0..<job.range.count / elementCount {
            let target = heads.stored(job.range.lowerBound / elementCount + place)
            try sink.write(
                UnsafeRawBufferPointer(rebasing: bytes[place * byteCount..<(place + 1) * byteCount]), stored: job.output,
                atByteOffset: target * byteCount)
        }
    }

    /// Blocks of MXFP4 as they are.
    private func writeKept(_ job: Job, _ output: GGUFExportPlan.Output) throws(FileError) {
        let row = output.rowElementCount, tensor = output.tensors[job.part]
        let rows = job.range.lowerBound / row..<job.range.upperBound / row
        let source = MXFP4Rows(tensor, plan.checkpoint)
        let bytes: [UInt8]
        if case .half(let half) = output.change {
            let (all, step) = StackRows(output.shape, half).places(of: rows)
            bytes = try source.blocks(ofRows: all, step: step)
        } else {
            bytes = try source.blocks(ofRows: rows, step: 1)
        }
        try bytes.withBytes { bytes throws(FileError) in try write(bytes, job, output) }
        if pass == nil { resources.progress(plan.progressByteCount(of: output, elementCount: job.range.count)) }
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
            let decoded = room.bindMemory(to: Float.self), row = output.rowElementCount
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
