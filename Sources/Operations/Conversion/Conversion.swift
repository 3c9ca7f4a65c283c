import ByteIO
package import Checkpoints
import JSONText
import Parallelism
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
}

/// Converts any checkpoint to one .qnf file, in a stream.
///
/// The work is cut into chunks of one tensor each, which the workers take in order: read, quantize, write at the place
/// that the plan gives. The constants of a tensor are collected until its last chunk is done and then quantized
/// themselves. Memory is a few chunks a worker and the constants of the tensors in progress (n / 16 bytes each).
package struct Conversion: Sendable {
    private let plan: ConversionPlan
    private let resources: Resources
    private let allowsNonfinite: Bool

    package init(_ plan: ConversionPlan, resources: Resources, allowsNonfinite: Bool) {
        self.plan = plan
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
    }

    /// Writes the file at `path`, complete or not at all.
    package func run(path: String, replaces: Bool) throws -> ConversionReport {
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let file = try output.file()
        let writer = try QNFWriter(
            plan: plan.layout, file: file, settings: plan.settingsDocument, lineagePlaceholder: plan.lineage(checksums: nil))
        let run = ConversionRun(plan, writer: writer, resources: resources, allowsNonfinite: allowsNonfinite)
        let jobs = run.jobs()
        try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
        try writer.writeFiles()
        let checksums = try run.checksums.verified()
        let fingerprint = try writer.finish(states: run.states(), lineage: plan.lineage(checksums: checksums))
        try output.commit([file])
        let quantizedCount = plan.layout.places.count { if case .quantized = $0 { true } else { false } }
        return ConversionReport(
            fingerprint: fingerprint, outputByteCount: try InputFile(path: path).byteCount, quantizedCount: quantizedCount,
            keptCount: plan.items.count - quantizedCount, narrowing: run.narrowing(), nonfinite: run.nonfinite())
    }
}

/// One conversion in progress.
private final class ConversionRun: Sendable {
    enum Job {
        case quantize(item: Int, Range<Int>)
        /// Bytes of a source tensor to a stored tensor of the output.
        case copy(from: Int, to: Int, Range<Int>)
        /// Likewise, of constants or a codebook in F32: a NaN among them would spread to whole blocks.
        case copyConstants(from: Int, to: Int, Range<Int>)
        case cast(item: Int, Range<Int>, to: ScalarType)
        /// Bytes that are only counted: those of transposed weights, whose chunks are no runs of the file, and quant states.
        case count(tensor: Int, Range<Int>)
    }

    /// What is found out tensor by tensor.
    private struct Findings {
        var states: [QuantState?]
        var collectors: [Int: ConstantsCollector] = [:]
        var narrowing = NarrowingCounts()
        /// Position of the first in the order in which the weight is quantized.
        var nonfinite: [Int: Int] = [:]
    }

    let checksums: SourceChecksums
    private let plan: ConversionPlan
    private let source: any TensorSource
    private let writer: QNFWriter
    private let resources: Resources
    private let allowsNonfinite: Bool
    private let scratch: ScratchMemory
    private let findings: Mutex<Findings>

