package import ByteIO
import Checkpoints
import GGUFFormat
package import Parts
import Quantization
import Streaming
import TensorCore

extension GGUFExportPlan {
    /// What one of several parts does: outputs of the plan.
    package func share(of part: PartNumber) throws(FileError) -> Partition.Share {
        let units = try outputs.map { output throws(FileError) in
            Partition.Unit(reading: output.tensors.flatMap(\.parts), grain: try grain(of: output))
        }
        return Partition(cutting: units, of: checkpoint.source, count: part.count).share(of: part)
    }

    /// Whole rows of a dense weight that lies as it is written.
    private func grain(of output: Output) throws(FileError) -> Partition.Grain? {
        guard output.tensors.count == 1, !output.isKept, output.change == .none || output.change == .plusOne,
            let stored = output.tensors[0].plainIndex, output.tensors[0].orientation == .outputsByInputs
        else { return nil }
        let info = checkpoint.source.tensors[stored], reader = try checkpoint.reader(of: output.tensors[0], order: .outputsByInputs)
        return Partition.Grain(
            source: stored, bitCount: info.scalarType.bitCount, elementCount: info.elementCount,
            unit: Chunks.leastCommonMultiple(max(1, output.rowElementCount), Chunks.leastCommonMultiple(reader.granularity, 8)))
    }

    /// What a run writes.
    fileprivate func held(_ run: Partition.Run) -> HeldTensor {
        let storage = outputs[run.unit].storage
        return HeldTensor(
            run.unit,
            bytes: storage.byteCount(elementCount: run.elements.lowerBound)..<storage.byteCount(elementCount: run.elements.upperBound))
    }

    /// Bytes that a part tells `Resources.progress` of, all together.
    package func inputByteCount(of share: Partition.Share) -> Int {
        if keepsChecksums { return share.inputByteCount }
        let whole = share.units.reduce(0) { $0 + progressByteCount(of: outputs[$1], elementCount: outputs[$1].shape.elementCount) }
        return share.runs.reduce(whole) { $0 + progressByteCount(of: outputs[$1.unit], elementCount: $1.elements.count) }
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
        let prefix = Self.prefix(of: path), share = try plan.share(of: part)
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
        let held = share.units.map { HeldTensor($0) } + share.runs.map { plan.held($0) }
        return try PartTask(part, share, of: frame, tensors: held, plan.checkpoint).run(output: path, existing: existing) {
            try split.parts.enumerated().map { (.head(file: $0), try $1.head()) }
        } _: { writer in
            let findings = try GGUFExportRun(plan, writer, windows: share.runs.windows, resources).perform(of: share)
            var results = PartResults()
            results.narrowing = NarrowingCounts(underflows: findings.underflows)
            let totals = findings.errors.totals
            results.squares = (totals.referenceSquareSum, totals.errorSquareSum)
            return (results, [], findings.checksums)
        }
    }
}
