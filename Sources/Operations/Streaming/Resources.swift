package import Parallelism
import Platform

/// How an operation may use the machine: threads, memory, and whom to tell of progress.
package struct Resources: Sendable {
    package let pool: WorkerPool
    /// Elements that a worker holds at a time (an upper bound; small tensors take less).
    package let chunkElementCount: Int
    /// Called with the bytes of input dealt with since the last call, from any thread.
    package let progress: @Sendable (Int) -> Void

    /// Half a megabyte of bf16 up to 2 MB of f32: stays in the second-level cache between reading and quantizing.
    package static let defaultChunkElementCount = 1 << 19
    /// Elements of a chunk that are decoded and encoded one after the other: they stay in the second-level cache as any type.
    package static let pieceElementCount = 1 << 15
    private static let smallestChunkElementCount = 1 << 14
    /// What one element of a chunk may take in all buffers of a worker together: f64 in, transposed, and f32.
    private static let bytesPerElement = 24
    /// Chunks of transposed weights are larger, so that the segments they are gathered from are not tiny.
    package static let transposedChunkFactor = 8

    /// - Parameters:
    ///   - threadCount: nil for all processors.
    ///   - maximumMemory: bytes the process may have resident; nil for the default chunks.
    ///   - fixedMemory: bytes the operation needs whatever the chunks are (headers, constants of the largest tensor).
    /// - Throws: `OperationError` where the smallest chunks on one thread would still take more.
    package init(
        threadCount: Int? = nil, maximumMemory: Int? = nil, fixedMemory: Int = 0, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) throws(OperationError) {
        var threads = max(1, threadCount ?? WorkerPool.availableProcessorCount)
        var chunk = Self.defaultChunkElementCount
        if let maximumMemory {
            let base = Self.processMemory + fixedMemory
            func need(_ chunk: Int, _ threads: Int) -> Int { base + chunk * Self.bytesPerElement * Self.transposedChunkFactor * threads }
            while need(chunk, threads) > maximumMemory, chunk > Self.smallestChunkElementCount { chunk /= 2 }
            while need(chunk, threads) > maximumMemory, threads > 1 { threads -= 1 }
            guard need(chunk, threads) <= maximumMemory else {
                throw OperationError(
                    "`maximumMemory` allows \(maximumMemory) bytes, but this needs at least \(need(chunk, threads))",
                    hint: "allow more; most of it is the header of the model, the constants of its largest tensor, and the program itself")
            }
        }
        self.init(threadCount: threads, chunkElementCount: chunk, progress: progress)
    }

    /// Chunks of any size: what comes out must not depend on it.
    init(threadCount: Int, chunkElementCount: Int, progress: @escaping @Sendable (Int) -> Void = { _ in }) {
        pool = WorkerPool(threadCount: threadCount)
        self.chunkElementCount = chunkElementCount
        self.progress = progress
    }

    /// Resident memory of the program before it opens anything, rounded up.
    private static let processMemory = 24 << 20
}
