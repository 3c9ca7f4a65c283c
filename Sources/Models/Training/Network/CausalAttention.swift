import Architectures
import CKernels
import COpenBLAS
import Parallelism
import Platform
import TensorCore
import Transformer

/// Attention of every position to itself and those before it in its own sample, with grouped queries.
///
///     H  query heads      K  key/value heads, each for H / K query heads      D  width of a head
///     S  scores, P = softmax(cap(scale S + bias)) probabilities, O = P V output
///
///     forward    S = Q K^T           P by rows            O = P V
///     backward   dP = dO V^T         dV += P^T dO         dS = scale cap' P (dP - sum(P dP))        dQ = dS K      dK += dS^T Q
///
/// Probabilities are not kept: the backward pass makes them again from the scores and the kept logarithms of their sums.
struct CausalAttention {
    typealias Heads = AttentionRows.Heads

    private let headCount: Int
    private let keyValueHeadCount: Int
    private let headWidth: Int
    private let scale: Float
    /// 0 for none.
    private let cap: Float
    /// Keys that a query sees at most, itself included.
    private let window: Int?
    /// Positions of a chunk, of which a query sees its own alone; nil for no chunks.
    private let chunk: Int?
    /// [H]: scores of no position, which take their shares and give nothing.
    private let sinks: VectorParameter?
    private let bias: PositionBias?

    init(_ attention: Attention, sinks: VectorParameter? = nil) {
        self.sinks = sinks
        headCount = attention.headCount
        keyValueHeadCount = attention.keyValueHeadCount
        headWidth = attention.headWidth
        scale = attention.scale
        cap = attention.scoreCap ?? 0
        window = attention.window
        chunk = attention.chunk
        bias = attention.positionBias
    }

    /// Queries that are dealt with at a time: scores of so many rows fit into a cache with their keys.
    static let tile = 64

    /// Floats of scratch that a worker needs for samples of so many positions.
    static func scratchCount(longestSample: Int) -> Int { 2 * tile * longestSample }

    /// - Parameters:
    ///   - starts: where each sample begins, and where the last one ends.
    ///   - logSums: [H, N], kept for `backward`.
    func forward(
        _ rows: AttentionRows, starts: [Int], logSums: UnsafeMutablePointer<Float>, into output: Heads, scratch: WorkerScratch,
        pool: WorkerPool
    ) {
        let (q, k, v) = (rows.q, rows.k, rows.v)
        let positionCount = starts.last ?? 0
        pool.forKernels(count: (starts.count - 1) * headCount) { index, worker in
            let sample = index / headCount, head = index % headCount
            let group = head * keyValueHeadCount / headCount
            let start = starts[sample], count = starts[sample + 1] - start
            let scores = scratch.pointer(worker)
            forEachTile(of: count) { first, rows in
                let keys = keyRange(first, rows)
                score(q, k, head: head, group: group, start: start, first: first, rows: rows, keys: keys, into: scores)
                qk_softmax_at(
                    qk_simd_best(), scores, rows, keys.count, first + 1 - keys.lowerBound, window ?? 0, scale, cap,
                    logSums + head * positionCount + start + first)
                addSink(
                    head, to: scores, rows: rows, keyCount: keys.count, logSums: logSums + head * positionCount + start + first)
                gemm(
                    .asStored, .asStored, rows, headWidth, keys.count, scores, keys.count,
                    v.head(group, width: headWidth, position: start + keys.lowerBound), v.stride, 0,
                    output.head(head, width: headWidth, position: start + first), output.stride)
            }
        }
    }

    /// The shares of probabilities that a sink leaves, and the logarithms of the sums with it.
    private func addSink(
        _ head: Int, to scores: UnsafeMutablePointer<Float>, rows: Int, keyCount: Int, logSums: UnsafeMutablePointer<Float>
    ) {
        guard let sinks else { return }
        for row in 0..<rows {
            // log(e^a + e^b), whichever is larger.
            let a = logSums[row], b = sinks.values[head], largest = max(a, b)
            let total = largest + log1pf(expf(min(a, b) - largest)), share = expf(a - total)
            for key in 0..<keyCount { scores[row * keyCount + key] *= share }
            logSums[row] = total
        }
    }

    /// dsink -= sum over positions of  P(sink) O . dO: what a sink takes, it takes from everything that is given.
    private func backwardSinks(doutput: Heads, attended: Heads, logSums: UnsafePointer<Float>, positionCount: Int) {
        guard let sinks, let gradient = sinks.gradient else { return }
        for head in 0..<headCount {
            var sum = 0.0
            for position in 0..<positionCount {
                let output = attended.head(head, width: headWidth, position: position)
                let dout = doutput.head(head, width: headWidth, position: position)
                var product = 0.0
                for i in 0..<headWidth { product += Double(output[i]) * Double(dout[i]) }
                sum += Double(expf(sinks.values[head] - logSums[head * positionCount + position])) * product
            }
            gradient[head] -= Float(sum)
        }
    }

