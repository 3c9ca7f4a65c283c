import CKernels
import Parallelism

/// Attention of some queries to the cache of a layer, in tasks of a few queries and one head of keys; where these are few, as when a
/// token is decoded, in tasks of one span of positions each, whose results are put together afterwards. Both give the same bits.
struct AttentionProduct {
    let engine: MatrixEngine
    /// Head h of query n at n * queryStride + h * headSize.
    let queries: UnsafePointer<Float>
    let queryStride: Int
    let queryCount: Int
    let firstPosition: Int
    let headCount: Int
    let cache: MatrixEngine.AttentionCache
    /// [queryCount, headCount, headSize]
    let result: UnsafeMutablePointer<Float>
    /// What queries of a head of keys look at.
    let attention: (_ head: Int) -> qk_attention

    /// Rows, heads of queries, that meet widened keys together.
    private static let rowsAtOnce = 64
    /// Of what all spans give.
    private static let byteCountLimit = 64 << 20

    private var groupSize: Int { headCount / cache.kvHeadCount }
    private var queriesAtOnce: Int { max(1, Self.rowsAtOnce / groupSize) }
    private var tileCount: Int { (queryCount + queriesAtOnce - 1) / queriesAtOnce }

    func run() {
        let threadCount = engine.pool.threadCount
        let partCount = headCount * queryCount * (firstPosition + queryCount + spanLength - 1) / spanLength
        let areFew = threadCount > 1 && tileCount * cache.kvHeadCount < 4 * threadCount
        if areFew, partCount * (cache.headSize * 4 + shareByteCount) <= Self.byteCountLimit { runSpans() } else { runTiles() }
    }

    private var spanLength: Int { Int(QK_ATTENTION_SPAN) }
    private var shareByteCount: Int { MemoryLayout<qk_attention_share>.stride }

    /// Some queries of one head of keys.
    private struct Tile {
        let attention: qk_attention
        /// Numbers of the queries.
        let queries: Range<Int>
        let firstPosition: Int
        let source: UnsafePointer<Float>
        let target: UnsafeMutablePointer<Float>
    }

    private func tile(_ index: Int) -> Tile {
        // The last positions see most: they come first, so that threads finish together.
        let number = tileCount - 1 - index / cache.kvHeadCount, head = index % cache.kvHeadCount
        let queries = number * queriesAtOnce..<min(queryCount, (number + 1) * queriesAtOnce)
        let column = head * groupSize * cache.headSize
        return Tile(
            attention: attention(head), queries: queries, firstPosition: firstPosition + queries.lowerBound,
            source: self.queries + queries.lowerBound * queryStride + column,
            target: result + queries.lowerBound * rowWidth + column)
    }

    /// Floats of the result of one query.
    private var rowWidth: Int { headCount * cache.headSize }

    private func runTiles() {
        engine.pool.forKernels(count: tileCount * cache.kvHeadCount) { index, worker in
            let tile = tile(index)
            var attention = tile.attention
            let scratch = engine.scratch[worker].floats(qk_attention_scratchCount(&attention, tile.queries.count))
            qk_attend_at(
                engine.level, &attention, tile.source, queryStride, tile.queries.count, tile.firstPosition, scratch, tile.target, rowWidth)
        }
    }

    /// A span of a tile, and where its results go.
    private struct Part {
        let tile: Int
        let span: Int
        /// Rows before this part's.
        let firstRow: Int
    }

    private func runSpans() {
        let tiles = (0..<tileCount * cache.kvHeadCount).map { tile($0) }
        var parts: [Part] = [], partsOfTile: [Range<Int>] = [], rowCount = 0
        for (index, tile) in tiles.enumerated() {
            var attention = tile.attention, first = 0, end = 0
            qk_attention_spans(&attention, tile.queries.count, tile.firstPosition, &first, &end)
            let start = parts.count
            for span in first..<end {
                parts.append(Part(tile: index, span: span, firstRow: rowCount))
                rowCount += tile.queries.count * groupSize
            }
            partsOfTile.append(start..<parts.count)
        }
        let memory = engine.shared.bytes(rowCount * (shareByteCount + 4 * cache.headSize))
        let shares = memory.assumingMemoryBound(to: qk_attention_share.self)
        let sums = (memory + rowCount * shareByteCount).assumingMemoryBound(to: Float.self)
        engine.pool.forKernels(count: parts.count) { index, worker in
            let part = parts[index], tile = tiles[part.tile]
            var attention = tile.attention
            let scratch = engine.scratch[worker].floats(qk_attention_scratchCount(&attention, tile.queries.count))
            qk_attend_span_at(
                engine.level, &attention, tile.source, queryStride, tile.queries.count, tile.firstPosition, part.span, scratch,
                sums + part.firstRow * cache.headSize, shares + part.firstRow)
        }
        for (tile, range) in zip(tiles, partsOfTile) {
            var attention = tile.attention
            withUnsafeTemporaryAllocation(of: qk_attention_share.self, capacity: tile.queries.count * groupSize) { total in
                qk_attention_begin(&attention, tile.queries.count, tile.target, rowWidth, total.baseAddress)
                for part in parts[range] {
                    qk_attention_join_at(
                        engine.level, &attention, tile.queries.count, sums + part.firstRow * cache.headSize, shares + part.firstRow,
                        tile.target, rowWidth, total.baseAddress)
                }
            }
        }
    }
}
