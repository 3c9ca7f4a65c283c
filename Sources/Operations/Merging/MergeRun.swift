import ByteIO
import Checkpoints
import Compression
import JSONText
import Parallelism
import Quantization
import Streaming
import Synchronization
import TensorCore

/// One merge in progress: the tensors of a plan to a sink, each in a stream.
///
/// Unchanged tensors are copied first. Changed ones follow one after another, each cut into chunks of a fixed number of
/// elements for all threads: neither threads nor memory limits show in the bytes or in the report.
struct MergeRun: Sendable {
    /// Buffers of a worker.
    enum Slot: Int, CaseIterable {
        case stored, spare, base, delta, target, output, merged, found, sparse
    }

    /// What was measured in a tensor that changed.
    struct Finding: Sendable {
        let typeName: String
        let sums: MergeSums
        let elementCount: Int
        /// Codes or elements that changed; nil where the forms differ.
        let changedCount: Int?
    }

    /// What became of an item, besides its bytes.
    struct Note {
        let item: Int
        let undone: [UndoDirectory.Tensor]
        /// Elements that are too large for their type.
        let overflowCount: Int
        let finding: Finding?
    }

    /// What is known about the tensors once all is written.
    struct Result {
        /// Of each item that stays or becomes 4-bit.
        var states: [QuantState?]
        var rows: [MergeReport.Row] = []
        var sums = MergeSums()
        var elementCount = 0
        /// Codes or elements that changed; nil where the forms differ.
        var changedCount: Int? = 0
        /// How to undo each stored tensor of the base that changed.
        var undone: [UndoDirectory.Tensor] = []
        /// Tensors with elements that were finite in the base but are too large for their type once merged, and how many.
        var overflows: [(name: String, count: Int)] = []
        /// In the order of the rows, until they are sorted.
        var findings: [Finding] = []
        /// One for each item that something was found of, in the order of the work.
        var notes: [Note] = []

        /// Does one item, and notes what that adds.
        mutating func noting(_ item: Int, _ body: (inout Result) throws -> Void) rethrows {
            let before = (undone: undone.count, overflows: overflows.count, findings: findings.count)
            try body(&self)
            notes.append(
                Note(
                    item: item, undone: Array(undone[before.undone...]),
                    overflowCount: overflows[before.overflows...].reduce(0) { $0 + $1.count },
                    finding: findings[before.findings...].last))
        }
    }

    static let chunkElementCount = 1 << 18

    let plan: MergePlan
    /// Of each item.
    let places: [QNFPlan.Place]
    let sink: any MergeSink
    let undo: UndoRecordWriter?
    let resources: Resources
    /// Whether deltas are measured in what was written; a comparison needs no report.
    let measures: Bool
    /// Of what is not quantized again although it stays 4-bit.
    let flips: FlipMerge?
    /// Of what a reference gives, where it is quantized by what inputs are.
    let calibrated: CalibratedMerge?
    /// Over the checkpoint that is read completely.
    let pass: SourcePass
    let scratch: ScratchMemory

