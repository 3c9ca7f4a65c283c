import ByteIO
package import Checkpoints
import JSONText
import Quantization
package import Streaming
import Synchronization
import TensorCore

/// Whether a merged model is what merging gives: every tensor is computed again and compared, nothing is written.
package struct MergeVerification: Sendable {
    package struct Report: Sendable {
        /// Stored tensors that are not as they should be, with the first byte that differs.
        package let differing: [(name: String, offset: Int)]
        /// Stored tensors that are not there, or of another type or length: name, and what should be there.
        package let missing: [(name: String, expected: String)]
        /// Stored tensors that no merge would have written.
        package let extra: [String]
        package let comparedCount: Int
        package let comparedByteCount: Int

        package var isEqual: Bool { differing.isEmpty && missing.isEmpty && extra.isEmpty }
    }

    private let plan: MergePlan
    private let merged: Checkpoint
    private let resources: Resources
    private let flips: FlipMerge?
    private let calibrated: CalibratedMerge?

    /// - Parameters:
    ///   - plan: of the same base and adapters, in the form of the merged model.
    ///   - flips: of the weights that were not quantized again, on the inputs of the same text.
    ///   - calibrated: likewise, where codes were chosen by such inputs.
    package init(_ plan: MergePlan, merged: Checkpoint, resources: Resources, flips: FlipMerge? = nil, calibrated: CalibratedMerge? = nil) {
        self.calibrated = calibrated
        self.flips = flips
        self.plan = plan
        self.merged = merged
        self.resources = resources
    }

    /// The form that a merged model has; nil where qmerge writes none like it.
    package static func form(of merged: Checkpoint, base: Checkpoint) -> MergePlan.Form? {
        if merged.kind == .qnf { return base.kind == .qnf ? .qnf : nil }
        guard merged.tensors.allSatisfy({ $0.quantized == nil }) else { return nil }
        let types = Set(merged.tensors.filter { $0.scalarType.isQuantizable }.map(\.scalarType))
        let isSame =
            (base.kind == .safetensors || base.kind == .huggingFace)
            && base.tensors.allSatisfy { tensor in
                tensor.plainIndex != nil && merged.tensors.contains { $0.name == tensor.name && $0.scalarType == tensor.scalarType }
            }
        if isSame { return .sameFiles }
        guard types.count == 1, let type = types.first, type.isNarrowable else { return nil }
        return .export(type)
    }

    package func run() throws -> Report {
        let (infos, places) = try expected()
        let sink = ComparingSink(infos, merged)
        let run = MergeRun(
            plan, places: places, sink: sink, undo: nil, resources: resources, measures: false, flips: flips, calibrated: calibrated)
        let result = try run.run()
        for (place, state) in zip(places, result.states) {
            guard case .quantized(let parts) = place, let state else { continue }
            try sink.compare(Array(state.jsonText.utf8), withState: parts.stateBlob)
        }
        _ = try run.pass.finish()
        return sink.report(isIgnored: { UndoFiles.number(of: $0) != nil || $0.hasPrefix(QNFMetadata.filePrefix) })
    }

    /// What a merge would store, undo records left out; of a .qnf the quant states come last.
    private func expected() throws -> ([TensorInfo], [QNFPlan.Place]) {
        guard case .qnf = plan.form else {
            return (plan.items.map { MergeLayout.info($0, plan) }, plan.items.indices.map { .plain($0) })
        }
        let layout = try MergeLayout.qnf(plan, files: [], undoRecord: nil)
        return (layout.stored, layout.places)
    }
}

/// Compares what would be written with what a merged model holds.
private final class ComparingSink: MergeSink {
    private struct Findings {
        /// First byte that differs.
        var differing: [Int: Int] = [:]
        var comparedByteCount = 0
    }

    private let infos: [TensorInfo]
    private let merged: Checkpoint
    /// Index in the merged model of each expected tensor.
    private let indices: [Int?]
    /// Of the first quant state.
    private let firstState: Int
    private let findings = Mutex(Findings())

    init(_ infos: [TensorInfo], _ merged: Checkpoint) {
        self.infos = infos
        self.merged = merged
        let names = Dictionary(merged.source.tensors.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        func isState(_ name: String) -> Bool { name.contains(".quant_state.bitsandbytes__") }
        indices = infos.map { info in
            guard let index = names[ByteKey(info.name)] else { return nil }
            let found = merged.source.tensors[index]
            // Codes may lie under another type; a quant state is as long as its numbers.
            return found.byteCount == info.byteCount && found.scalarType == info.scalarType || isState(info.name) ? index : nil
        }
        firstState = infos.firstIndex { isState($0.name) } ?? infos.count
    }

    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        guard let tensor = indices[index] else { return }
        let found = try merged.source.bytes(ofTensor: tensor, offset..<offset + bytes.count)
        let difference = found.withUnsafeBytes { found in
            found.elementsEqual(bytes) ? nil : zip(found, bytes).enumerated().first { $1.0 != $1.1 }?.offset
        }
        findings.withLock { findings in
            findings.comparedByteCount += bytes.count
            if let difference { findings.differing[index] = min(findings.differing[index] ?? .max, offset + difference) }
        }
    }

    /// Nothing is measured in a comparison, so nothing is read back.
    func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        preconditionFailure("a comparison writes nothing")
    }

    func compare(_ state: [UInt8], withState number: Int) throws(FileError) {
        let index = firstState + number
        guard let tensor = indices[index] else { return }
        let found = try merged.source.bytes(ofTensor: tensor, 0..<merged.source.tensors[tensor].byteCount)
        findings.withLock { findings in
            findings.comparedByteCount += found.count
            guard found != state else { return }
            findings.differing[index] = zip(found, state).enumerated().first { $1.0 != $1.1 }?.offset ?? min(found.count, state.count)
        }
    }

    func report(isIgnored: (String) -> Bool) -> MergeVerification.Report {
        let wanted = Set(infos.map { ByteKey($0.name) })
        let extra = merged.source.tensors.map(\.name).filter { !wanted.contains(ByteKey($0)) && !isIgnored($0) }
        let missing = infos.indices.filter { indices[$0] == nil && !isIgnored(infos[$0].name) }.map { index in
            (name: infos[index].name, expected: "\(infos[index].scalarType.rawValue) \(infos[index].shape)")
        }
        return findings.withLock { findings in
            MergeVerification.Report(
                differing: findings.differing.sorted { $0.key < $1.key }.map { (infos[$0.key].name, $0.value) }, missing: missing,
                extra: extra.sorted(by: NaturalOrder.precedes), comparedCount: indices.count { $0 != nil },
                comparedByteCount: findings.comparedByteCount)
        }
    }
}