    /// Writes the gradients of queries, keys and values, and adds those of sinks.
    ///
    /// - Parameter attended: output of `forward`.
    func backward(
        doutput: Heads, _ rows: AttentionRows, starts: [Int], logSums: UnsafePointer<Float>, attended: Heads, gradients: AttentionRows,
        scratch: WorkerScratch, pool: WorkerPool
    ) {
        let (q, k, v) = (rows.q, rows.k, rows.v), (dq, dk, dv) = (gradients.q, gradients.k, gradients.v)
        let positionCount = starts.last ?? 0
        let groupSize = headCount / keyValueHeadCount
        backwardSinks(doutput: doutput, attended: attended, logSums: logSums, positionCount: positionCount)
        // Heads of a group add to the same gradients of keys and values: one worker takes them all, in order.
        pool.forKernels(count: (starts.count - 1) * keyValueHeadCount) { index, worker in
            let sample = index / keyValueHeadCount, group = index % keyValueHeadCount
            let start = starts[sample], count = starts[sample + 1] - start
            clear(dk, head: group, positions: start..<start + count)
            clear(dv, head: group, positions: start..<start + count)
            let scores = scratch.pointer(worker), dscores = scores + Self.tile * count
            for head in group * groupSize..<(group + 1) * groupSize {
                forEachTile(of: count) { first, rows in
                    let keys = keyRange(first, rows)
                    let row = start + first, key = start + keys.lowerBound
                    let dout = doutput.head(head, width: headWidth, position: row)
                    score(q, k, head: head, group: group, start: start, first: first, rows: rows, keys: keys, into: scores)
                    gemm(
                        .asStored, .transposed, rows, keys.count, headWidth, dout, doutput.stride,
                        v.head(group, width: headWidth, position: key), v.stride, 0, dscores, keys.count)
                    qk_softmax_backward_at(
                        qk_simd_best(), scores, dscores, rows, keys.count, first + 1 - keys.lowerBound, window ?? 0, scale, cap,
                        logSums + head * positionCount + row)
                    gemm(
                        .transposed, .asStored, keys.count, headWidth, rows, scores, keys.count, dout, doutput.stride, 1,
                        dv.head(group, width: headWidth, position: key), dv.stride)
                    gemm(
                        .asStored, .asStored, rows, headWidth, keys.count, dscores, keys.count,
                        k.head(group, width: headWidth, position: key), k.stride, 0,
                        dq.head(head, width: headWidth, position: row), dq.stride)
                    gemm(
                        .transposed, .asStored, keys.count, headWidth, rows, dscores, keys.count,
                        q.head(head, width: headWidth, position: row), q.stride, 1,
                        dk.head(group, width: headWidth, position: key), dk.stride)
                }
            }
        }
    }

    /// Queries that are dealt with together: none of them lie in two chunks.
    private func forEachTile(of count: Int, _ body: (_ first: Int, _ rows: Int) -> Void) {
        var first = 0
        while first < count {
            let rows = min(Self.tile, count - first, chunk.map { $0 - first % $0 } ?? count)
            body(first, rows)
            first += rows
        }
    }

    /// Keys that some query of `first` and the rows behind it sees; with chunks each of them all up to its own.
    private func keyRange(_ first: Int, _ rows: Int) -> Range<Int> {
        (chunk.map { first - first % $0 } ?? window.map { max(0, first + 1 - $0) } ?? 0)..<first + rows
    }

    private func score(
        _ q: Heads, _ k: Heads, head: Int, group: Int, start: Int, first: Int, rows: Int, keys: Range<Int>,
        into scores: UnsafeMutablePointer<Float>
    ) {
        gemm(
            .asStored, .transposed, rows, keys.count, headWidth, q.head(head, width: headWidth, position: start + first), q.stride,
            k.head(group, width: headWidth, position: start + keys.lowerBound), k.stride, 0, scores, keys.count)
        addBiases(of: head, keys: keys, rows: rows, to: scores)
    }

    /// Adds what is added to the scores of each key, over the factor that scores are multiplied by later.
    private func addBiases(of head: Int, keys: Range<Int>, rows: Int, to scores: UnsafeMutablePointer<Float>) {
        guard let bias else { return }
        var attention = qk_attention()
        (attention.roundsBiases, attention.biasScale) = (bias.isRounded, bias.factor / scale)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: keys.count) { values in
            for (index, key) in keys.enumerated() { values[index] = qk_attention_bias(&attention, bias.slopes[head], key) }
            qk_addToRows_at(qk_simd_best(), values.baseAddress, rows, keys.count, scores)
        }
    }

    private func clear(_ rows: Heads, head: Int, positions: Range<Int>) {
        for position in positions { rows.head(head, width: headWidth, position: position).update(repeating: 0, count: headWidth) }
    }

    private func gemm(
        _ orientationA: MatrixProduct.Orientation, _ orientationB: MatrixProduct.Orientation, _ m: Int, _ n: Int, _ k: Int,
        _ a: UnsafePointer<Float>, _ strideA: Int, _ b: UnsafePointer<Float>, _ strideB: Int, _ beta: Float,
        _ c: UnsafeMutablePointer<Float>, _ strideC: Int
    ) {
        cblas_sgemm(
            CblasRowMajor, orientationA.code, orientationB.code, blasint(m), blasint(n), blasint(k), 1, a, blasint(strideA), b,
            blasint(strideB), beta, c, blasint(strideC))
    }
}

extension AttentionRows.Heads {
    fileprivate func head(_ head: Int, width: Int, position: Int) -> UnsafeMutablePointer<Float> {
        pointer + position * stride + head * width
    }
}
