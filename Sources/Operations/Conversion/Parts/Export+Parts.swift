import ByteIO
import Checkpoints
import Parallelism
package import Parts
import Streaming
import TensorCore

extension ExportPlan {
    /// What one of several parts does: tensors of the output.
    ///
    /// - Parameter limit: bytes of data in one file.
    package func share(of part: PartNumber, maximumShardByteCount limit: Int) -> Partition.Share {
        share(of: part, Array(shards(maximumByteCount: limit).joined()))
    }

    fileprivate func share(of part: PartNumber, _ outputs: [Output]) -> Partition.Share {
        let units = outputs.map { output in
            switch output.origin {
            case .copy(let stored), .cast(let stored, _): [stored]
            case .dequantize(let index, _): checkpoint.tensors[index].parts
            }
        }
        return Partition(units: units, of: checkpoint.source, count: part.count).share(of: part)
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
        let share = plan.share(of: part, all)
        let isFolder = settings.maximumShardByteCount != nil
        let frame = PartFrame(
            tool: settings.tool, command: settings.command, options: settings.options,
            source: try SourceDigest.text(of: plan.checkpoint), output: isFolder ? .modelFolder : .file,
            files: shards.map { .init(name: $0.name, form: .safetensors(metadata: $0.metadata)) },
            tensors: outputs.enumerated().flatMap { file, outputs in outputs.map { PartFrame.Tensor($0.info, file: file) } })
        var warnings: [String] = []
        let task = PartTask(part, share, of: frame, tensors: share.units, plan.checkpoint)
        return try task.run(output: path, existing: existing) {
            guard isFolder else { return [] }
            return try companions(beside: shards, warnings: &warnings).map { (.file($0.name), $0.bytes) }
        } _: { writer in
            let run = ExportRun(plan, writer: writer, resources: resources, allowsNonfinite: allowsNonfinite)
            let jobs = try run.jobs(all, only: share.units)
            try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
            let checksums = try run.pass.finish(share.sources)
            var results = PartResults()
            results.narrowing = run.narrowing()
            results.warnings = warnings
            return (results, checksums)
        }
    }
}
