import ByteIO
import Checkpoints
import ContainerKit
import JSONText
import Parallelism
import Quantization
package import Streaming
import TensorCore

/// Writes a folder that mlx-lm loads, complete or not at all.
package struct MLXExport: Sendable {
    private struct Job {
        let item: Int
        /// Number of the first of its outputs among all.
        let stored: Int
        /// Elements; bytes where a stored tensor is copied.
        let range: Range<Int>
    }

    private let plan: MLXExportPlan
    private let resources: Resources
    private let metadata = [(key: "format", value: "mlx")]

    package init(_ plan: MLXExportPlan, resources: Resources) {
        self.plan = plan
        self.resources = resources
    }

    /// - Parameter maximumShardByteCount: bytes of data in one file, unless a single weight has more.
    package func run(folder path: String, maximumShardByteCount limit: Int, replaces: Bool) throws -> ExportReport {
        let checkpoint = plan.checkpoint
        let output = try AtomicOutput(destination: path, isFolder: true, replaces: replaces, inputs: checkpoint.inputFiles)
        let ranges = plan.shards(maximumByteCount: limit)
        let shards = zip(ShardedWriter.names(count: ranges.count), ranges).map { name, range in
            ShardedWriter.Shard(name: name, tensors: plan.items[range].flatMap(\.outputs), metadata: metadata)
        }
        let writer = try ShardedWriter(shards, to: output, isFolder: true)
        try write(to: writer)
        try writer.finish()
        var files = writer.files
        for file in checkpoint.files where file.name != "config.json" {
            files.append(try output.createFile(named: file.name, holding: try file.bytes()))
        }
        guard let config = try checkpoint.correctedConfig() ?? checkpoint.config?.object else {
            throw OperationError("\(checkpoint.path) has no config.json, without which mlx-lm loads nothing")
        }
        files.append(try output.createFile(named: "config.json", holding: Array((plan.config(config).text(.indented) + "\n").utf8)))
        if writer.files.count > 1 { files.append(try output.createFile(named: ShardedWriter.indexName, holding: writer.index)) }
        try output.commit(files)
        let listed = try TemplateFolder.files(ofModel: path).map {
            ExportReport.File(name: $0, byteCount: try InputFile(path: FilePath.join(path, $0)).byteCount)
        }
        return ExportReport(files: listed, narrowing: NarrowingCounts(), warnings: [])
    }

    private func write(to writer: ShardedWriter) throws {
        let source = plan.checkpoint.source
        let keepsChecksums = source.tensors.indices.contains { plan.checkpoint.storedChecksum(ofTensor: $0) != nil }
        let jobs = try jobs(), scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 5)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index], item = plan.items[job.item]
            if case .copy(let tensor) = item.content {
                let bytes = scratch.buffer(worker: worker, slot: 0, byteCount: job.range.count)
                try source.read(tensor: tensor, atByteOffset: job.range.lowerBound, into: bytes)
                try writer.write(UnsafeRawBufferPointer(bytes), stored: job.stored, atByteOffset: job.range.lowerBound)
            } else {
                try write(job, item, scratch, worker, to: writer)
            }
            if !keepsChecksums { resources.progress(progressByteCount(job, item)) }
        }
        // Where the source keeps checksums, everything is read once more and compared.
        if keepsChecksums { _ = try SourcePass(plan.checkpoint, resources: resources).finish() }
    }

    private func progressByteCount(_ job: Job, _ item: MLXExportPlan.Item) -> Int {
        if case .copy = item.content { return job.range.count }
        return item.tensor.storedByteCount(in: plan.checkpoint.source) * job.range.count / max(1, item.tensor.elementCount)
    }

    private func jobs() throws(FileError) -> [Job] {
        var jobs: [Job] = []
        var stored = 0
        for (index, item) in plan.items.enumerated() {
            let first = stored
            stored += item.outputs.count
            if case .copy = item.content {
                jobs += Chunks.ranges(count: item.outputs[0].byteCount, limit: 4 * resources.chunkElementCount, unit: 1)
                    .map { Job(item: index, stored: first, range: $0) }
                continue
            }
            let reader = try plan.checkpoint.reader(of: item.tensor)
            let unit = if case .quantized(let quantizer) = item.content { quantizer.groupSize } else { 1 }
            jobs += Chunks.ranges(
                count: item.tensor.elementCount, limit: resources.chunkElementCount,
                unit: Chunks.leastCommonMultiple(unit, reader.granularity)
            ).map { Job(item: index, stored: first, range: $0) }
        }
        return jobs
    }

    private func write(
        _ job: Job, _ item: MLXExportPlan.Item, _ scratch: ScratchMemory, _ worker: Int, to writer: ShardedWriter
    ) throws(FileError) {
        let reader = try plan.checkpoint.reader(of: item.tensor), count = job.range.count
        let stored = scratch.buffer(worker: worker, slot: 0, byteCount: reader.storedByteCount(count))
        let spare = scratch.buffer(worker: worker, slot: 1, byteCount: max(4 * count, stored.count))
        let values = scratch.buffer(worker: worker, slot: 2, byteCount: 4 * count).bindMemory(to: Float.self)
        try reader.read(job.range, stored: stored, spare: spare, into: values)
        let type = item.outputs[item.outputs.count - 1].scalarType, size = type.bitCount / 8
        let typed = UnsafeMutableRawBufferPointer(rebasing: spare[..<(size * count)])
        var narrowed = MutableRawSpan(_unsafeBytes: typed)
        FloatConversion.narrow(Span(_unsafeElements: UnsafeBufferPointer(values)), to: type, into: &narrowed)
        if let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: type) {
            throw FileError(
                plan.checkpoint.path, at: "tensor '\(item.tensor.name)'",
                "element \(job.range.lowerBound + first) is \(values[first]), no finite number of \(type.rawValue)")
        }
        guard case .quantized(let quantizer) = item.content else {
            return try writer.write(UnsafeRawBufferPointer(typed), stored: job.stored, atByteOffset: job.range.lowerBound * size)
        }
        var floats = MutableSpan(_unsafeElements: values)
        FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: type, into: &floats)
        let constants = quantizer.constantByteCount(count), codes = quantizer.codeByteCount(count)
        let bytes = scratch.buffer(worker: worker, slot: 3, byteCount: codes)
        let pair = scratch.buffer(worker: worker, slot: 4, byteCount: 2 * constants)
        let scales = UnsafeMutableRawBufferPointer(rebasing: pair[..<constants])
        let biases = UnsafeMutableRawBufferPointer(rebasing: pair[constants...])
        quantizer.quantize(UnsafeBufferPointer(values), codes: bytes, scales: scales, biases: biases)
        let start = job.range.lowerBound
        try writer.write(UnsafeRawBufferPointer(bytes), stored: job.stored, atByteOffset: quantizer.codeByteCount(start))
        try writer.write(UnsafeRawBufferPointer(scales), stored: job.stored + 1, atByteOffset: quantizer.constantByteCount(start))
        try writer.write(UnsafeRawBufferPointer(biases), stored: job.stored + 2, atByteOffset: quantizer.constantByteCount(start))
    }
}
