import ByteIO
import Checkpoints
import ContainerKit
import JSONText
import Parallelism
import Quantization
import SafetensorsFormat
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
    private let plan: ExportPlan
    private let resources: Resources

    package init(_ plan: ExportPlan, resources: Resources) {
        self.plan = plan
        self.resources = resources
    }

    /// Writes one safetensors file, complete or not at all.
    package func run(file path: String, replaces: Bool) throws -> ExportReport {
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let file = try output.file()
        let shards = plan.shards(maximumByteCount: .max)
        let narrowing = try write(shards, files: [file])
        try output.commit([file])
        return ExportReport(
            files: [.init(name: FilePath.name(of: path), byteCount: try InputFile(path: path).byteCount)], narrowing: narrowing,
            warnings: [])
    }

    /// Writes a folder: weights in shards, configuration, tokenizer; complete or not at all.
    ///
    /// - Parameter maximumShardByteCount: bytes of data in one file, unless a single weight has more.
    package func run(folder path: String, maximumShardByteCount: Int, replaces: Bool) throws -> ExportReport {
        let output = try AtomicOutput(destination: path, isFolder: true, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let shards = plan.shards(maximumByteCount: maximumShardByteCount)
        let names = ShardFiles.names(count: shards.count)
        var files: [OutputFile] = []
        for name in names { files.append(try output.createFile(named: name)) }
        let narrowing = try write(shards, files: files)
        var warnings: [String] = []
        for companion in try companions(shards: shards, names: names, warnings: &warnings) {
            files.append(try output.createFile(named: companion.name, holding: companion.bytes))
        }
        try output.commit(files)
        let listed = try FilePath.entries(of: path).map {
            ExportReport.File(name: $0, byteCount: try InputFile(path: FilePath.join(path, $0)).byteCount)
        }
        return ExportReport(files: listed, narrowing: narrowing, warnings: warnings)
    }

    private func write(_ shards: [[ExportPlan.Output]], files: [OutputFile]) throws -> NarrowingCounts {
        let metadata = [(key: "format", value: "pt")]
        var writers: [SafetensorsWriter] = []
        for (shard, file) in zip(shards, files) {
            writers.append(try SafetensorsWriter(file: file, plan: shard.map(\.info), metadata: metadata))
        }
        let run = ExportRun(plan, writers: writers, resources: resources)
        let jobs = try run.jobs(shards)
        try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
        _ = try run.pass.finish()
        for writer in writers { try writer.finish { _ in metadata } }
        return run.narrowing()
    }

    /// The files beside the weights: those of the checkpoint, config.json brought in line, the index of several shards.
    private func companions(
        shards: [[ExportPlan.Output]], names: [String], warnings: inout [String]
    ) throws -> [(name: String, bytes: [UInt8])] {
        var result: [(name: String, bytes: [UInt8])] = []
        for file in plan.checkpoint.files where file.name != "config.json" { result.append((file.name, try file.bytes())) }
        if let config = try plan.checkpoint.correctedConfig() ?? plan.checkpoint.config?.object {
            result.append(("config.json", Array((self.config(config).text(.indented) + "\n").utf8)))
        } else {
            warnings.append("the source has no config.json: transformers cannot load the folder without one")
        }
        if shards.count > 1 {
            result.append(("model.safetensors.index.json", ShardFiles.index(shards.map { $0.map(\.info) }, names: names)))
        }
        return result
    }

    private func config(_ config: JSONObject) -> JSONValue {
        switch plan.form {
        case .dense(let type): return HuggingFaceConfig.dense(config, scalarType: type)
        case .quantized:
            guard let state = plan.fourBitStates.first else { return HuggingFaceConfig.dense(config, scalarType: nil) }
            return HuggingFaceConfig.quantized(config, state: state, tensors: plan.checkpoint.tensors, layers: plan.layers)
        }
    }
}

/// One export in progress.
private final class ExportRun: Sendable {
    enum Job {
        case copy(from: Int, shard: Int, to: Int, Range<Int>)
        case cast(from: Int, shard: Int, to: Int, Range<Int>, ScalarType)
        case dequantize(tensor: Int, shard: Int, to: Int, Range<Int>, ScalarType)
    }

    let pass: SourcePass
    private let plan: ExportPlan
    private let source: any TensorSource
    private let writers: [SafetensorsWriter]
    private let resources: Resources
    private let scratch: ScratchMemory
    private let counts = Mutex(NarrowingCounts())

