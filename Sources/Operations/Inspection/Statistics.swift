import ByteIO
package import Checkpoints
package import JSONText
import Parallelism
import Quantization
package import Streaming
import Synchronization
package import TensorCore

/// What the tensors of a checkpoint hold.
package struct StatisticsReport: Sendable {
    /// In natural order.
    package let tensors: [TensorStatistics]
    /// Entries that are no tensors of numbers.
    package let unreadable: [UnreadableTensor]
    /// Of the tensors, constants included.
    package let byteCount: Int
}

/// Looks at every element of the tensors of a checkpoint, in a stream.
///
/// One pass over the file: chunks on all threads, their sums joined in the order of the elements, so that every digit is
/// the same for any number of threads and any chunk length. Little is read twice, to count outliers (`TensorScan`), and
/// everything where histograms are asked for. Memory is a chunk a worker and, of the tensors in progress, the constants
/// and a summary of each run: n / 16 bytes of 4-bit ones and n / 57 of others.
package struct Statistics: Sendable {
    /// Bins of the histograms: equally wide, from the smallest to the largest element.
    package struct Bins: Sendable {
        package let count: Int
        /// The range is widened so that zero lies in its middle.
        package let isSymmetric: Bool

        package init(count: Int, isSymmetric: Bool = false) {
            self.count = count
            self.isSymmetric = isSymmetric
        }

        fileprivate func histogram(of summary: ElementSummary) -> Histogram? {
            guard let minimum = summary.minimum, let maximum = summary.maximum, let absmax = summary.absmax else { return nil }
            return Histogram(range: isSymmetric ? -absmax...absmax : minimum...maximum, binCount: count)
        }
    }

    private var tensors: [(tensor: LogicalTensor, row: LayerListing.Row)]
    private let unreadable: [UnreadableTensor]
    private let checkpoint: any NamedTensors
    private let bins: Bins?
    private let resources: Resources

    /// - Parameters:
    ///   - isIncluded: of which tensors, by name.
    ///   - bins: for histograms; nil for none.
    package init(
        _ checkpoint: any NamedTensors, bins: Bins? = nil, resources: Resources, where isIncluded: (String) -> Bool = { _ in true }
    ) {
        tensors = checkpoint.tensors.filter { isIncluded($0.name) }.map { ($0, LayerListing.row(of: $0, in: checkpoint)) }
        unreadable = checkpoint.source.unreadableTensors.filter { isIncluded($0.name) }
        self.checkpoint = checkpoint
        self.bins = bins
        self.resources = resources
    }

    /// Bytes of the tensors to look at, constants included.
    package static func byteCount(of checkpoint: any NamedTensors, where isIncluded: (String) -> Bool = { _ in true }) -> Int {
        checkpoint.tensors.reduce(0) { sum, tensor in
            isIncluded(tensor.name) ? sum + tensor.storedByteCount(in: checkpoint.source) : sum
        }
    }

    package func run() throws -> StatisticsReport { report(of: try find(in: Array(tensors.indices))) }

    /// Stored tensors of each that is included, in the order of the checkpoint.
    package var parts: [[Int]] { tensors.map(\.tensor.parts) }

    /// Looks at some of those that are included, named by their indices; in that order.
    package func find(in indices: [Int]) throws -> [TensorStatistics] {
        var share = self
        share.tensors = indices.map { tensors[$0] }
        let scans = share.tensors.map { TensorScan(checkpoint, $0.tensor) }
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 2)
        return try share.addHistograms(to: try share.scan(scans, scratch), scans, scratch)
    }

    /// What one of them is known to hold; nil where `document` was not made of it.
    package func statistics(of index: Int, from document: JSONValue) -> TensorStatistics? {
        TensorStatistics(document: document, row: tensors[index].row, scalarType: tensors[index].tensor.scalarType)
    }

    /// What is known of all of them, as a report.
    package func report(of found: [TensorStatistics]) -> StatisticsReport {
        StatisticsReport(
            tensors: found.sorted { NaturalOrder.precedes($0.row.name, $1.row.name) }, unreadable: unreadable,
            byteCount: tensors.reduce(0) { $0 + $1.row.byteCount })
    }

    private struct Job {
        let tensor: Int
        let chunk: Int
        let range: Range<Int>
    }

    private func jobs(_ scans: [TensorScan]) -> [Job] {
        scans.enumerated().flatMap { tensor, scan in
            scan.chunks(limit: resources.chunkElementCount).enumerated().map { Job(tensor: tensor, chunk: $0, range: $1) }
        }
    }

    /// Chunks of a tensor in progress.
    private struct Collector {
        var partials: [TensorScan.Partial?]
        var pendingCount: Int

        init(chunkCount: Int) {
            partials = Array(repeating: nil, count: chunkCount)
            pendingCount = chunkCount
        }
    }

    private func scan(_ scans: [TensorScan], _ scratch: ScratchMemory) throws -> [TensorStatistics] {
        let jobs = jobs(scans)
        let chunkCounts = jobs.reduce(into: Array(repeating: 0, count: scans.count)) { $0[$1.tensor] += 1 }
        let collectors = Mutex<[Int: Collector]>([:])
        let results = Mutex<[TensorStatistics?]>(Array(repeating: nil, count: scans.count))
        for tensor in scans.indices where chunkCounts[tensor] == 0 {
            let empty = try scans[tensor].statistics(of: [], row: tensors[tensor].row) { _, _ in .init(start: nil, count: 0) }
            results.withLock { $0[tensor] = empty }
        }
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index]
            let memory = { slot, byteCount in scratch.buffer(worker: worker, slot: slot, byteCount: byteCount) }
            let partial = try scans[job.tensor].scan(job.range, scratch: memory)
            let complete = collectors.withLock { collectors -> [TensorScan.Partial]? in
                collectors[job.tensor, default: Collector(chunkCount: chunkCounts[job.tensor])].partials[job.chunk] = partial
                collectors[job.tensor]?.pendingCount -= 1
                guard collectors[job.tensor]?.pendingCount == 0 else { return nil }
                return collectors.removeValue(forKey: job.tensor)?.partials.compactMap { $0 }
            }
            if let complete {
                let statistics = try scans[job.tensor].statistics(of: complete, row: tensors[job.tensor].row, scratch: memory)
                results.withLock { $0[job.tensor] = statistics }
            }
            resources.progress(partial.byteCount)
        }
        return results.withLock { $0 }.compactMap { $0 }
    }

    private func addHistograms(
        to statistics: [TensorStatistics], _ scans: [TensorScan], _ scratch: ScratchMemory
    ) throws -> [TensorStatistics] {
        guard let bins else { return statistics }
        let histograms = Mutex(statistics.map { $0.reals.flatMap { bins.histogram(of: $0.summary) } })
        let empty = histograms.withLock { $0 }
        let jobs = jobs(scans).filter { empty[$0.tensor] != nil }
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let job = jobs[index]
            guard var histogram = empty[job.tensor] else { return }
            try scans[job.tensor].add(job.range, to: &histogram) { slot, byteCount in
                scratch.buffer(worker: worker, slot: slot, byteCount: byteCount)
            }
            histograms.withLock { $0[job.tensor]?.add(histogram) }
        }
        return zip(statistics, histograms.withLock { $0 }).map { $0.with($1) }
    }
}
