import Architectures
import CKernels
import Glibc
import Parallelism
import Testing
import Transformer

@testable import Records
@testable import Training

/// Gradients of each layer beside central differences of the same formula in double precision.
@Suite struct GradientTests {
    private let pool = WorkerPool(threadCount: 2)

    @Test("differentiates norms", arguments: [true, false], [true, false])
    func norms(hasBias: Bool, addsOne: Bool) {
        let rows = 3, width = 10
        let x = FiniteDifferences.values(rows * width, seed: 1), weight = FiniteDifferences.values(width, seed: 2),
            bias = FiniteDifferences.values(width, seed: 3)
        let wanted = FiniteDifferences.values(rows * width, seed: 4)
        func forward(_ x: [Double]) -> [Double] {
            (0..<rows).flatMap { row -> [Double] in
                let values = Array(x[row * width..<(row + 1) * width])
                let mean = hasBias ? values.reduce(0, +) / Double(width) : 0
                let r = 1 / (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width) + 1e-5).squareRoot()
                return values.indices.map { (values[$0] - mean) * r * (weight[$0] + (addsOne ? 1 : 0)) + (hasBias ? bias[$0] : 0) }
            }
        }
        let layer = NormLayer(
            Norm(hasBias ? .layer : .rms, epsilon: 1e-5, addsOne: addsOne), width: width,
            weight: VectorParameter(weight.map { Float($0) }), bias: hasBias ? VectorParameter(bias.map { Float($0) }) : nil)
        let engine = MatrixEngine(pool: pool)
        var y = [Float](repeating: 0, count: rows * width), statistics = [Float](repeating: 0, count: 2 * rows), dx = y
        let input = x.map { Float($0) }
        layer.forward(input, rows: rows, statistics: &statistics, into: &y, engine)
        layer.backward(
            wanted.map { Float($0) }, x: input, rows: rows, statistics: statistics, addingTo: &dx, engine)
        FiniteDifferences.expectClose(y, forward(x), "output")
        FiniteDifferences.expectClose(dx, FiniteDifferences.gradient(x) { FiniteDifferences.dot(forward($0), wanted) }, "gradient")
    }

    @Test("differentiates activations, far out too", arguments: Activation.allCases)
    func activations(_ activation: Activation) {
        // None is where ReLU has a corner.
        let x = (-400...400).map { Double($0) * 0.05 + 0.011 }, wanted = FiniteDifferences.values(x.count, seed: 1)
        var y = [Float](repeating: 0, count: x.count), d = wanted.map { Float($0) }
        let input = x.map { Float($0) }
        qk_activate_at(qk_simd_best(), activation.kernel, input, x.count, &y)
        qk_activate_backward_at(qk_simd_best(), activation.kernel, input, x.count, &d)
        let slopes = FiniteDifferences.gradient(x) { x in
            FiniteDifferences.dot(x.map { FiniteDifferences.activate(activation, $0) }, wanted)
        }
        for index in x.indices {
            let expected = FiniteDifferences.activate(activation, Double(input[index]))
            #expect(abs(Double(y[index]) - expected) <= 3e-7 * max(1, abs(expected)), "output for \(x[index])")
            #expect(abs(Double(d[index]) - slopes[index]) <= 2e-6 * max(1, abs(slopes[index])), "slope at \(x[index])")
        }
    }

    @Test("differentiates attention", arguments: [nil, 5], [nil, 0.8])
    func attention(window: Int?, cap: Float?) throws {
        // Two samples, one longer than a tile of queries; four heads share two keys.
        let heads = 4, groups = 2, width = 3, starts = [0, 4, 75]
        let n = 75, queries = n * heads * width, keys = n * groups * width
        let layer = Attention(
            .separate, headCount: heads, keyValueHeadCount: groups, headWidth: width, scale: 0.6, scoreCap: cap, window: window)
        let q = FiniteDifferences.values(queries, seed: 1, scale: 2), k = FiniteDifferences.values(keys, seed: 2, scale: 2),
            v = FiniteDifferences.values(keys, seed: 3)
        let wanted = FiniteDifferences.values(queries, seed: 4)
        var results = [[Float]](repeating: [], count: 4)
        try runAttention(layer, starts: starts, q, k, v, wanted, &results)
        func forward(_ q: [Double], _ k: [Double], _ v: [Double]) -> [Double] {
            FiniteDifferences.plainAttention(
                q, k, v, heads: heads, groups: groups, width: width, starts: starts, scale: Double(Float(0.6)), cap: cap.map { Double($0) },
                window: window)
        }
        FiniteDifferences.expectClose(results[0], forward(q, k, v), "output")
        // Differences of some elements; all would take minutes.
        for (index, name) in ["q", "k", "v"].enumerated() {
            let count = index == 0 ? queries : keys
            for element in stride(from: index, to: count, by: count / 12) {
                func moved(_ values: [Double], by step: Double, _ isThis: Bool) -> [Double] {
                    var values = values
                    if isThis { values[element] += step }
                    return values
                }
                func loss(_ step: Double) -> Double {
                    FiniteDifferences.dot(
                        forward(moved(q, by: step, index == 0), moved(k, by: step, index == 1), moved(v, by: step, index == 2)), wanted)
                }
                let expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
                #expect(abs(Double(results[index + 1][element]) - expected) < 2e-5 * max(1, abs(expected)), "\(name)[\(element)]")
            }
        }
    }

    private func runAttention(
        _ layer: Attention, starts: [Int], _ q: [Double], _ k: [Double], _ v: [Double], _ wanted: [Double],
        _ results: inout [[Float]]
    ) throws {
        let n = starts[starts.count - 1], count = q.count + k.count + v.count
        func memory(_ values: [Double]) throws -> FloatMemory {
            let memory = try FloatMemory(count: values.count)
            for (index, value) in values.enumerated() { memory.buffer[index] = Float(value) }
            return memory
        }
        let inputs = try memory(q + k + v), gradients = try FloatMemory(count: count)
        let output = try FloatMemory(count: q.count), doutput = try memory(wanted), logSums = try FloatMemory(count: n * layer.headCount)
        let scratch = try WorkerScratch(workerCount: 2, count: CausalAttention.scratchCount(longestSample: n))
        let rows = AttentionRows(inputs.pointer, of: layer, positions: n)
        CausalAttention(layer).forward(
            rows, starts: starts, logSums: logSums.pointer, into: .init(pointer: output.pointer, stride: layer.queryWidth),
            scratch: scratch, pool: pool)
        CausalAttention(layer).backward(
            doutput: .init(pointer: doutput.pointer, stride: layer.queryWidth), rows, starts: starts, logSums: logSums.pointer,
            attended: .init(pointer: output.pointer, stride: layer.queryWidth),
            gradients: AttentionRows(gradients.pointer, of: layer, positions: n), scratch: scratch, pool: pool)
        let all = Array(gradients.buffer)
        results = [
            Array(output.buffer), Array(all[..<q.count]), Array(all[q.count..<q.count + k.count]), Array(all[(q.count + k.count)...]),
        ]
    }
}
