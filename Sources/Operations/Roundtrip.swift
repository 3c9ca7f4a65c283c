package import Checkpoints
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
        package let statistics: ErrorStatistics.Totals
        /// Largest error as a share of what the format allows at that element; nil of dense tensors.
        package let largestBoundShare: Double?
        /// Whether the model holds exactly what converting the source gives; nil where that was not asked for.
        package let isBitExact: Bool?

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
    /// The largest error stays inside what the format allows.
    package var isWithinBound: Bool { rows.allSatisfy { ($0.largestBoundShare ?? 0) <= 1 } }
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
        let sourceIndex = Dictionary(source.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        var pairs: [TensorPair] = []
        var extra: [String] = []
        var mismatched: [(name: String, source: Shape, model: Shape)] = []
        var matched = Set<String>()
        for tensor in model.tensors {
            guard let index = sourceIndex[tensor.name] else {
                extra.append(tensor.name)
                continue
            }
            matched.insert(tensor.name)
            let original = source.tensors[index]
            guard original.shape == tensor.shape else {
                mismatched.append((tensor.name, original.shape, tensor.shape))
                continue
            }
            pairs.append(try TensorPair(source: source, original: original, model: model, tensor: tensor, checksBits: checksBits))
        }
        let missing = source.tensors.map(\.name).filter { !matched.contains($0) }
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
        let (errorA, errorB) = (a.1.row.relativeRMSE, b.1.row.relativeRMSE)
        // NaN is worse than any number.
        if errorA.isNaN != errorB.isNaN { return errorA.isNaN }
        if errorA != errorB, !errorA.isNaN { return errorA > errorB }
        return NaturalOrder.precedes(a.0.tensor.name, b.0.tensor.name)
    }

    private func compare(_ pairs: [TensorPair]) throws -> [Compared] {
        struct Job {
            let pair: Int
            let chunk: Int
            let range: Range<Int>
        }
        var jobs: [Job] = []
        var partial: [[TensorPair.Partial?]] = []
        for (index, pair) in pairs.enumerated() {
            let ranges = pair.chunks(limit: resources.chunkElementCount)
            jobs += ranges.enumerated().map { Job(pair: index, chunk: $0, range: $1) }
            partial.append(Array(repeating: nil, count: ranges.count))
        }
        let results = Mutex(partial)
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 6)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index]
            let found = try pairs[job.pair].compare(job.range) { slot, byteCount in
                scratch.buffer(worker: worker, slot: slot, byteCount: byteCount)
            }
            results.withLock { $0[job.pair][job.chunk] = found }
            resources.progress(found.sourceByteCount)
        }
        // Chunks are summed up in their order: the same bits for any number of threads.
        let complete = results.withLock { $0 }
        return try zip(pairs, complete).map { pair, chunks in try pair.summary(of: chunks.compactMap { $0 }) }
    }
}
