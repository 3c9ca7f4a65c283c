import ByteIO
import Checkpoints
import GGUFFormat
package import Parts
import Quantization
import Streaming
import TensorCore

extension GGUFExportPlan {
    /// What one of several parts does: outputs of the plan.
    package func share(of part: PartNumber) -> Partition.Share {
        let units = outputs.map { $0.tensors.flatMap(\.parts) }
        return Partition(units: units, of: checkpoint.source, count: part.count).share(of: part)
    }

    /// Bytes that a part tells `Resources.progress` of, all together.
    package func inputByteCount(of share: Partition.Share) -> Int {
        if keepsChecksums { return share.inputByteCount }
        return share.units.reduce(0) { $0 + progressByteCount(of: outputs[$1], elementCount: outputs[$1].shape.elementCount) }
    }
}

extension GGUFExport {
    /// Writes one part, beside where the file or folder at `path` will be. Keys and descriptions are in the first.
    ///
    /// - Parameters:
    ///   - tool: `qconvert 0.1.0`
    ///   - options: as they would be typed.
    ///   - byteCountLimit: of one file of the output; nil for none.
    package func run(
        _ part: PartNumber, path: String, tool: String, options: [String], byteCountLimit: Int?, existing: ExistingPart
    ) throws -> PartReport {
        let prefix = Self.prefix(of: path), share = plan.share(of: part)
        let split = try split(prefix: prefix, byteCountLimit: byteCountLimit)
        let isFolder = split.parts.count > 1
        let files = zip(split.names, split.parts).map { name, file in
            PartFrame.File(name: isFolder ? String(name.dropFirst(prefix.count)) : "", form: .gguf(byteCount: file.byteCount))
        }
        let tensors = plan.outputs.indices.map { index in
            let place = split.place(ofTensor: index), file = split.parts[place.part], info = file.tensors[place.tensor]
            return PartFrame.Tensor(
                name: info.name, type: "\(info.type)", shape: info.shape, byteCount: info.byteCount, file: place.part,
                offset: file.dataStart + info.dataOffset)
        }
        let frame = PartFrame(
            tool: tool, command: "to-gguf", options: options, source: try SourceDigest.text(of: plan.checkpoint),
            output: isFolder ? .ggufFolder : .file, files: files, tensors: tensors)
        return try PartTask(part, share, of: frame, tensors: share.units, plan.checkpoint).run(output: path, existing: existing) {
            try split.parts.enumerated().map { (.head(file: $0), try $1.head()) }
        } _: { writer in
            let findings = try GGUFExportRun(plan, writer, resources).perform(only: share.units, sources: share.sources)
            var results = PartResults()
            results.narrowing = NarrowingCounts(underflows: findings.underflows)
            let totals = findings.errors.totals
            results.squares = (totals.referenceSquareSum, totals.errorSquareSum)
            return (results, findings.checksums)
        }
    }
}
