import Parallelism
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

    let pairs: [TensorPair]
    let resources: Resources

    /// One summary for each pair, in their order.
    func run() throws -> [TensorPair.Summary] {
        var jobs: [Job] = []
        var pending: [Pending] = []
        for (index, pair) in pairs.enumerated() {
            let ranges = pair.chunks(limit: resources.chunkElementCount)
            jobs += ranges.enumerated().map { Job(pair: index, chunk: $0, range: $1) }
            pending.append(Pending(missingCount: ranges.count))
        }
        let results = Mutex((pending: pending, summaries: [TensorPair.Summary?](repeating: nil, count: pairs.count)))
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 6)
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index]
            let found = try pairs[job.pair].compare(job.range) { slot, byteCount in
                scratch.buffer(worker: worker, slot: slot, byteCount: byteCount)
            }
            resources.progress(found.sourceByteCount)
            let complete = results.withLock { $0.pending[job.pair].add(found, chunk: job.chunk) }
            guard let complete else { return }
            let summary = try pairs[job.pair].summary(of: complete)
            results.withLock { $0.summaries[job.pair] = summary }
        }
        let summaries = results.withLock { $0.summaries }
        // Without elements there are no chunks, and nothing differs.
        return try zip(pairs, summaries).map { pair, summary in try summary ?? pair.summary(of: []) }
    }
}
