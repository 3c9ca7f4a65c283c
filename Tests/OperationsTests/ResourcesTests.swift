import Parallelism
import Testing

@testable import Streaming

/// Memory is divided before the work begins, and refused where it cannot do.
@Suite struct ResourcesTests {
    static let mebibyte = 1 << 20

    @Test func moreMemoryGivesLargerChunksAndMoreThreads() throws {
        var last = (chunk: 0, threads: 0)
        for size in [28, 40, 64, 128, 512, 2048] {
            let resources = try Resources(threadCount: 4, maximumMemory: size * Self.mebibyte)
            #expect(resources.chunkElementCount >= last.chunk && resources.pool.threadCount >= last.threads)
            let buffers = resources.chunkElementCount * 24 * 8 * resources.pool.threadCount
            #expect(buffers + 24 * Self.mebibyte <= size * Self.mebibyte)
            last = (resources.chunkElementCount, resources.pool.threadCount)
        }
        #expect(last.chunk == Resources.defaultChunkElementCount && last.threads == 4)
        #expect(try Resources(threadCount: 3).chunkElementCount == Resources.defaultChunkElementCount)
        #expect(try Resources(threadCount: 0).pool.threadCount == 1)
    }

    @Test func tooLittleMemoryIsRefused() {
        let error = OperationError(
            "`maximumMemory` allows 16777216 bytes, but this needs at least 33311552",
            hint: "allow more; most of it is the header of the model, the constants of its largest tensor, and the program itself")
        #expect(throws: error) { try Resources(threadCount: 8, maximumMemory: 16 << 20, fixedMemory: 5_000_000) }
    }

    @Test(arguments: [(0, 10, 1), (1, 10, 1), (100, 10, 3), (100, 10, 64), (100, 1000, 7), (5, 1, 5)]) func chunksCoverEverything(
        _ count: Int, _ limit: Int, _ unit: Int
    ) {
        let ranges = Chunks.ranges(count: count, limit: limit, unit: unit)
        #expect(ranges.map(\.count).reduce(0, +) == count)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(ranges.allSatisfy { $0.lowerBound % unit == 0 && $0.count <= max(limit, unit) })
    }

    @Test func leastCommonMultiples() {
        #expect(Chunks.leastCommonMultiple(48, 64) == 192)
        #expect(Chunks.leastCommonMultiple(1, 64) == 64)
        #expect(Chunks.leastCommonMultiple(4096, 4096) == 4096)
        #expect(Chunks.leastCommonMultiple(7, 32) == 224)
    }
}
