package import ByteIO
import Checkpoints
import Parallelism
package import Parts
import Streaming
import TensorCore

extension ExportPlan {
    /// What one of several parts does: tensors of the output.
    ///
    /// - Parameter limit: bytes of data in one file.
    package func share(of part: PartNumber, maximumShardByteCount limit: Int) throws(FileError) -> Partition.Share {
        try share(of: part, Array(shards(maximumByteCount: limit).joined()))
    }

    fileprivate func share(of part: PartNumber, _ outputs: [Output]) throws(FileError) -> Partition.Share {
        let units = try outputs.map { output throws(FileError) in
            switch output.origin {
            case .copy(let stored), .cast(let stored, _): Partition.Unit(reading: [stored], grain: grain(ofStored: stored))
            case .dequantize(let index, _):
                Partition.Unit(reading: checkpoint.tensors[index].parts, grain: try grain(ofWeight: checkpoint.tensors[index]))
            }
        }
        return Partition(cutting: units, of: checkpoint.source, count: part.count).share(of: part)
    }

    private func grain(ofStored index: Int) -> Partition.Grain {
        let info = checkpoint.source.tensors[index]
        return Partition.Grain(source: index, bitCount: info.scalarType.bitCount, elementCount: info.elementCount, unit: 8)
    }

    /// Of codes of bitsandbytes that lie as they are written.
    private func grain(ofWeight tensor: LogicalTensor) throws(FileError) -> Partition.Grain? {
        guard let quantized = tensor.quantized, tensor.orientation == .outputsByInputs else { return nil }
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        return Partition.Grain(
            source: quantized.codes, bitCount: 4, elementCount: tensor.elementCount, unit: Chunks.leastCommonMultiple(reader.granularity, 8)
        )
    }

    /// What a run writes.
    fileprivate func held(_ run: Partition.Run, _ outputs: [Output]) -> HeldTensor {
        let info = outputs[run.unit].info, bitCount = info.scalarType.bitCount
        let end = run.elements.upperBound == info.elementCount ? info.byteCount : run.elements.upperBound * bitCount / 8
        return HeldTensor(run.unit, bytes: run.elements.lowerBound * bitCount / 8..<end)
    }
}

extension Export {
    /// What a part belongs to, besides the plan.
    package struct PartSettings: Sendable {
        /// `qconvert 0.1.0`
        let tool: String
        /// `to-hf`
        let command: String
        /// As they would be typed.
        let options: [String]
        /// Bytes of data in one file of a folder; nil where the output is one file.
        let maximumShardByteCount: Int?

        package init(tool: String, command: String, options: [String], maximumShardByteCount: Int?) {
            self.tool = tool
            self.command = command
            self.options = options
            self.maximumShardByteCount = maximumShardByteCount
        }
    }

    /// Writes one part, beside where the file or folder at `path` will be. Files that ride along are in the first.
    package func run(_ part: PartNumber, path: String, _ settings: PartSettings, existing: ExistingPart) throws -> PartReport {
        let outputs = plan.shards(maximumByteCount: settings.maximumShardByteCount ?? .max)
        let all = Array(outputs.joined()), shards = Self.shards(outputs)
        let share = try plan.share(of: part, all)
        let isFolder = settings.maximumShardByteCount != nil
        let frame = PartFrame(
            tool: settings.tool, command: settings.command, options: settings.options,
            source: try SourceDigest.text(of: plan.checkpoint), output: isFolder ? .modelFolder : .file,
            files: shards.map { .init(name: $0.name, form: .safetensors(metadata: $0.metadata)) },
            tensors: outputs.enumerated().flatMap { file, outputs in outputs.map { PartFrame.Tensor($0.info, file: file) } })
        var warnings: [String] = []
        let task = PartTask(
            part, share, of: frame, tensors: share.units.map { HeldTensor($0) } + share.runs.map { plan.held($0, all) }, plan.checkpoint)
        return try task.run(output: path, existing: existing) {
            guard isFolder else { return [] }
            return try companions(beside: shards, warnings: &warnings).map { (.file($0.name), $0.bytes) }
        } _: { writer in
            let run = ExportRun(
                plan, writer: writer, windows: share.runs.windows, resources: resources, allowsNonfinite: allowsNonfinite)
            let jobs = try run.jobs(all, of: share)
            try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
            let checksums = try run.pass.finish(share.sources + share.runs.map(\.source))
            var results = PartResults()
            results.narrowing = run.narrowing()
            results.warnings = warnings
            return (results, [], checksums)
        }
    }
}
