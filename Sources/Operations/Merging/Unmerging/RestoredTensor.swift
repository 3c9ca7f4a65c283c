import ByteIO
import CKernels
import JSONText
import Streaming
import TensorCore

/// One stored tensor of a base: which steps lead from the merged model back to it.
struct RestoredTensor: Sendable {
    /// Deltas that are subtracted, by step.
    typealias Factors = [Int: DeltaFactors]

    private struct Step: Sendable {
        /// Index into the records, the last merge's being the first.
        let record: Int
        let entry: UndoDirectory.Tensor
    }

    /// Buffers of a worker: bytes, values, delta.
    static let slotCount = 3
    private static let copiedChunkByteCount = 1 << 20

    private let info: TensorInfo
    private let records: [UndoRecord]
    /// From the last merge to the first.
    private let steps: [Step]
    /// What the first step begins with; nil where that step has the bytes itself.
    private let merged: MergedHoldings.Place?
    private let chunkByteCount: Int

    init(_ info: TensorInfo, records: [UndoRecord], holdings: MergedHoldings) throws(FileError) {
        self.info = info
        self.records = records
        var steps: [Step] = []
        for (index, record) in records.enumerated() {
            guard let entry = record.entry(info.name) else { continue }
            // Whatever later steps did, the bytes are here.
            if case .content = entry.method { steps = [] }
            steps.append(Step(record: index, entry: entry))
        }
        // What came before may have been of another length.
        for step in steps where step.entry.byteCount != info.byteCount {
            throw records[step.record].problem(
                "'\(JSONError.excerpt(info.name))' is to have \(step.entry.byteCount) bytes, but the base's header says \(info.byteCount)")
        }
        self.steps = steps
        if let first = steps.first, case .content = first.entry.method {
            merged = nil
        } else {
            let place = try holdings.place(of: info.name)
            guard place.source.tensors[place.tensor].byteCount == info.byteCount else {
                throw FileError(
                    place.source.path, at: "tensor '\(JSONError.excerpt(info.name))'",
                    "has \(place.source.tensors[place.tensor].byteCount) bytes, but in the base it had \(info.byteCount)",
                    hint: "the merged model was changed after the merge")
            }
            merged = place
        }
        let sizes = Set(steps.map(\.entry.chunkByteCount))
        guard sizes.count <= 1 else {
            throw records[0].problem(
                "'\(JSONError.excerpt(info.name))' is cut into chunks of different sizes by several merges; undo them one by one")
        }
        chunkByteCount = sizes.first ?? Self.copiedChunkByteCount
    }

    var isUnchanged: Bool { steps.isEmpty }

    var chunkCount: Int { chunkByteCount == 0 ? 0 : (info.byteCount + chunkByteCount - 1) / chunkByteCount }

    /// Bytes of the tensor.
    func range(ofChunk index: Int) -> Range<Int> { index * chunkByteCount..<min((index + 1) * chunkByteCount, info.byteCount) }

    /// The deltas that its steps subtract.
    func loadFactors() throws(FileError) -> Factors {
        var result: Factors = [:]
        for (number, step) in steps.enumerated() {
            guard case .subtraction(let type, let columns, let matrices, let terms) = step.entry.method else { continue }
            let record = records[step.record]
            let rows = info.byteCount / (type.bitCount / 8) / columns
            var loaded: [DeltaFactors.Term] = []
            for term in terms {
                let left = try floats(record, term, 0, count: rows * term.rank),
                    right = try floats(record, term, 1, count: term.rank * columns * matrices)
                loaded.append(DeltaFactors.Term(left: left, right: right, rank: term.rank, scale: term.scale))
            }
            result[number] = DeltaFactors(columns: columns, rows: rows, matrixCount: matrices, terms: loaded)
        }
        return result
    }

    private func floats(_ record: UndoRecord, _ term: UndoDirectory.Term, _ index: Int, count: Int) throws(FileError) -> [Float] {
        let bytes = try record.content(term.factors, index, limit: 4 * count)
        guard bytes.count == 4 * count else {
            throw record.problem("a factor of '\(JSONError.excerpt(info.name))' has \(bytes.count) bytes, but \(4 * count) are needed")
        }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes)
            initialized = count
        }
    }

    /// The base's bytes of a chunk, in memory of the worker.
    func bytes(
        ofChunk index: Int, _ factors: Factors, scratch: ScratchMemory, worker: Int
    ) throws(FileError) -> UnsafeRawBufferPointer {
        let range = range(ofChunk: index)
        let bytes = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
        if let merged { try merged.source.read(tensor: merged.tensor, atByteOffset: range.lowerBound, into: bytes) }
        for (number, step) in steps.enumerated() {
            let record = records[step.record]
            switch step.entry.method {
            case .content:
                let content = try record.content(step.entry.items, index, limit: range.count)
                guard content.count == range.count else {
                    throw record.problem(
                        "'\(JSONError.excerpt(info.name))' has \(content.count) bytes in it, but \(range.count) are needed")
                }
                bytes.copyBytes(from: content)
                continue
            case .subtraction(let type, _, _, _):
                if let factors = factors[number] { subtract(factors, type, range, bytes, scratch: scratch, worker: worker) }
            case .difference: break
            }
            let difference = try record.content(step.entry.items, index, limit: SparseDifference.byteCountLimit(range.count))
            guard SparseDifference.apply(difference, to: bytes) else {
                throw record.problem("what it holds of '\(JSONError.excerpt(info.name))', chunk \(index), does not fit the tensor")
            }
        }
        return UnsafeRawBufferPointer(bytes)
    }

    /// Subtracts the delta from elements and rounds them to their type again.
    private func subtract(
        _ factors: DeltaFactors, _ type: ScalarType, _ range: Range<Int>, _ bytes: UnsafeMutableRawBufferPointer, scratch: ScratchMemory,
        worker: Int
    ) {
        let size = type.bitCount / 8
        let elements = range.lowerBound / size..<range.upperBound / size
        let values = scratch.buffer(worker: worker, slot: 1, byteCount: 4 * elements.count).bindMemory(to: Float.self)
        let delta = scratch.buffer(worker: worker, slot: 2, byteCount: 4 * elements.count).bindMemory(to: Float.self)
        guard let v = values.baseAddress, let d = delta.baseAddress else { return }
        var widened = MutableSpan(_unsafeElements: values)
        FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)), of: type, into: &widened)
        if !factors.terms.isEmpty { factors.fill(elements, into: d) } else { delta.update(repeating: 0) }
        qk_subtract(v, d, elements.count, v)
        var narrowed = MutableRawSpan(_unsafeBytes: bytes)
        FloatConversion.narrow(Span(_unsafeElements: UnsafeBufferPointer(values)), to: type, into: &narrowed)
    }
}
