package import Adapters
import ByteIO
import Checkpoints
import Parallelism
package import Streaming
import Synchronization
import TensorCore

/// An adapter as a person looks at it: its modules in natural order, with the sizes of what they add.
package struct AdapterListing: Sendable {
    /// Frobenius norms of one module's factors.
    package struct Norms: Sendable, Hashable {
        package let a: Double
        package let b: Double
        /// Of `scaling * (B @ A)`. DoRA rescales the sum with the base's weight besides, which only the base can tell.
        package let delta: Double
    }

    package struct Row: Sendable {
        package let module: AdapterModule
        /// Name of the layer it belongs to (`model.layers.0`), or nil outside of numbered layers.
        package let layer: String?
        /// Nil where there are no low-rank factors.
        package let norms: Norms?

        /// The name without that of its layer.
        package var shortName: String { layer.map { String(module.name.dropFirst($0.count + 1)) } ?? module.name }
    }

    package let adapter: Adapter
    package let rows: [Row]

    /// Reads all factors.
    package init(_ adapter: Adapter, resources: Resources) throws {
        let norms = Mutex([Norms?](repeating: nil, count: adapter.modules.count))
        try resources.pool.forEach(count: adapter.modules.count) { index, _ in
            guard let update = adapter.modules[index].update else { return }
            let found = try Self.norms(of: update, in: adapter.withRowsAsStored)
            norms.withLock { $0[index] = found }
            resources.progress(update.a.info.byteCount + update.b.info.byteCount)
        }
        let found = norms.withLock { $0 }
        self.adapter = adapter
        rows = Self.naturalOrder(of: adapter.modules).map { index in
            let module = adapter.modules[index]
            return Row(module: module, layer: LayerListing.layer(of: module.parameterName), norms: found[index])
        }
    }

    /// Ranks and scalings that occur, with the number of modules that have them; the most frequent first.
    package var forms: [(rank: Int, alpha: Double, scaling: Double, count: Int)] {
        struct Form: Hashable {
            let rank: Int, alpha: Double, scaling: Double
        }
        let counts = rows.compactMap(\.module.update).reduce(into: [Form: Int]()) { counts, update in
            counts[Form(rank: update.rank, alpha: update.alpha, scaling: update.scaling), default: 0] += 1
        }
        return counts.map { ($0.key.rank, $0.key.alpha, $0.key.scaling, $0.value) }
            .sorted { ($1.3, $0.0, $0.1) < ($0.3, $1.0, $1.1) }
    }

    /// Norm of the deltas of all modules together.
    package var deltaNorm: Double {
        rows.reduce(0) { $0 + ($1.norms.map { $0.delta * $0.delta } ?? 0) }.squareRoot()
    }

    /// What is done to one module stays together, the low-rank factors first.
    private static func naturalOrder(of modules: [AdapterModule]) -> [Int] {
        modules.indices.sorted { first, second in
            let names = (modules[first].name, modules[second].name)
            return NaturalOrder.precedes(names.0, names.1) || !NaturalOrder.precedes(names.1, names.0) && first < second
        }
    }

    /// Without forming the delta, which can be a hundred times larger than its factors:
    /// |BA|^2 = trace(A A^T B^T B), a product of two matrices of rank x rank.
    static func norms(of update: LowRankUpdate, in adapter: Adapter) throws(FileError) -> Norms {
        let rank = update.rank
        let gramA = GramMatrix(ofRows: try adapter.values(of: update.a), count: rank)
        let gramB = GramMatrix(ofColumns: try adapter.values(of: update.b), count: rank)
        let product = zip(gramA.values, gramB.values).reduce(0) { $0 + $1.0 * $1.1 }
        return Norms(
            a: gramA.trace.squareRoot(), b: gramB.trace.squareRoot(), delta: update.scaling.magnitude * max(0, product).squareRoot())
    }
}

/// Inner products of the rows, or of the columns, of a matrix, in double precision.
struct GramMatrix {
    /// [count, count], symmetric.
    private(set) var values: [Double]
    private let count: Int

    /// - Parameter matrix: [count, n], row-major.
    init(ofRows matrix: [Float], count: Int) {
        self.count = count
        values = Array(repeating: 0, count: count * count)
        let length = matrix.count / count
        for i in 0..<count {
            for j in 0...i {
                let product = Self.product(matrix.span, i * length, j * length, length)
                values[i * count + j] = product
                values[j * count + i] = product
            }
        }
    }

    /// - Parameter matrix: [n, count], row-major.
    init(ofColumns matrix: [Float], count: Int) {
        let length = matrix.count / count
        var transposed = [Float](repeating: 0, count: matrix.count)
        matrix.withUnsafeBytes { input in
            transposed.withUnsafeMutableBytes { output in
                MatrixTransposition.transpose(input, rows: length, columns: count, elementByteCount: 4, into: output)
            }
        }
        self.init(ofRows: transposed, count: count)
    }

    var trace: Double { (0..<count).reduce(0) { $0 + values[$1 * count + $1] } }

    private static func product(_ values: Span<Float>, _ first: Int, _ second: Int, _ count: Int) -> Double {
        var sums = SIMD8<Double>(repeating: 0)
        var index = 0
        while index + 8 <= count {
            var a = SIMD8<Double>(), b = SIMD8<Double>()
            for lane in 0..<8 {
                a[lane] = Double(values[first + index + lane])
                b[lane] = Double(values[second + index + lane])
            }
            sums += a * b
            index += 8
        }
        var sum = sums.sum()
        while index < count {
            sum += Double(values[first + index]) * Double(values[second + index])
            index += 1
        }
        return sum
    }
}