    init(_ plan: ExportPlan, writers: [SafetensorsWriter], resources: Resources) {
        self.plan = plan
        self.writers = writers
        self.resources = resources
        source = plan.checkpoint.source
        pass = SourcePass(plan.checkpoint, resources: resources)
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 3)
    }

    func narrowing() -> NarrowingCounts { counts.withLock { $0 } }

    // MARK: - Planning

    func jobs(_ shards: [[ExportPlan.Output]]) throws(FileError) -> [Job] {
        var jobs: [Job] = []
        for (shard, outputs) in shards.enumerated() {
            for (position, output) in outputs.enumerated() {
                switch output.origin {
                case .copy(let tensor):
                    jobs += pass.byteRanges(ofTensor: tensor).map { .copy(from: tensor, shard: shard, to: position, $0) }
                case .cast(let tensor, let type):
                    let ranges = Chunks.ranges(count: output.info.elementCount, limit: resources.chunkElementCount, unit: 1)
                    jobs += ranges.map { .cast(from: tensor, shard: shard, to: position, $0, type) }
                case .dequantize(let index, let type):
                    let ranges = try ranges(of: plan.checkpoint.tensors[index])
                    jobs += ranges.map { .dequantize(tensor: index, shard: shard, to: position, $0, type) }
                }
            }
        }
        return jobs
    }

    /// Chunks of a weight, in the order of [out, in]; of one that lies the other way, whole rows of that.
    private func ranges(of tensor: LogicalTensor) throws(FileError) -> [Range<Int>] {
        let isTurned = tensor.orientation == .inputsByOutputs
        let reader = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs)
        let limit = resources.chunkElementCount * (isTurned ? Resources.transposedChunkFactor : 1)
        return Chunks.ranges(
            count: tensor.elementCount, limit: limit,
            unit: Chunks.leastCommonMultiple(isTurned ? max(1, reader.columns) : 1, reader.granularity))
    }

    // MARK: - Work

    func perform(_ job: Job, worker: Int) throws {
        switch job {
        case .copy(let tensor, let shard, let position, let range):
            let buffer = UnsafeRawBufferPointer(try readBytes(of: tensor, range, worker: worker))
            try writers[shard].write(buffer, tensor: position, atByteOffset: range.lowerBound)
        case .cast(let tensor, let shard, let position, let range, let type):
            try cast(tensor, range, to: type, worker: worker) { bytes in
                try writers[shard].write(bytes, tensor: position, atByteOffset: range.lowerBound * type.bitCount / 8)
            }
        case .dequantize(let tensor, let shard, let position, let range, let type):
            try dequantize(plan.checkpoint.tensors[tensor], range, to: type, worker: worker, writer: writers[shard], position: position)
        }
    }

    private func readBytes(of tensor: Int, _ range: Range<Int>, worker: Int) throws -> UnsafeMutableRawBufferPointer {
        let buffer = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
        try pass.read(tensor: tensor, atByteOffset: range.lowerBound, into: buffer)
        return buffer
    }

    private func cast(
        _ tensor: Int, _ range: Range<Int>, to type: ScalarType, worker: Int, _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let from = source.tensors[tensor].scalarType
        let size = from.bitCount / 8
        let input = try readBytes(of: tensor, range.lowerBound * size..<range.upperBound * size, worker: worker)
        let output = scratch.buffer(worker: worker, slot: 1, byteCount: range.count * type.bitCount / 8)
        let wide = scratch.buffer(worker: worker, slot: 2, byteCount: range.count * 4)
        let found = FloatCast.cast(UnsafeRawBufferPointer(input), from: from, to: type, into: output, widened: wide)
        counts.withLock { $0 = $0 + found }
        try write(UnsafeRawBufferPointer(output))
    }

    private func dequantize(
        _ tensor: LogicalTensor, _ range: Range<Int>, to type: ScalarType, worker: Int, writer: SafetensorsWriter, position: Int
    ) throws {
        func write(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws(FileError) {
            try writer.write(bytes, tensor: position, atByteOffset: offset)
        }
        guard let quantized = tensor.quantized else {
            let found = try DecodedPanel(plan.checkpoint, tensor, type)
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
        let (outputs, inputs) = tensor.orientation.sizes(of: tensor.shape.dimensions)
        try PanelWriter(outputs: outputs, inputs: inputs, elementByteCount: size).write(
            UnsafeRawBufferPointer(values), range, turnedIn: scratch.buffer(worker: worker, slot: 2, byteCount: values.count), to: write)
    }
}
