import Architectures
import Glibc
import Transformer

/// A layer in double precision, as its description reads.
struct PlainLayer {
    struct Part {
        let role: TensorRole
        let isBias: Bool
        let dimensions: [Int]
    }

    let layer: LayerDescription
    let width: Int
    /// Where each sample begins, and where the last one ends.
    let starts: [Int]
    let parts: [Part]

    init(_ layer: LayerDescription, width: Int, starts: [Int]) {
        self.layer = layer
        self.width = width
        self.starts = starts
        var parts = layer.linearRoles.map { role in
            let (inputs, outputs, _) = layer.linear(role, width: width)
            return Part(role: role, isBias: false, dimensions: [outputs, inputs])
        }
        for role in layer.normRoles {
            let (normWidth, norm) = layer.norm(role, width: width)
            parts.append(Part(role: role, isBias: false, dimensions: [normWidth]))
            if norm.hasBias { parts.append(Part(role: role, isBias: true, dimensions: [normWidth])) }
        }
        self.parts = parts
    }

    private var rows: Int { starts[starts.count - 1] }

    /// - Parameter values: of `parts`, in their order.
    func forward(_ x: [Double], _ values: [[Double]]) -> [Double] {
        func value(_ role: TensorRole, isBias: Bool = false) -> [Double]? {
            parts.firstIndex { $0.role == role && $0.isBias == isBias }.map { values[$0] }
        }
        func linear(_ x: [Double], _ role: TensorRole) -> [Double] {
            FiniteDifferences.linear(x, value(role) ?? [], rows: rows, out: layer.linear(role, width: width).outputs)
        }
        func norm(_ x: [Double], _ role: TensorRole) -> [Double] {
            let (normWidth, norm) = layer.norm(role, width: width)
            let weight = value(role) ?? [], bias = value(role, isBias: true)
            let normed = FiniteDifferences.norm(x, width: normWidth, centers: norm.kind == .layer)
            return normed.indices.map { i in
                normed[i] * (weight[i % normWidth] + (norm.addsOne ? 1 : 0)) + (bias?[i % normWidth] ?? 0)
            }
        }
        func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
        let isAround = layer.normPlacement == .around, attention = layer.attention
        var (q, k, v) = projections(norm(x, .attentionNorm), linear)
        if attention.headNorm != nil { (q, k) = (norm(q, .queryNorm), norm(k, .keyNorm)) }
        let attended = FiniteDifferences.plainAttention(
            rotated(q), rotated(k), v, heads: attention.headCount, groups: attention.keyValueHeadCount, width: attention.headWidth,
            starts: starts, scale: Double(attention.scale), cap: attention.scoreCap.map { Double($0) }, window: attention.window)
        let branch = linear(attended, .attentionOutput)
        let middle = sum(x, isAround ? norm(branch, .attentionPostNorm) : branch)
        let second = norm(middle, .feedForwardNorm), activation = layer.feedForward.activation
        let activated = linear(second, layer.feedForward.form == .gated ? .gate : .up).map { FiniteDifferences.activate(activation, $0) }
        let inner = layer.feedForward.form == .gated ? zip(activated, linear(second, .up)).map { $0 * $1 } : activated
        let last = linear(inner, .down)
        return sum(middle, isAround ? norm(last, .feedForwardPostNorm) : last)
    }

    private func projections(
        _ normed: [Double], _ linear: ([Double], TensorRole) -> [Double]
    ) -> (q: [Double], k: [Double], v: [Double]) {
        guard layer.attention.projections == .fused else { return (linear(normed, .query), linear(normed, .key), linear(normed, .value)) }
        let all = linear(normed, .fusedQueryKeyValue), queries = layer.attention.queryWidth, keys = layer.attention.keyValueWidth
        let stride = queries + 2 * keys
        func columns(_ range: Range<Int>) -> [Double] {
            (0..<rows).flatMap { all[$0 * stride + range.lowerBound..<$0 * stride + range.upperBound] }
        }
        return (columns(0..<queries), columns(queries..<queries + keys), columns(queries + keys..<stride))
    }

    /// Each head's halves, by the angles of its position in its sample.
    private func rotated(_ x: [Double]) -> [Double] {
        guard let rotary = layer.attention.rotary else { return x }
        let headWidth = layer.attention.headWidth, half = headWidth / 2, frequencies = rotary.frequencies(headWidth: headWidth)
        var y = x
        for row in 0..<rows {
            let start = starts.last { $0 <= row } ?? 0
            for head in stride(from: row * (x.count / rows), to: (row + 1) * (x.count / rows), by: headWidth) {
                for i in 0..<half {
                    let angle = Double(row - start) * frequencies[i], (a, b) = (x[head + i], x[head + half + i])
                    y[head + i] = a * cos(angle) - b * sin(angle)
                    y[head + half + i] = b * cos(angle) + a * sin(angle)
                }
            }
        }
        return y
    }
}
