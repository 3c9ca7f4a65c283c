import ByteIO
import Checkpoints
package import Streaming
import Synchronization
import TensorCore

/// What quantizing again would keep of the adapters, weight by weight; nothing is written.
package struct MergeTrial: Sendable {
    private let plan: MergePlan
    private let resources: Resources

    /// - Parameter plan: of a .qnf.
    package init(_ plan: MergePlan, resources: Resources) {
        precondition(plan.form == .qnf, "only what stays 4-bit is quantized again")
        self.plan = plan
        self.resources = resources
    }

    /// What would survive in each of the weights that change and stay 4-bit, by their names.
    package func run() throws -> [String: Double] {
        let layout = try MergeLayout.qnf(plan, files: [], undoRecord: nil)
        let sink = TrialSink()
        let run = MergeRun(plan, places: layout.places, sink: sink, undo: nil, resources: resources)
        var result = MergeRun.Result(states: Array(repeating: nil, count: plan.items.count))
        for (index, item) in plan.items.enumerated() {
            guard case .quantized(let state, let settings) = item.outcome else { continue }
            try run.mergeQuantized(item, state, settings, at: index, &result)
            sink.clear()
        }
        return Dictionary(result.rows.map { ($0.name, $0.measures.survival) }, uniquingKeysWith: { first, _ in first })
    }
}

extension MergePlan {
    /// Names of the weights that change and stay 4-bit.
    package var requantizedNames: [String] {
        items.compactMap { if case .quantized = $0.outcome { $0.name } else { nil } }
    }

    /// Bytes of the codes of these weights in the base: what a `MergeTrial` tells `Resources.progress` of.
    package var requantizedByteCount: Int {
        items.reduce(0) { sum, item in
            guard case .quantized = item.outcome, item.origin == .base, let quantized = item.tensor.quantized else { return sum }
            return sum + base.source.tensors[quantized.codes].byteCount
        }
    }
}

/// Holds what is written of the weight in progress, for it is read back to be measured.
private final class TrialSink: MergeSink {
    private let tensors = Mutex<[Int: [UInt8]]>([:])

    func clear() { tensors.withLock { $0 = [:] } }

    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        tensors.withLock { tensors in
            var content = tensors.removeValue(forKey: index) ?? []
            if content.count < offset + bytes.count { content += [UInt8](repeating: 0, count: offset + bytes.count - content.count) }
            content.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[offset...]).copyMemory(from: bytes) }
            tensors[index] = content
        }
    }

    func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        tensors.withLock { tensors in
            guard let content = tensors[index], offset + buffer.count <= content.count else {
                preconditionFailure("only what was written is read back")
            }
            content.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count])) }
        }
    }
}
