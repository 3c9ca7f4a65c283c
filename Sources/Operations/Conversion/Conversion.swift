import ByteIO
import Calibration
package import Checkpoints
import JSONText
import Parallelism
import Parts
import Quantization
package import Streaming
import Synchronization
import TensorCore

/// What a conversion to .qnf has done.
package struct ConversionReport: Sendable {
    package let fingerprint: Fingerprint
    package let outputByteCount: Int
    package let quantizedCount: Int
    package let keptCount: Int
    /// Of tensors cast to a narrower type.
    package let narrowing: NarrowingCounts
    /// Weights that were quantized although they hold NaN or infinities: name and index of the first.
    package let nonfinite: [(name: String, index: Int)]
    /// Where codes were chosen by calibration.
    package let calibration: CalibrationReport?
}

/// Converts any checkpoint to one .qnf file, in a stream.
///
/// The work is cut into chunks of one tensor each, which the workers take in order: read, quantize, write at the place
/// that the plan gives. The constants of a tensor are collected until its last chunk is done and then quantized
/// themselves. Memory is a few chunks a worker and the constants of the tensors in progress (n / 16 bytes each).
package struct Conversion: Sendable {
    let plan: ConversionPlan
    let resources: Resources
    let allowsNonfinite: Bool

    package init(_ plan: ConversionPlan, resources: Resources, allowsNonfinite: Bool) {
        self.plan = plan
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
    }

    /// Writes the file at `path`, complete or not at all.
    ///
    /// - Parameter calibration: where the plan has one; its engine runs on the pool of the resources.
    package func run(path: String, replaces: Bool, calibration: ConversionCalibration? = nil) throws -> ConversionReport {
        precondition(
            (calibration == nil) == (plan.calibration == nil && plan.importance == nil), "what the plan says of a calibration is done")
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let file = try output.file()
        let writer = try QNFWriter(
            plan: plan.layout, file: file, settings: plan.settingsDocument, lineagePlaceholder: plan.lineage(checksums: nil))
        let run = ConversionRun(plan, writer: writer, resources: resources, allowsNonfinite: allowsNonfinite)
        let calibrated = try calibration.map { try run.calibrate($0) }
        let done = Set(calibrated?.items ?? [])
        let jobs = try plan.jobs(resources, leavingOut: done)
        try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
        try writer.writeFiles()
        let checksums = try run.pass.finish()
        let results = run.results
        let fingerprint = try writer.finish(
            states: results.map(\.state), lineage: plan.lineage(checksums: checksums, moments: calibrated?.report.momentsDigest))
        try output.commit([file])
        calibration?.journal?.remove()
        let quantizedCount = plan.layout.places.count { if case .quantized = $0 { true } else { false } }
        return ConversionReport(
            fingerprint: fingerprint, outputByteCount: try InputFile(path: path).byteCount, quantizedCount: quantizedCount,
            keptCount: plan.items.count - quantizedCount, narrowing: results.reduce(NarrowingCounts()) { $0 + $1.narrowing },
            nonfinite: plan.nonfinite(results), calibration: calibrated?.report)
    }
}

/// One conversion in progress, or a part of it.
final class ConversionRun: Sendable {
    private struct Findings {
        var results: [TensorResult]
        var collectors: [Int: ConstantsCollector] = [:]
        /// Of items of which a run is done.
        var absmax: [Int: [Float]] = [:]
    }

    let pass: SourcePass
    let plan: ConversionPlan
    let source: any TensorSource
    let writer: any TensorSink
    private let resources: Resources
    private let allowsNonfinite: Bool
    let scratch: ScratchMemory
    private let findings: Mutex<Findings>
    /// Items of which some elements are done alone.
    private let runs: [Int: Partition.Run]

