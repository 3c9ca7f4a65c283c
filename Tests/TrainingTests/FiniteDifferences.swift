import Architectures
import Glibc
import Testing
import Transformer

/// Layers written out in double precision, and differences of them that gradients are compared with.
enum FiniteDifferences {
    static func values(_ count: Int, seed: Int, scale: Double = 1) -> [Double] {
        (0..<count).map { Double(Float(sin(Double($0 + 1) * 12.9898 + Double(seed) * 78.233) * scale)) }
    }

    /// d f / d x, which rounding leaves some ten digits of.
    static func gradient(_ x: [Double], _ f: ([Double]) -> Double) -> [Double] {
        x.indices.map { index in
            var moved = x
            let step = 1e-5
            moved[index] = x[index] + step
            let above = f(moved)
            moved[index] = x[index] - step
            return (above - f(moved)) / (2 * step)
        }
    }

    /// - Parameter bound: what the error is a share of, where that is more than the largest expected value.
    static func expectClose(
        _ actual: [Float], _ expected: [Double], _ what: String, tolerance: Double = 1e-5, largest bound: Double = 1e-6
    ) {
        let largest = expected.reduce(bound) { max($0, abs($1)) }
        let error = zip(actual, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
        #expect(actual.count == expected.count && error <= tolerance * largest, "\(what): off by \(error) of \(largest)")
    }

    static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// y = x W^T + b of `rows` rows; W is [out, in], or [in, out] where it is transposed.
    static func linear(_ x: [Double], _ w: [Double], isTransposed: Bool = false, bias: [Double]? = nil, rows: Int, out: Int) -> [Double] {
        let inputs = x.count / rows
        return (0..<rows * out).map { index in
            let (row, column) = (index / out, index % out)
            return (0..<inputs).reduce(bias?[column] ?? 0) {
                $0 + x[row * inputs + $1] * (isTransposed ? w[$1 * out + column] : w[column * inputs + $1])
            }
        }
    }

    static func activate(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .gelu: x / 2 * erfc(-x / 2.squareRoot())
        case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .relu: max(x, 0)
        case .reluSquared: max(x, 0) * max(x, 0)
        case .silu: x / (1 + exp(-x))
        }
    }

    /// RMSNorm with weights of one, or LayerNorm where `centers`.
    static func norm(_ x: [Double], width: Int, centers: Bool) -> [Double] {
        stride(from: 0, to: x.count, by: width).flatMap { start -> [Double] in
            let values = x[start..<start + width]
            let mean = centers ? values.reduce(0, +) / Double(width) : 0
            let r = 1 / (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width) + 1e-5).squareRoot()
            return values.map { ($0 - mean) * r }
        }
    }

    static func plainAttention(
        _ q: [Double], _ k: [Double], _ v: [Double], heads: Int, groups: Int, width: Int, starts: [Int], scale: Double, cap: Double? = nil,
        window: Int?, slopes: [Double]? = nil
    ) -> [Double] {
        var output = [Double](repeating: 0, count: q.count)
        for (start, end) in zip(starts, starts.dropFirst()) {
            for position in start..<end {
                let seen = max(start, position + 1 - (window ?? position + 1))...position
                for head in 0..<heads {
                    let group = head * groups / heads
                    let weights = seen.map { key -> Double in
                        let product = (0..<width).reduce(0) {
                            $0 + q[(position * heads + head) * width + $1] * k[(key * groups + group) * width + $1]
                        }
                        let score = scale * product + (slopes?[head] ?? 0) * Double(key - start)
                        return exp(cap.map { $0 * tanh(score / $0) } ?? score)
                    }
                    let sum = weights.reduce(0, +)
                    for (key, weight) in zip(seen, weights) {
                        for i in 0..<width {
                            output[(position * heads + head) * width + i] += weight / sum * v[(key * groups + group) * width + i]
                        }
                    }
                }
            }
        }
        return output
    }
}
