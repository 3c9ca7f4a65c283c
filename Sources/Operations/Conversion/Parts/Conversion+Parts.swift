package import ByteIO
import Checkpoints
import Parallelism
package import Parts
import Quantization
import Streaming
import TensorCore

extension ConversionPlan {
    /// What one of several parts does: items of the plan.
    package func share(of part: PartNumber) throws(FileError) -> Partition.Share {
        let units = try items.indices.map { index throws(FileError) in
            Partition.Unit(reading: items[index].tensor.parts, grain: try grain(ofItem: index))
        }
        return Partition(cutting: units, of: checkpoint.source, count: part.count).share(of: part)
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

    /// What a run writes, and what the join makes of its constants.
    fileprivate func held(_ run: Partition.Run) -> (tensor: HeldTensor, constants: RunConstants?) {
        let isLast = run.elements.upperBound == items[run.unit].tensor.elementCount
        func bytes(ofTensor stored: Int, bitCount: Int) -> HeldTensor {
            let end = isLast ? layout.stored[stored].byteCount : run.elements.upperBound * bitCount / 8
            return HeldTensor(stored, bytes: run.elements.lowerBound * bitCount / 8..<end)
        }
        switch (layout.places[run.unit], layout.tensors[run.unit].form) {
        case (.plain(let stored), _): return (bytes(ofTensor: stored, bitCount: layout.stored[stored].scalarType.bitCount), nil)
        case (.quantized(let parts), .quantized(let settings, let scalarType, let shape)):
            let made = QuantizedTensor.Part.allCases.compactMap { part in parts.index(of: part).map { (part, $0) } }
            let constants = RunConstants(
                state: parts.stateBlob, settings, scalarType, shape, tensors: Dictionary(uniqueKeysWithValues: made),
                firstBlock: run.elements.lowerBound / settings.blockSize,
                blockCount: (run.elements.count + settings.blockSize - 1) / settings.blockSize)
            return (bytes(ofTensor: parts.codes, bitCount: 4), constants)
        case (.quantized, _): preconditionFailure("only a quantized tensor has constants")
        }
    }
}

extension Conversion {
    /// Writes one part, beside where the .qnf at `path` will be. Companion files are in the first.
    package func run(_ part: PartNumber, path: String, existing: ExistingPart) throws -> PartReport {
        precondition(plan.calibration == nil, "a calibration goes through the whole model, layer after layer")
        let share = try plan.share(of: part), runs = share.runs.map { plan.held($0) }
        let own = share.units.flatMap { plan.stored(ofItem: $0) } + (part.isFirst ? plan.layout.filePlaces : [])
        let task = PartTask(
            part, share, of: try plan.frame(), tensors: own.map { HeldTensor($0) } + runs.map(\.tensor),
            constants: runs.compactMap(\.constants), plan.checkpoint)
        return try task.run(output: path, existing: existing, pieces: { [] }) { writer in
            let run = ConversionRun(
                plan, writer: writer, runs: share.runs, resources: resources, allowsNonfinite: allowsNonfinite)
            let jobs = try plan.jobs(of: share, resources)
            try resources.pool.forEach(count: jobs.count) { index, worker in try run.perform(jobs[index], worker: worker) }
            if part.isFirst {
                for (file, place) in zip(plan.layout.files, plan.layout.filePlaces) { try writer.write(try file.bytes(), stored: place) }
            }
            let checksums = try run.pass.finish(share.sources + share.runs.map(\.source))
            return (results(of: run.results, share), share.runs.compactMap { run.absmax(ofRun: $0.unit) }, checksums)
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
        for run in share.runs { results.narrowing = results.narrowing + all[run.unit].narrowing }
        results.nonfinite = plan.nonfinite(all)
        return results
    }
}
