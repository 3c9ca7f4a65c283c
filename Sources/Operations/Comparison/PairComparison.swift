import Parallelism
import Streaming
import Synchronization

/// Compares many pairs of tensors, chunk by chunk, with all workers.
struct PairComparison: Sendable {
    private struct Job {
        let pair: Int
        let chunk: Int
        let range: Range<Int>
    }

    /// A pair of which chunks are still missing; as soon as none is, its parts are joined and forgotten.
    private struct Pending {
        var chunks: [TensorPair.Partial?] = []
        var missingCount: Int

        /// All chunks in their order, once the last one has come: the same bits for any number of threads.
        mutating func add(_ partial: TensorPair.Partial, chunk: Int) -> [TensorPair.Partial]? {
            if chunks.isEmpty { chunks = Array(repeating: nil, count: missingCount) }
            chunks[chunk] = partial
            missingCount -= 1
            guard missingCount == 0 else { return nil }
            defer { chunks = [] }
            return chunks.compactMap { $0 }
        }
    }

    private struct Results<Row: Sendable> {
        var pending: [Pending]
        var rows: [Row?]
    }

    let pairs: [TensorPair]
    let resources: Resources

    /// Both sides as f32 are looked at several times: they should stay in the second-level cache meanwhile.
    private static let chunkElementCount = 1 << 17

    /// What `row` makes of each pair, in their order; a summary is not kept longer than that takes.
    func run<Row: Sendable>(_ row: @Sendable (TensorPair, TensorPair.Summary) -> Row) throws -> [Row] {
        var jobs: [Job] = []
        var pending: [Pending] = []
        for (index, pair) in pairs.enumerated() {
            let ranges = pair.chunks(limit: min(resources.chunkElementCount, Self.chunkElementCount))
            jobs += ranges.enumerated().map { Job(pair: index, chunk: $0, range: $1) }
            pending.append(Pending(missingCount: ranges.count))
        }
        let results = Mutex(Results<Row>(pending: pending, rows: Array(repeating: nil, count: pairs.count)))
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 6)
        try resources.pool.forEach(count: jobs.count) { [jobs] index, worker in
            let job = jobs[index]
            let found = try pairs[job.pair].compare(job.range) { slot, byteCount in
                scratch.buffer(worker: worker, slot: slot, byteCount: byteCount)
            }
            resources.progress(found.sourceByteCount)
            guard let chunks = results.withLock({ $0.pending[job.pair].add(found, chunk: job.chunk) }) else { return }
            let compared = row(pairs[job.pair], try pairs[job.pair].summary(of: chunks))
            results.withLock { $0.rows[job.pair] = compared }
        }
        let rows = results.withLock { $0.rows }
        // Without elements there are no chunks, and nothing differs.
        return try zip(pairs, rows).map { pair, compared in try compared ?? row(pair, pair.summary(of: [])) }
    }
}
