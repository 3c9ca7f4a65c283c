package import Checkpoints
import JSONText
import Parallelism
package import Quantization
import Synchronization
package import TensorCore

/// How far a model is from the source it was made of, tensor by tensor.
package struct RoundtripReport: Sendable {
    package struct Row: Sendable {
        package let name: String
        package let shape: Shape
        package let typeName: String
        /// 4-bit in the model.
        package let isQuantized: Bool
        package let statistics: ErrorStatistics.Totals
        /// Largest error as a share of what the format allows at that element; nil of dense tensors, and where the source is
        /// 4-bit too.
        package let largestBoundShare: Double?
        /// Whether the model holds exactly what converting the source gives; nil of 4-bit weights where that was not asked for.
        package let isBitExact: Bool?

        /// Dense in the model, but neither what the source holds nor that in another type.
        package var isChanged: Bool { !isQuantized && isBitExact == false }

        package var relativeRMSE: Double { statistics.relativeError }
    }

    /// Quantized weights, the worst first; then dense tensors that differ, then those that are equal.
    package let rows: [Row]
    /// Of all quantized weights together.
    package let quantizedTotals: ErrorStatistics.Totals?
    package let missing: [String]
    package let extra: [String]
    package let mismatched: [(name: String, source: Shape, model: Shape)]

    package var isComplete: Bool { missing.isEmpty && extra.isEmpty && mismatched.isEmpty }
    package var isBitExact: Bool { isComplete && rows.allSatisfy { $0.isBitExact ?? false } }
    /// The largest error of 4-bit weights stays inside what the format allows, and dense tensors are unchanged.
    package var isWithinBound: Bool { rows.allSatisfy { ($0.largestBoundShare ?? 0) <= 1 && !$0.isChanged } }
}

/// Compares a quantized model with its source, streaming both.
package struct Roundtrip: Sendable {
    private let source: Checkpoint
    private let model: Checkpoint
    private let checksBits: Bool
    private let resources: Resources

    /// - Parameter checksBits: also quantize the source again and compare every byte.
    package init(source: Checkpoint, model: Checkpoint, checksBits: Bool, resources: Resources) {
        self.source = source
        self.model = model
        self.checksBits = checksBits
        self.resources = resources
    }

    package func run() throws -> RoundtripReport {
        let sourceIndex = Dictionary(source.tensors.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        var pairs: [TensorPair] = []
        var extra: [String] = []
        var mismatched: [(name: String, source: Shape, model: Shape)] = []
        var isMatched = [Bool](repeating: false, count: source.tensors.count)
        for tensor in model.tensors {
            guard let index = sourceIndex[ByteKey(tensor.name)] else {
                extra.append(tensor.name)
                continue
            }
            isMatched[index] = true
            let original = source.tensors[index]
            guard original.shape == tensor.shape else {
                mismatched.append((tensor.name, original.shape, tensor.shape))
                continue
            }
            pairs.append(try TensorPair(source: source, original: original, model: model, tensor: tensor, checksBits: checksBits))
        }
        let missing = source.tensors.indices.filter { !isMatched[$0] }.map { source.tensors[$0].name }
        let rows = try compare(pairs)
        let ordered = zip(pairs, rows).sorted { Self.precedes($0, $1) }.map(\.1.row)
        var totals = ErrorStatistics()
        for (pair, row) in zip(pairs, rows) where pair.isQuantized { totals.append(row.statistics) }
        return RoundtripReport(
            rows: ordered, quantizedTotals: totals.elementCount > 0 ? totals.totals : nil,
            missing: missing.sorted(by: NaturalOrder.precedes), extra: extra.sorted(by: NaturalOrder.precedes), mismatched: mismatched)
    }

    private typealias Compared = (row: RoundtripReport.Row, statistics: ErrorStatistics)

    private static func precedes(_ a: (TensorPair, Compared), _ b: (TensorPair, Compared)) -> Bool {
        if a.0.isQuantized != b.0.isQuantized { return a.0.isQuantized }
        if a.1.row.isChanged != b.1.row.isChanged { return a.1.row.isChanged }
        let (errorA, errorB) = (a.1.row.relativeRMSE, b.1.row.relativeRMSE)
        // NaN is worse than any number.
        if errorA.isNaN != errorB.isNaN { return errorA.isNaN }
        if errorA != errorB, !errorA.isNaN { return errorA > errorB }
        return NaturalOrder.precedes(a.0.tensor.name, b.0.tensor.name)
    }

    private func compare(_ pairs: [TensorPair]) throws -> [Compared] {
        let progress = try pairs.map { pair in
            let ranges = pair.chunks(limit: resources.chunkElementCount)
            return PairProgress(ranges: ranges, compared: ranges.isEmpty ? try pair.summary(of: []) : nil)
        }
        let jobs = progress.indices.flatMap { pair in progress[pair].ranges.indices.map { (pair: pair, chunk: $0) } }
        let state = Mutex(progress)
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 6)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let (pair, chunk) = jobs[index]
            let found = try pairs[pair].compare(progress[pair].ranges[chunk]) { slot, byteCount in
                scratch.buffer(worker: worker, slot: slot, byteCount: byteCount)
            }
            // The worker that has the last chunk of a tensor sums it up: constants are held of few tensors at a time.
            guard let chunks = state.withLock({ $0[pair].add(found, chunk: chunk) }) else { return }
            let compared = try pairs[pair].summary(of: chunks)
            state.withLock { $0[pair].compared = compared }
        }
        return state.withLock { $0.compactMap(\.compared) }
    }
}

/// What is known of one tensor so far.
private struct PairProgress: Sendable {
    let ranges: [Range<Int>]
    var compared: (row: RoundtripReport.Row, statistics: ErrorStatistics)?
    private var found: [TensorPair.Partial?]
    private var pendingCount: Int

    init(ranges: [Range<Int>], compared: (row: RoundtripReport.Row, statistics: ErrorStatistics)?) {
        self.ranges = ranges
        self.compared = compared
        found = Array(repeating: nil, count: ranges.count)
        pendingCount = ranges.count
    }

    /// Adds a chunk; with the last one, gives all of them away, in their order: the same bits for any number of threads.
    mutating func add(_ partial: TensorPair.Partial, chunk: Int) -> [TensorPair.Partial]? {
        found[chunk] = partial
        pendingCount -= 1
        guard pendingCount == 0 else { return nil }
        defer { found = [] }
        return found.compactMap { $0 }
    }
}
