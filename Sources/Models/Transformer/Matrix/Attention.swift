package import Architectures
package import CKernels
import Parallelism

extension MatrixEngine {
    /// Keys and values of a layer for positions from 0 on, and how queries look at them.
    package struct AttentionCache {
        /// Where the scales of signed bytes lie, one for each head of a position.
        package struct Scales {
            /// Of position 0 in the first head.
            package let keys: UnsafePointer<Float>
            package let values: UnsafePointer<Float>
            /// From a head to the next.
            package let headStride: Int

            package init(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, headStride: Int) {
                self.keys = keys
                self.values = values
                self.headStride = headStride
            }
        }

        /// Of keys and values: QK_F32, QK_F16 or QK_BF16.
        package let type: qk_float
        /// Keys and values are signed bytes where there are some, whatever the type.
        package let scales: Scales?
        /// Of position 0 in the first head; headSize elements of that type lie together.
        package let keys: UnsafeRawPointer
        package let values: UnsafeRawPointer
        package let kvHeadCount: Int
        package let headSize: Int
        /// Elements from a position to the next, and from a head to the next.
        package let stride: Int
        package let headStride: Int
        /// Positions that a query sees, its own included; nil for all before it.
        package let window: Int?
        /// Positions of a chunk, of which a query sees its own alone; nil for no chunks.
        package let chunk: Int?

        package init(
            type: qk_float, scales: Scales? = nil, keys: UnsafeRawPointer, values: UnsafeRawPointer, kvHeadCount: Int, headSize: Int,
            stride: Int, headStride: Int, window: Int? = nil, chunk: Int? = nil
        ) {
            self.type = type
            self.scales = scales
            self.keys = keys
            self.values = values
            self.kvHeadCount = kvHeadCount
            self.headSize = headSize
            self.stride = stride
            self.headStride = headStride
            self.window = window
            self.chunk = chunk
        }
    }

    /// y = softmax(scale q k^T) v, causal, in float32 on the cache's keys and values.
    ///
    /// Head h uses the keys and values of head h / (headCount / kvHeadCount). The same bits come out whether positions are
    /// given one at a time or together.
    ///
    /// - Parameters:
    ///   - queries: [queryCount, headCount, headSize], for positions `firstPosition`...; the cache holds their keys already.
    ///   - queryStride: floats from the queries of a position to those of the next, where others lie between them.
    ///   - cap: c, where scores s become c tanh(s / c).
    ///   - bias: what is added to scores by the position of the key.
    ///   - sinks: [headCount], a score of no position for each head; nil for none.
    ///   - y: [queryCount, headCount, headSize].
    package func attend(
        _ queries: UnsafeBufferPointer<Float>, queryCount: Int, firstPosition: Int, headCount: Int, scale: Float,
        cap: Float? = nil, bias: PositionBias? = nil, sinks: UnsafePointer<Float>? = nil,
        queryStride: Int? = nil, cache: AttentionCache,
        into y: UnsafeMutableBufferPointer<Float>
    ) {
        let rowCount = headCount * cache.headSize, queryStride = queryStride ?? rowCount
        precondition(
            headCount % cache.kvHeadCount == 0 && y.count == queryCount * rowCount
                && queries.count >= (queryCount - 1) * queryStride + rowCount,
            "\(queries.count) floats of queries for \(queryCount) positions of \(headCount) heads of \(cache.headSize)")
        guard queryCount > 0, let queryStart = queries.baseAddress, let resultStart = y.baseAddress else { return }
        let slopes = bias.map { VectorParameter($0.slopes) }
        let groupSize = headCount / cache.kvHeadCount
        let product = AttentionProduct(
            engine: self, queries: queryStart, queryStride: queryStride, queryCount: queryCount, firstPosition: firstPosition,
            headCount: headCount, cache: cache, result: resultStart
        ) { head in
            let byteOffset = head * cache.headStride * (cache.scales == nil ? qk_float_byteCount(cache.type) : 1)
            return qk_attention(
                type: cache.type, keys: cache.keys + byteOffset, values: cache.values + byteOffset, stride: cache.stride,
                keyScales: cache.scales.map { $0.keys + head * $0.headStride },
                valueScales: cache.scales.map { $0.values + head * $0.headStride },
                headSize: cache.headSize, groupSize: groupSize, scale: scale, cap: cap ?? 0, window: cache.window ?? .max,
                chunk: cache.chunk ?? 0,
                slopes: slopes.map { $0.values + head * groupSize }, roundsBiases: bias?.isRounded ?? false, biasScale: bias?.factor ?? 1,
                sinks: sinks.map { $0 + head * groupSize })
        }
        product.run()
    }
}
