import ByteIO
import Checkpoints
import ContainerKit
import JSONText
import Parallelism
import Parts
import Quantization
package import Streaming
import Synchronization
import TensorCore

/// What an export has written.
package struct ExportReport: Sendable {
    package struct File: Sendable, Hashable {
        package let name: String
        package let byteCount: Int
    }

    package let files: [File]
    package let narrowing: NarrowingCounts
    package let warnings: [String]
}

/// Writes a checkpoint as safetensors: one dense file, or a folder that Hugging Face libraries load.
package struct Export: Sendable {
    let plan: ExportPlan
    let resources: Resources
    let allowsNonfinite: Bool

    /// - Parameter allowsNonfinite: of weights that are decoded; what is dense is copied as it is.
    package init(_ plan: ExportPlan, resources: Resources, allowsNonfinite: Bool = false) {
        self.plan = plan
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
    }

    /// Writes one safetensors file, complete or not at all.
    package func run(file path: String, replaces: Bool) throws -> ExportReport {
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let outputs = plan.shards(maximumByteCount: .max)
        let writer = try ShardedWriter(Self.shards(outputs), to: output, isFolder: false)
        let narrowing = try write(outputs, writer)
        try output.commit(writer.files)
        return ExportReport(
            files: [.init(name: FilePath.name(of: path), byteCount: try InputFile(path: path).byteCount)], narrowing: narrowing,
            warnings: [])
    }

    /// Writes a folder: weights in shards, configuration, tokenizer; complete or not at all.
    ///
    /// - Parameter maximumShardByteCount: bytes of data in one file, unless a single weight has more.
    package func run(folder path: String, maximumShardByteCount: Int, replaces: Bool) throws -> ExportReport {
        let output = try AtomicOutput(destination: path, isFolder: true, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let outputs = plan.shards(maximumByteCount: maximumShardByteCount)
        let writer = try ShardedWriter(Self.shards(outputs), to: output, isFolder: true)
        let narrowing = try write(outputs, writer)
        var files = writer.files
        var warnings: [String] = []
        for companion in try companions(beside: writer.shards, warnings: &warnings) {
            files.append(try output.createFile(named: companion.name, holding: companion.bytes))
        }
        try output.commit(files)
        let listed = try TemplateFolder.files(ofModel: path).map {
            ExportReport.File(name: $0, byteCount: try InputFile(path: FilePath.join(path, $0)).byteCount)
        }
        return ExportReport(files: listed, narrowing: narrowing, warnings: warnings)
    }

    static func shards(_ outputs: [[ExportPlan.Output]]) -> [ShardedWriter.Shard] {
        zip(ShardedWriter.names(count: outputs.count), outputs).map { ShardedWriter.Shard(name: $0, tensors: $1.map(\.info)) }
    }

    private func write(_ outputs: [[ExportPlan.Output]], _ writer: ShardedWriter) throws -> NarrowingCounts {
        let run = ExportRun(plan, writer: writer, resources: resources, allowsNonfinite: allowsNonfinite)
        let jobs = try run.jobs(Array(outputs.joined()))
        try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
        _ = try run.pass.finish()
        try writer.finish()
        return run.narrowing()
    }

    /// The files beside the weights: those of the checkpoint, config.json brought in line, the index of several shards.
    func companions(
        beside shards: [ShardedWriter.Shard], warnings: inout [String]
    ) throws -> [(name: String, bytes: [UInt8])] {
        var result: [(name: String, bytes: [UInt8])] = []
        for file in plan.checkpoint.files where file.name != "config.json" { result.append((file.name, try file.bytes())) }
        if let config = try plan.checkpoint.correctedConfig() ?? plan.checkpoint.config?.object {
            result.append(("config.json", Array((self.config(config).text(.indented) + "\n").utf8)))
        } else {
            warnings.append("the source has no config.json: transformers cannot load the folder without one")
        }
        if shards.count > 1 { result.append((ShardedWriter.indexName, ShardedWriter.index(of: shards))) }
        return result
    }

    private func config(_ config: JSONObject) -> JSONValue {
        switch plan.form {
        case .dense(let type): return HuggingFaceConfig.dense(config, scalarType: type ?? plan.decodedType)
        case .quantized:
            guard let state = plan.fourBitStates.first else {
                return HuggingFaceConfig.dense(config, scalarType: plan.decodedType)
            }
            return HuggingFaceConfig.quantized(config, state: state, tensors: plan.checkpoint.tensors, layers: plan.layers)
        }
    }
}

/// One export in progress, or a part of it.
final class ExportRun: Sendable {
    enum Job {
        case copy(from: Int, to: Int, Range<Int>)
        case cast(from: Int, to: Int, Range<Int>, ScalarType)
        case dequantize(tensor: Int, to: Int, Range<Int>, ScalarType)
    }

    let pass: SourcePass
    private let plan: ExportPlan
    private let source: any TensorSource
    private let writer: any TensorSink
    private let allowsNonfinite: Bool
    private let resources: Resources
    private let scratch: ScratchMemory
    private let counts = Mutex(NarrowingCounts())

    /// - Parameter windows: of tensors of the source of which only some bytes are read, these.
    init(
        _ plan: ExportPlan, writer: any TensorSink, windows: [Int: Range<Int>] = [:], resources: Resources, allowsNonfinite: Bool
    ) {
        self.plan = plan
        self.writer = writer
        self.resources = resources
        self.allowsNonfinite = allowsNonfinite
        source = plan.checkpoint.source
        pass = SourcePass(plan.checkpoint, windows: windows, resources: resources)
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 3)
    }

    func narrowing() -> NarrowingCounts { counts.withLock { $0 } }

    // MARK: - Planning

    /// - Parameter share: of the outputs; nil for all.
    func jobs(_ outputs: [ExportPlan.Output], of share: Partition.Share? = nil) throws(FileError) -> [Job] {
        var jobs: [Job] = []
        for stored in share?.units ?? Array(outputs.indices) { jobs += try self.jobs(outputs[stored], stored) }
        for run in share?.runs ?? [] { jobs += try self.jobs(outputs[run.unit], run.unit, only: run.elements) }
        return jobs
    }

    private func jobs(_ output: ExportPlan.Output, _ stored: Int, only run: Range<Int>? = nil) throws(FileError) -> [Job] {
        switch output.origin {
        case .copy(let tensor): return pass.byteRanges(ofTensor: tensor).map { .copy(from: tensor, to: stored, $0) }
        case .cast(let tensor, let type):
            return Chunks.ranges(run ?? 0..<output.info.elementCount, limit: resources.chunkElementCount, unit: 1).map {
                .cast(from: tensor, to: stored, $0, type)
            }
        case .dequantize(let index, let type):
            return try ranges(of: plan.checkpoint.tensors[index], only: run).map { .dequantize(tensor: index, to: stored, $0, type) }
        }
    }

    /// Chunks of a weight, in the order of [out, in]; of one that lies the other way, whole rows of that.
    private func ranges(of tensor: LogicalTensor, only run: Range<Int>?) throws(FileError) -> [Range<Int>] {
        let isTurned = tensor.orientation == .inputsByOutputs
        let reader = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs)
        let limit = resources.chunkElementCount * (isTurned ? Resources.transposedChunkFactor : 1)
        return Chunks.ranges(
            run ?? 0..<tensor.elementCount, limit: limit,
            unit: Chunks.leastCommonMultiple(isTurned ? max(1, reader.columns) : 1, reader.granularity))
    }

    // MARK: - Work

    func perform(_ job: Job, worker: Int) throws {
        switch job {
        case .copy(let tensor, let stored, let range):
            let buffer = UnsafeRawBufferPointer(try readBytes(of: tensor, range, worker: worker))
            try writer.write(buffer, stored: stored, atByteOffset: range.lowerBound)
        case .cast(let tensor, let stored, let range, let type):
            try cast(tensor, range, to: type, stored: stored, worker: worker)
        case .dequantize(let tensor, let stored, let range, let type):
            try dequantize(plan.checkpoint.tensors[tensor], range, to: type, stored: stored, worker: worker)
        }
    }

    private func readBytes(of tensor: Int, _ range: Range<Int>, worker: Int) throws -> UnsafeMutableRawBufferPointer {
        let buffer = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
        try pass.read(tensor: tensor, atByteOffset: range.lowerBound, into: buffer)
        return buffer
    }

    private func cast(_ tensor: Int, _ range: Range<Int>, to type: ScalarType, stored: Int, worker: Int) throws {
        let from = source.tensors[tensor].scalarType
        let size = from.bitCount / 8
        let input = try readBytes(of: tensor, range.lowerBound * size..<range.upperBound * size, worker: worker)
        let output = scratch.buffer(worker: worker, slot: 1, byteCount: range.count * type.bitCount / 8)
        let wide = scratch.buffer(worker: worker, slot: 2, byteCount: range.count * 4)
        let found = FloatCast.cast(UnsafeRawBufferPointer(input), from: from, to: type, into: output, widened: wide)
        counts.withLock { $0 = $0 + found }
        try writer.write(UnsafeRawBufferPointer(output), stored: stored, atByteOffset: range.lowerBound * type.bitCount / 8)
    }

    private func dequantize(
        _ tensor: LogicalTensor, _ range: Range<Int>, to type: ScalarType, stored: Int, worker: Int
    ) throws {
        func write(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws(FileError) {
            try writer.write(bytes, stored: stored, atByteOffset: offset)
        }
        guard let quantized = tensor.quantized else {
            let found = try DecodedPanel(plan.checkpoint, tensor, type, allowsNonfinite: allowsNonfinite)
                .write(range, scratch: { scratch.buffer(worker: worker, slot: $0, byteCount: $1) }, to: write)
            counts.withLock { $0 = $0 + found }
            return
        }
        let reader = try QuantizedReader(source: source, tensor: quantized)
        let size = type.bitCount / 8
        let codes = scratch.buffer(worker: worker, slot: 0, byteCount: (range.count + 1) / 2)
        let values = scratch.buffer(worker: worker, slot: 1, byteCount: range.count * size)
        try reader.dequantize(range, as: type, codes: codes, into: values)
        pass.count(UnsafeRawBufferPointer(codes), tensor: quantized.codes, atByteOffset: range.lowerBound / 2)
        guard tensor.orientation == .inputsByOutputs else { return try write(UnsafeRawBufferPointer(values), range.lowerBound * size) }
        let (outputs, inputs) = tensor.orientation.sizes(of: Array(tensor.shape.dimensions.suffix(2)))
        try PanelWriter(outputs: outputs, inputs: inputs, elementByteCount: size).write(
            UnsafeRawBufferPointer(values), range, turnedIn: scratch.buffer(worker: worker, slot: 2, byteCount: values.count), to: write)
    }
}