    init(
        _ plan: ConversionPlan, writer: any TensorSink, runs: [Partition.Run] = [], resources: Resources, allowsNonfinite: Bool
    ) {
        self.plan = plan
        self.runs = Dictionary(uniqueKeysWithValues: runs.map { ($0.unit, $0) })
        self.writer = writer
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
        source = plan.checkpoint.source
        pass = SourcePass(plan.checkpoint, windows: runs.windows, resources: resources)
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 3)
        let results = plan.items.map { item in
            if case .copyQuantized = item.step { TensorResult(state: item.tensor.quantized?.state) } else { TensorResult() }
        }
        findings = Mutex(Findings(results: results))
    }

    /// Of each item of the plan, once all jobs are done.
    var results: [TensorResult] { findings.withLock { $0.results } }

    /// Of the blocks of a run.
    func absmax(ofRun item: Int) -> [Float]? { findings.withLock { $0.absmax[item] } }

    // MARK: - Work

    /// Chooses and writes the codes of all weights that calibration reaches; returns the items that are done with that.
    func calibrate(_ calibration: ConversionCalibration) throws -> (report: CalibrationReport, items: [Int]) {
        let items = plan.quantizedItems(calibration.names)
        var rows: [CalibrationReport.Row] = []
        let digest = try calibration.run { outcome in
            // What a budget keeps was chosen all the same: it is what its sensitivity is of.
            guard let index = items[outcome.tensor.name] else { return }
            guard case .quantized(let parts) = plan.layout.places[index] else { preconditionFailure("a quantized weight has its parts") }
            try outcome.weight.codes.withUnsafeBytes { try writer.write($0, stored: parts.codes, atByteOffset: 0) }
            try collect(outcome.weight.absmax, firstBlock: 0, item: index, parts: parts)
            rows.append(CalibrationReport.Row(outcome))
        }
        let quantized = plan.items.count { if case .quantize = $0.step { true } else { false } }
        return (CalibrationReport(rows: rows, momentsDigest: digest, unreachedCount: quantized - rows.count), Array(items.values))
    }

    func perform(_ job: TensorJob, worker: Int) throws {
        switch job {
        case .quantize(let item, let range): try quantize(item, range, worker: worker)
        case .copy(let tensor, let stored, let range):
            let buffer = UnsafeRawBufferPointer(try readBytes(of: tensor, range, worker: worker))
            try writer.write(buffer, stored: stored, atByteOffset: range.lowerBound)
        case .copyConstants(let tensor, let stored, let range):
            let buffer = UnsafeRawBufferPointer(try readBytes(of: tensor, range, worker: worker))
            try requireFinite(buffer, ofTensor: tensor, atByteOffset: range.lowerBound)
            try writer.write(buffer, stored: stored, atByteOffset: range.lowerBound)
        case .cast(let item, let range, let type): try cast(item, range, to: type, worker: worker)
        case .decode(let item, let range, let type): try decode(item, range, to: type, worker: worker)
        case .count(let tensor, let range): _ = try readBytes(of: tensor, range, worker: worker)
        }
    }

    private func readBytes(of tensor: Int, _ range: Range<Int>, worker: Int) throws -> UnsafeMutableRawBufferPointer {
        let buffer = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
        try pass.read(tensor: tensor, atByteOffset: range.lowerBound, into: buffer)
        return buffer
    }

    private func requireFinite(_ floats: UnsafeRawBufferPointer, ofTensor index: Int, atByteOffset offset: Int) throws {
        guard !allowsNonfinite, let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: floats), of: .f32) else { return }
        throw FileError(
            plan.checkpoint.path, at: "tensor '\(source.tensors[index].name)'", "element \(offset / 4 + first) is not a finite number",
            hint: "the file is damaged, or was made of a model with such values; `allowsNonfinite` copies them")
    }

    func found(nonfinite position: Int, in index: Int) throws {
        let tensor = plan.items[index].tensor
        guard allowsNonfinite, !plan.settings.isDoubleQuantized else {
            let reason = tensor.scalarType == .f64 ? "is not a finite number of float32" : "is not a finite number"
            throw FileError(
                plan.checkpoint.path, at: "tensor '\(tensor.name)'",
                "element \(tensor.orientation.place(ofElement: position, in: tensor.shape.dimensions)) \(reason)",
                hint: allowsNonfinite
                    ? "double quantization would spread it to the whole tensor; with `plainConstants` it stays in its block"
                    : "`allowsNonfinite` with `plainConstants` quantizes it all the same, as bitsandbytes does")
        }
        findings.withLock { $0.results[index].nonfinite = min($0.results[index].nonfinite ?? .max, position) }
    }

    /// Adds the constants of a chunk; with the last one, writes those of the whole tensor.
    func collect(_ absmax: [Float], firstBlock: Int, item index: Int, parts: QNFPlan.Parts) throws {
        guard case .quantized(let settings, let scalarType, let shape) = plan.layout.tensors[index].form else {
            preconditionFailure("only a quantized tensor has constants")
        }
        let elementCount = runs[index]?.elements.count ?? shape.elementCount
        let blockCount = (elementCount + settings.blockSize - 1) / settings.blockSize
        let complete = findings.withLock { findings in
            findings.collectors[index, default: ConstantsCollector()].add(absmax, firstBlock: firstBlock)
            let complete = findings.collectors[index]?.joined(blockCount: blockCount)
            if complete != nil { findings.collectors[index] = nil }
            if runs[index] != nil { findings.absmax[index] = complete }
            return complete
        }
        guard let complete, runs[index] == nil else { return }
        let constants = QuantizedConstants(complete, settings)
        for (part, bytes) in constants.parts {
            guard let stored = parts.index(of: part) else { preconditionFailure("the plan has a place for '\(part.rawValue)'") }
            try writer.write(bytes, stored: stored)
        }
        do throws(QuantizationError) {
            let state = try QuantState(settings: settings, scalarType: scalarType, shape: shape, offset: constants.offset)
            findings.withLock { $0.results[index].state = state }
        } catch {
            throw FileError(
                plan.checkpoint.path, at: "tensor '\(plan.items[index].tensor.name)'", error.message,
                hint: "its values are too large to be averaged; use `plainConstants`")
        }
    }

    private func cast(_ index: Int, _ range: Range<Int>, to type: ScalarType, worker: Int) throws {
        guard case .plain(let tensor) = plan.items[index].tensor.storage, case .plain(let stored) = plan.layout.places[index] else {
            preconditionFailure("only a dense tensor is cast")
        }
        let from = source.tensors[tensor].scalarType
        let (size, newSize) = (from.bitCount / 8, type.bitCount / 8)
        let input = try readBytes(of: tensor, range.lowerBound * size..<range.upperBound * size, worker: worker)
        let output = scratch.buffer(worker: worker, slot: 1, byteCount: range.count * newSize)
        let wide = scratch.buffer(worker: worker, slot: 2, byteCount: range.count * 4)
        let counts = FloatCast.cast(UnsafeRawBufferPointer(input), from: from, to: type, into: output, widened: wide)
        try writer.write(UnsafeRawBufferPointer(output), stored: stored, atByteOffset: range.lowerBound * newSize)
        findings.withLock { $0.results[index].narrowing = $0.results[index].narrowing + counts }
    }

    private func decode(_ index: Int, _ range: Range<Int>, to type: ScalarType, worker: Int) throws {
        guard case .plain(let stored) = plan.layout.places[index] else { preconditionFailure("a decoded weight is dense") }
        let counts = try DecodedPanel(plan.checkpoint, plan.items[index].tensor, type, allowsNonfinite: allowsNonfinite).write(
            range, scratch: { scratch.buffer(worker: worker, slot: $0, byteCount: $1) }
        ) { bytes, offset throws(FileError) in try writer.write(bytes, stored: stored, atByteOffset: offset) }
        findings.withLock { $0.results[index].narrowing = $0.results[index].narrowing + counts }
    }
}

/// The constants of a tensor whose chunks finish in any order.
private struct ConstantsCollector {
    private var pieces: [(firstBlock: Int, absmax: [Float])] = []
    private var collectedCount = 0

    mutating func add(_ absmax: [Float], firstBlock: Int) {
        pieces.append((firstBlock, absmax))
        collectedCount += absmax.count
    }

    /// All of them in order; nil while some are missing.
    func joined(blockCount: Int) -> [Float]? {
        guard collectedCount == blockCount else { return nil }
        return pieces.count == 1 ? pieces[0].absmax : pieces.sorted { $0.firstBlock < $1.firstBlock }.flatMap(\.absmax)
    }
}
