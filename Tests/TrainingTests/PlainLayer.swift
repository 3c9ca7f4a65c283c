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
            let (normWidth, rows, norm) = layer.norm(role, width: width)
            let dimensions = rows == 1 ? [normWidth] : [rows, normWidth]
            if norm.hasWeight { parts.append(Part(role: role, isBias: false, dimensions: dimensions)) }
            if norm.hasBias { parts.append(Part(role: role, isBias: true, dimensions: dimensions)) }
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
        /// x itself where the layer has no such norm.
        func norm(_ x: [Double], _ role: TensorRole) -> [Double] {
            guard layer.normRoles.contains(role) else { return x }
            let (normWidth, _, norm) = layer.norm(role, width: width)
            let weight = value(role) ?? [Double](repeating: 1, count: normWidth), bias = value(role, isBias: true)
            let normed = FiniteDifferences.norm(x, width: normWidth, centers: norm.kind == .layer)
            return normed.indices.map { i in
                let factor = weight[i % weight.count] + (norm.addsOne ? 1 : 0)
                return normed[i] * factor + (bias?[i % weight.count] ?? 0)
            }
        }
        func attended(_ x: [Double]) -> [Double] { linear(self.attended(x, linear, norm), .attentionOutput) }
        func inner(_ x: [Double]) -> [Double] { linear(activated(x, linear), .down) }
        func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + Double(layer.branchFactor) * $1 } }
        switch layer.wiring {
        case .sequential:
            let middle = sum(x, norm(attended(norm(x, .attentionNorm)), .attentionPostNorm))
            return sum(middle, norm(inner(norm(middle, .feedForwardNorm)), .feedForwardPostNorm))
        case .parallel(let sharesNorm):
            let first = norm(x, .attentionNorm)
            return sum(sum(x, attended(first)), inner(sharesNorm ? first : norm(x, .feedForwardNorm)))
        case .normedStream:
            let first = norm(x, .attentionNorm), second = norm(sum(first, attended(first)), .feedForwardNorm)
            return sum(second, inner(second))
        case .normedSum:
            let middle = norm(sum(x, attended(x)), .attentionNorm)
            return norm(sum(middle, inner(middle)), .feedForwardNorm)
        }
    }

    private func attended(
        _ x: [Double], _ linear: ([Double], TensorRole) -> [Double], _ norm: ([Double], TensorRole) -> [Double]
    ) -> [Double] {
        let attention = layer.attention
        var (q, k, v) = projections(x, linear)
        (q, k) = (norm(q, .queryNorm), norm(k, .keyNorm))
        if let clip = attention.clip.map({ Double($0) }) {
            func clipped(_ x: [Double]) -> [Double] { x.map { min(max($0, -clip), clip) } }
            (q, k, v) = (clipped(q), clipped(k), clipped(v))
        }
        q = rotated(q)
        if let temperature = attention.temperature {
            q = q.enumerated().map { index, value in
                let row = index / attention.queryWidth
                return value * Double(temperature.factor(at: row - (starts.last { $0 <= row } ?? 0)))
            }
        }
        return FiniteDifferences.plainAttention(
            q, rotated(k), v, heads: attention.headCount, groups: attention.keyValueHeadCount, width: attention.headWidth, starts: starts,
            scale: Double(attention.scale), cap: attention.scoreCap.map { Double($0) }, window: attention.window,
            slopes: attention.positionBias?.slopes.map { Double($0) })
    }

    private func activated(_ x: [Double], _ linear: ([Double], TensorRole) -> [Double]) -> [Double] {
        let activation = layer.feedForward.activation, width = layer.feedForward.innerWidth
        func activate(_ values: [Double]) -> [Double] { values.map { FiniteDifferences.activate(activation, $0) } }
        switch layer.feedForward.form {
        case .plain: return activate(linear(x, .up))
        case .gated: return zip(activate(linear(x, .gate)), linear(x, .up)).map { $0 * $1 }
        case .fusedGated:
            let both = linear(x, .fusedGateUp)
            func half(_ number: Int) -> [Double] {
                (0..<rows).flatMap { row -> ArraySlice<Double> in
                    let start = (2 * row + number) * width
                    return both[start..<start + width]
                }
            }
            return zip(activate(half(0)), half(1)).map { $0 * $1 }
        }
    }

    private func projections(
        _ input: [Double], _ linear: ([Double], TensorRole) -> [Double]
    ) -> (q: [Double], k: [Double], v: [Double]) {
        let attention = layer.attention, queries = attention.queryWidth, keys = attention.keyValueWidth, d = attention.headWidth
        guard attention.isFused else { return (linear(input, .query), linear(input, .key), linear(input, .value)) }
        let all = linear(input, .fusedQueryKeyValue), stride = queries + 2 * keys
        func columns(_ ranges: [Range<Int>]) -> [Double] {
            (0..<rows).flatMap { row -> [Double] in
                ranges.flatMap { range -> ArraySlice<Double> in all[row * stride + range.lowerBound..<row * stride + range.upperBound] }
            }
        }
        guard attention.projections == .grouped else {
            return (columns([0..<queries]), columns([queries..<queries + keys]), columns([queries + keys..<stride]))
        }
        let groups = attention.keyValueHeadCount, size = attention.headCount / groups
        /// Heads `from`, `count` of them, of every group.
        func heads(_ from: Int, _ count: Int) -> [Double] {
            columns(
                (0..<groups).map { group -> Range<Int> in
                    let start = (group * (size + 2) + from) * d
                    return start..<start + count * d
                })
        }
        return (heads(0, size), heads(size, 1), heads(size + 1, 1))
    }

    /// Pairs of the first elements of each head, by the angles of its position in its sample.
    private func rotated(_ x: [Double]) -> [Double] {
        guard let rotary = layer.attention.rotary else { return x }
        let headWidth = layer.attention.headWidth
        var y = x
        for row in 0..<rows {
            let start = starts.last { $0 <= row } ?? 0, end = starts.first { $0 > row } ?? rows
            let frequencies = rotary.frequencies(headWidth: headWidth, length: end - start + 1), half = frequencies.count
            for head in stride(from: row * (x.count / rows), to: (row + 1) * (x.count / rows), by: headWidth) {
                for i in 0..<half {
                    let (first, second) = rotary.pairing == .halves ? (head + i, head + half + i) : (head + 2 * i, head + 2 * i + 1)
                    let angle = Double(row - start) * frequencies[i], (a, b) = (x[first], x[second])
                    y[first] = (a * cos(angle) - b * sin(angle)) * rotary.magnitude
                    y[second] = (b * cos(angle) + a * sin(angle)) * rotary.magnitude
                }
            }
        }
        return y
    }
}
