import CKernels
import Parallelism
import TestSupport
import Testing
import Transformer

struct AttentionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let headCount: Int, kvHeadCount: Int, headSize: Int, window: Int?, isHalf: Bool
        var chunk: Int?

        var testDescription: String {
            "\(headCount)/\(kvHeadCount) heads of \(headSize), window \(window ?? 0), chunk \(chunk ?? 0), f16 \(isHalf)"
        }
    }

    static let cases = [
        Case(headCount: 4, kvHeadCount: 4, headSize: 32, window: nil, isHalf: false),
        Case(headCount: 6, kvHeadCount: 2, headSize: 20, window: nil, isHalf: true),
        Case(headCount: 4, kvHeadCount: 1, headSize: 16, window: 5, isHalf: true),
        Case(headCount: 2, kvHeadCount: 2, headSize: 7, window: 1, isHalf: false),
        Case(headCount: 4, kvHeadCount: 2, headSize: 16, window: nil, isHalf: true, chunk: 11),
        Case(headCount: 2, kvHeadCount: 1, headSize: 24, window: nil, isHalf: false, chunk: 1),
    ]

    /// Plain attention in double precision.
    private func reference(_ c: Case, _ q: [Float], _ k: [Float], _ v: [Float], count: Int, scale: Double) -> [Double] {
        let groupSize = c.headCount / c.kvHeadCount, size = c.headSize
        var y = [Double](repeating: 0, count: count * c.headCount * size)
        for t in 0..<count {
            for head in 0..<c.headCount {
                let seen = (c.chunk.map { t - t % $0 } ?? max(0, t + 1 - (c.window ?? count)))...t
                let key = { (s: Int) in (s * c.kvHeadCount + head / groupSize) * size }
                let query = (t * c.headCount + head) * size
                let scores = seen.map { s in
                    scale * (0..<size).reduce(0.0) { $0 + Double(q[query + $1]) * Double(k[key(s) + $1]) }
                }
                let largest = scores.reduce(-.infinity, max)
                let weights = scores.map { doubleExp($0 - largest) }
                let sum = weights.reduce(0, +)
                for (s, weight) in zip(seen, weights) {
                    for i in 0..<size { y[query + i] += weight / sum * Double(v[key(s) + i]) }
                }
            }
        }
        return y
    }

    @Test("is plain softmax(q k^T) v", arguments: cases)
    func isPlainAttention(_ c: Case) {
        let count = 45, width = c.kvHeadCount * c.headSize
        var values = SeededGenerator(seed: 1)
        let q = values.floats(count * c.headCount * c.headSize, -2...2)
        var k = values.floats(count * width, -2...2), v = values.floats(count * width)
        var halves: [[UInt16]] = []
        if c.isHalf {
            for i in 0..<2 {
                let source = i == 0 ? k : v
                var half = [UInt16](repeating: 0, count: source.count)
                qk_narrow(QK_F16, source, source.count, &half)
                halves.append(half)
            }
            qk_widen(QK_F16, halves[0], k.count, &k)
            qk_widen(QK_F16, halves[1], v.count, &v)
        }
        let expected = reference(c, q, k, v, count: count, scale: 0.3)
        var first: [Float] = []
        for level in levels {
            for (threadCount, atOnce) in [(1, count), (3, count), (2, 1), (1, 11)] {
                let engine = MatrixEngine(pool: WorkerPool(threadCount: threadCount), level: level)
                var y = [Float](repeating: .nan, count: q.count)
                let run = { (keys: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer) in
                    guard let keyStart = keys.baseAddress, let valueStart = values.baseAddress else { return }
                    let cache = MatrixEngine.AttentionCache(
                        type: c.isHalf ? QK_F16 : QK_F32, keys: keyStart, values: valueStart, kvHeadCount: c.kvHeadCount,
                        headSize: c.headSize, stride: width, headStride: c.headSize, window: c.window, chunk: c.chunk)
                    for start in stride(from: 0, to: count, by: atOnce) {
                        let end = min(count, start + atOnce), row = c.headCount * c.headSize
                        q.withUnsafeBufferPointer { q in
                            y.withUnsafeMutableBufferPointer { y in
                                engine.attend(
                                    UnsafeBufferPointer(rebasing: q[start * row..<end * row]), queryCount: end - start,
                                    firstPosition: start, headCount: c.headCount, scale: 0.3, cache: cache,
                                    into: UnsafeMutableBufferPointer(rebasing: y[start * row..<end * row]))
                            }
                        }
                    }
                }
                if c.isHalf {
                    halves[0].withUnsafeBytes { k in halves[1].withUnsafeBytes { v in run(k, v) } }
                } else {
                    k.withUnsafeBytes { k in v.withUnsafeBytes { v in run(k, v) } }
                }
                #expect(relativeError(y, expected) < 2e-6)
                if first.isEmpty { first = y }
                #expect(y == first, "\(level), \(threadCount) threads, \(atOnce) at once")
            }
        }
    }
}