    init(
        _ plan: MergePlan, places: [QNFPlan.Place], sink: any MergeSink, undo: UndoRecordWriter?, resources: Resources,
        measures: Bool = true, flips: FlipMerge? = nil, calibrated: CalibratedMerge? = nil
    ) {
        self.plan = plan
        self.calibrated = calibrated
        self.flips = flips
        self.places = places
        self.sink = sink
        self.undo = undo
        self.resources = resources
        self.measures = measures
        pass = SourcePass(plan.readCheckpoint, resources: resources)
        scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: Slot.allCases.count)
    }

    /// - Parameter share: indices of the items to do, ascending; nil for all.
    func run(only share: [Int]? = nil) throws -> Result {
        var result = Result(states: Array(repeating: nil, count: plan.items.count))
        let indices = share ?? Array(plan.items.indices)
        try copyUnchanged(indices, &result)
        for index in indices {
            let item = plan.items[index]
            if case .copy = item.outcome { continue }
            try result.noting(index) { result in
                switch item.outcome {
                case .copy: return
                case .dense(let info): try mergeDense(item, as: info, at: index, &result)
                case .quantized where isFlipped(item) || isCalibrated(item): return
                case .quantized(let state, let settings): try mergeQuantized(item, state, settings, at: index, &result)
                case .added(let info, let values): try writeAdded(values, as: info, at: index, &result)
                }
            }
        }
        if let flips { try mergeFlipped(flips, &result) }
        if let calibrated { try mergeCalibrated(calibrated, &result) }
        result.rows.sort { NaturalOrder.precedes($0.name, $1.name) }
        return result
    }

    func buffer(_ slot: Slot, worker: Int, byteCount: Int) -> UnsafeMutableRawBufferPointer {
        scratch.buffer(worker: worker, slot: slot.rawValue, byteCount: byteCount)
    }

    func floats(_ slot: Slot, worker: Int, count: Int) -> UnsafeMutableBufferPointer<Float> {
        buffer(slot, worker: worker, byteCount: 4 * count).bindMemory(to: Float.self)
    }

    // MARK: - Copies

    private struct Copy {
        let tensor: Int
        let stored: Int
        let range: Range<Int>
    }

    /// Copies what no adapter touches.
    private func copyUnchanged(_ indices: [Int], _ result: inout Result) throws {
        var copies: [Copy] = []
        for index in indices {
            let item = plan.items[index]
            guard case .copy = item.outcome else { continue }
            for (tensor, stored) in pairs(item, places[index]) {
                copies += pass.byteRanges(ofTensor: tensor, limit: 1 << 20).map { Copy(tensor: tensor, stored: stored, range: $0) }
            }
            try result.noting(index) { result in
                guard let quantized = item.tensor.quantized else { return }
                result.states[index] = quantized.state
                if let previous = item.previous { try undoState(of: previous, quantized.state, &result) }
            }
        }
        try resources.pool.forEach(count: copies.count) { [copies] index, worker in
            let copy = copies[index]
            let bytes = buffer(.stored, worker: worker, byteCount: copy.range.count)
            try pass.read(tensor: copy.tensor, atByteOffset: copy.range.lowerBound, into: bytes)
            try sink.write(UnsafeRawBufferPointer(bytes), stored: copy.stored, atByteOffset: copy.range.lowerBound)
        }
    }

    /// Stored tensors of an item that is copied, each with where it goes; the quant state is written with the header.
    private func pairs(_ item: MergePlan.Item, _ place: QNFPlan.Place) -> [(Int, Int)] {
        switch (item.tensor.storage, place) {
        case (.plain(let tensor), .plain(let stored)): return [(tensor, stored)]
        case (.quantized(let quantized), .quantized(let parts)):
            return [(quantized.codes, parts.codes)]
                + QuantizedTensor.Part.allCases.compactMap { part in
                    quantized.index(of: part).flatMap { tensor in parts.index(of: part).map { (tensor, $0) } }
                }
        default: preconditionFailure("storage and place of '\(item.name)' do not belong together")
        }
    }

    // MARK: - Undoing

    /// A quant state whose text is no longer the base's.
    func undoState(of previous: LogicalTensor, _ state: QuantState, _ result: inout Result) throws {
        guard let undo, let quantized = previous.quantized else { return }
        let info = plan.base.source.tensors[quantized.stateBlob]
        let bytes = try plan.base.source.bytes(ofTensor: quantized.stateBlob, 0..<info.byteCount)
        guard bytes != Array(state.jsonText.utf8) else { return }
        result.undone.append(
            UndoDirectory.Tensor(
                name: info.name, method: .content, byteCount: bytes.count, chunkByteCount: bytes.count, items: try undo.append(bytes, .text)
            ))
    }

    /// Constants of a 4-bit weight, or a part of it, that may have changed.
    func undoDifference(ofStored tensor: Int, written: [UInt8], _ result: inout Result) throws {
        guard let undo else { return }
        let info = plan.base.source.tensors[tensor]
        let before = try plan.base.source.bytes(ofTensor: tensor, 0..<info.byteCount)
        guard before != written else { return }
        precondition(before.count == written.count, "parts of the same weight have the same sizes")
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: SparseDifference.byteCountLimit(before.count), alignment: 64)
        defer { room.deallocate() }
        let items = try before.withUnsafeBytes { before in
            try written.withUnsafeBytes { written in
                let difference = SparseDifference.encode(before, from: written, room: room)
                return try undo.append(difference, SparseDifference.content(of: difference))
            }
        }
        result.undone.append(
            UndoDirectory.Tensor(
                name: info.name, method: .difference, byteCount: before.count, chunkByteCount: before.count,
                items: items))
    }
}