    init(_ plan: ConversionPlan, writer: QNFWriter, resources: Resources, allowsNonfinite: Bool) {
        self.plan = plan
        self.writer = writer
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
        source = plan.checkpoint.source
        checksums = SourceChecksums(plan.checkpoint)
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 3)
        findings = Mutex(Findings(states: Array(repeating: nil, count: plan.items.count)))
    }

    func states() -> [QuantState?] { findings.withLock { $0.states } }
    func narrowing() -> NarrowingCounts { findings.withLock { $0.narrowing } }

    func nonfinite() -> [(name: String, index: Int)] {
        findings.withLock { $0.nonfinite }.sorted { $0.key < $1.key }.map { item, position in
            let tensor = plan.items[item].tensor
            let place = tensor.orientation.place(ofElement: position, in: tensor.shape.dimensions)
            return (tensor.name, place[0] * tensor.shape.dimensions[1] + place[1])
        }
    }

    // MARK: - Planning

    func jobs() -> [Job] {
        var jobs: [Job] = []
        for (index, item) in plan.items.enumerated() {
            switch (item.step, item.tensor.storage, plan.layout.places[index]) {
            case (.quantize, .plain(let tensor), .quantized): appendQuantize(index, tensor: tensor, to: &jobs)
            case (.copyQuantized, .quantized(let quantized), .quantized(let parts)):
                appendCopies(of: quantized, to: parts, jobs: &jobs)
                findings.withLock { $0.states[index] = quantized.state }
            case (.cast(let type), .plain(let tensor), .plain):
                let ranges = Chunks.ranges(count: source.tensors[tensor].elementCount, limit: resources.chunkElementCount, unit: 1)
                jobs += ranges.map { .cast(item: index, $0, to: type) }
            case (.copy, .plain(let tensor), .plain(let stored)): appendCopy(from: tensor, to: stored, jobs: &jobs)
            default: preconditionFailure("step, storage and place of '\(item.tensor.name)' do not belong together")
            }
        }
        for tensor in plan.checkpoint.attachments { appendCount(of: tensor, to: &jobs) }
        return jobs
    }

    private func appendQuantize(_ index: Int, tensor: Int, to jobs: inout [Job]) {
        let reader = WeightReader(source: source, tensor: tensor, orientation: plan.items[index].tensor.orientation)
        let isTurned = plan.items[index].tensor.orientation == .inputsByOutputs
        let limit = resources.chunkElementCount * (isTurned ? Resources.transposedChunkFactor : 1)
        let unit = Chunks.leastCommonMultiple(reader.granularity, plan.settings.blockSize)
        let ranges = Chunks.ranges(count: source.tensors[tensor].elementCount, limit: limit, unit: unit)
        jobs += ranges.map { .quantize(item: index, $0) }
        if isTurned { appendCount(of: tensor, to: &jobs) }
    }

    private func appendCopies(of quantized: QuantizedTensor, to parts: QNFPlan.Parts, jobs: inout [Job]) {
        appendCopy(from: quantized.codes, to: parts.codes, jobs: &jobs)
        var constants = [(quantized.quantMap, parts.quantMap)]
        if let nested = quantized.nested, let absmax = parts.nestedAbsmax, let map = parts.nestedQuantMap {
            appendCopy(from: quantized.absmax, to: parts.absmax, jobs: &jobs)
            constants += [(nested.absmax, absmax), (nested.quantMap, map)]
        } else {
            constants.append((quantized.absmax, parts.absmax))
        }
        for (tensor, stored) in constants {
            jobs += byteRanges(of: tensor).map { .copyConstants(from: tensor, to: stored, $0) }
        }
        appendCount(of: quantized.stateBlob, to: &jobs)
    }

    private func appendCopy(from tensor: Int, to stored: Int, jobs: inout [Job]) {
        jobs += byteRanges(of: tensor).map { .copy(from: tensor, to: stored, $0) }
    }

    private func appendCount(of tensor: Int, to jobs: inout [Job]) {
        jobs += byteRanges(of: tensor).map { .count(tensor: tensor, $0) }
    }

    private func byteRanges(of tensor: Int) -> [Range<Int>] {
        Chunks.ranges(count: source.tensors[tensor].byteCount, limit: 4 * resources.chunkElementCount, unit: 1)
    }

    // MARK: - Work

    func perform(_ job: Job, worker: Int) throws {
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
        case .count(let tensor, let range): _ = try readBytes(of: tensor, range, worker: worker)
        }
    }

    private func readBytes(of tensor: Int, _ range: Range<Int>, worker: Int) throws -> UnsafeMutableRawBufferPointer {
        let buffer = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
        try source.read(tensor: tensor, atByteOffset: range.lowerBound, into: buffer)
        checksums.record(UnsafeRawBufferPointer(buffer), tensor: tensor, atByteOffset: range.lowerBound)
        resources.progress(range.count)
        return buffer
    }

    private func requireFinite(_ floats: UnsafeRawBufferPointer, ofTensor index: Int, atByteOffset offset: Int) throws {
        guard !allowsNonfinite, let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: floats), of: .f32) else { return }
        throw FileError(
            plan.checkpoint.path, at: "tensor '\(source.tensors[index].name)'", "element \(offset / 4 + first) is not a finite number",
            hint: "the file is damaged, or was made of a model with such values; `allowsNonfinite` copies them")
    }

    private func quantize(_ index: Int, _ range: Range<Int>, worker: Int) throws {
        guard case .plain(let tensor) = plan.items[index].tensor.storage, case .quantized(let parts) = plan.layout.places[index] else {
            preconditionFailure("only a dense weight is quantized")
        }
        let info = source.tensors[tensor]
        let byteCount = range.count * info.scalarType.bitCount / 8
        let values = scratch.buffer(worker: worker, slot: 0, byteCount: byteCount)
        let reader = WeightReader(source: source, tensor: tensor, orientation: plan.items[index].tensor.orientation)
        let isTurned = plan.items[index].tensor.orientation == .inputsByOutputs
        let spare = isTurned ? scratch.buffer(worker: worker, slot: 1, byteCount: byteCount) : values
        try reader.read(range, into: values, scratch: spare)
        if !isTurned {
            checksums.record(
                UnsafeRawBufferPointer(values), tensor: tensor, atByteOffset: range.lowerBound * info.scalarType.bitCount / 8)
            resources.progress(byteCount)
        }
        let codes = scratch.buffer(worker: worker, slot: 2, byteCount: (range.count + 1) / 2)
        let blockSize = plan.settings.blockSize
        var absmax = [Float](repeating: 0, count: (range.count + blockSize - 1) / blockSize)
        var packed = MutableRawSpan(_unsafeBytes: codes)
        var constants = absmax.mutableSpan
        let nonfinite = BlockQuantizer.quantize(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(values)), of: info.scalarType, as: plan.settings.quantType, blockSize: blockSize,
            packed: &packed, absmax: &constants)
        if let nonfinite { try found(nonfinite: range.lowerBound + nonfinite, in: index) }
        try writer.write(UnsafeRawBufferPointer(codes), stored: parts.codes, atByteOffset: range.lowerBound / 2)
        try collect(absmax, firstBlock: range.lowerBound / plan.settings.blockSize, item: index, parts: parts)
    }

    private func found(nonfinite position: Int, in index: Int) throws {
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
        findings.withLock { $0.nonfinite[index] = min($0.nonfinite[index] ?? .max, position) }
    }

    /// Adds the constants of a chunk; with the last one, writes those of the whole tensor.
    private func collect(_ absmax: [Float], firstBlock: Int, item index: Int, parts: QNFPlan.Parts) throws {
        guard case .quantized(let settings, let scalarType, let shape) = plan.layout.tensors[index].form else {
            preconditionFailure("only a quantized tensor has constants")
        }
        let blockCount = (shape.elementCount + settings.blockSize - 1) / settings.blockSize
        let complete = findings.withLock { findings in
            findings.collectors[index, default: ConstantsCollector()].add(absmax, firstBlock: firstBlock)
            let complete = findings.collectors[index]?.joined(blockCount: blockCount)
            if complete != nil { findings.collectors[index] = nil }
            return complete
        }
        guard let complete else { return }
        var offset: Float?
        let codebook = settings.quantType.quantMap.values
        try writer.write(codebook.indices.map { codebook[$0] }, stored: parts.quantMap)
        if let nestedAbsmax = parts.nestedAbsmax, let nestedMap = parts.nestedQuantMap {
            let nested = DoubleQuantization.quantize(complete.span)
            offset = nested.offset
            try writer.write(nested.codes, stored: parts.absmax)
            try writer.write(nested.nestedAbsmax, stored: nestedAbsmax)
            try writer.write(DynamicMap.values, stored: nestedMap)
        } else {
            try writer.write(complete, stored: parts.absmax)
        }
        do throws(QuantizationError) {
            let state = try QuantState(settings: settings, scalarType: scalarType, shape: shape, offset: offset)
            findings.withLock { $0.states[index] = state }
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
        findings.withLock { $0.narrowing = $0.narrowing + counts }
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
