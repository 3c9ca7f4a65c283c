import ByteIO
import Checkpoints
import Parallelism
package import Parts
import Quantization
import Streaming
import TensorCore

extension ConversionPlan {
    /// What one of several parts does: items of the plan.
    package func share(of part: PartNumber) -> Partition.Share {
        Partition(units: items.map(\.tensor.parts), of: checkpoint.source, count: part.count).share(of: part)
    }

    func frame() throws(FileError) -> PartFrame {
        let fixed = layout.stored.dropLast(layout.trailingCount), states = layout.stored.suffix(layout.trailingCount)
        return PartFrame(
            tool: "qconvert \(toolVersion)", command: "to-nf4", options: options, source: try SourceDigest.text(of: checkpoint),
            output: .file, files: [.init(name: "", form: .qnf)], tensors: fixed.map { PartFrame.Tensor($0, file: 0) },
            metadata: PartFrame.Metadata(
                states: states.map { ($0.name, $0.byteCount) }, settings: settingsDocument, lineage: lineage(checksums: nil),
                source: SourceDescription(checkpoint)))
    }

    /// Stored tensors of the output that an item writes.
    fileprivate func stored(ofItem index: Int) -> [Int] {
        switch layout.places[index] {
        case .plain(let stored): [stored]
        case .quantized(let parts): [parts.codes] + QuantizedTensor.Part.allCases.compactMap { parts.index(of: $0) }
        }
    }
}

extension Conversion {
    /// Writes one part, beside where the .qnf at `path` will be. Companion files are in the first.
    package func run(_ part: PartNumber, path: String, existing: ExistingPart) throws -> PartReport {
        precondition(plan.calibration == nil, "a calibration goes through the whole model, layer after layer")
        let share = plan.share(of: part)
        let own = share.units.flatMap { plan.stored(ofItem: $0) }
        let task = PartTask(
            part, share, of: try plan.frame(), tensors: own + (part.isFirst ? plan.layout.filePlaces : []), plan.checkpoint)
        return try task.run(output: path, existing: existing, pieces: { [] }) { writer in
            let run = ConversionRun(plan, writer: writer, resources: resources, allowsNonfinite: allowsNonfinite)
            let jobs = try plan.jobs(resources, leavingOut: Set(plan.items.indices).subtracting(share.units))
            try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
            if part.isFirst {
                for (file, place) in zip(plan.layout.files, plan.layout.filePlaces) { try writer.write(try file.bytes(), stored: place) }
            }
            let checksums = try run.pass.finish(share.sources)
            return (results(of: run.results, share), checksums)
        }
    }

    private func results(of all: [TensorResult], _ share: Partition.Share) -> PartResults {
        var results = PartResults()
        for index in share.units {
            results.narrowing = results.narrowing + all[index].narrowing
            guard case .quantized(let parts) = plan.layout.places[index] else { continue }
            guard let state = all[index].state else { preconditionFailure("a quantized tensor has a quant state") }
            results.states.append((parts.stateBlob, state.jsonText))
        }
        results.nonfinite = plan.nonfinite(all)
        return results
    }
}
