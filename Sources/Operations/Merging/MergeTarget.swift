import Adapters
import ByteIO
import CKernels
import Checkpoints
import Streaming
import TensorCore

/// What one tensor becomes, computed a run of elements at a time in the order in which it is worked on.
struct MergeTarget: Sendable {
    private enum Content: Sendable {
        case lowRank(DeltaFactors)
        /// Factors by rows or by columns of the matrix as it is worked on.
        case rescaled(DeltaFactors, factors: [Float], byRows: Bool)
        case sum([Float])
        case replaced(Adapter, AdapterTensor)
        /// The same in memory, turned as the matrix is worked on.
        case whole([Float])
        /// The values of the rows, and where in them each row of the tensor begins.
        case rows([Float], starts: [Int: Int])
    }

    private let content: Content
    private let columns: Int

    init(_ change: WeightChange, of adapters: [WeightedAdapter], values: ElementReader) throws {
        columns = values.columns
        switch change.kind {
        case .lowRank(let terms):
            content = .lowRank(
                try DeltaFactors(terms, of: adapters, rows: values.rows, columns: values.columns, orientation: values.orientation))
        case .experts(let experts):
            content = .lowRank(
                try DeltaFactors(
                    experts, matrixCount: values.matrixCount, of: adapters, rows: values.rows, columns: values.columns,
                    orientation: values.orientation))
        case .rescaled: preconditionFailure("lengths of rows are taken first")
        case .bias(let biases):
            var sum = [Float](repeating: 0, count: values.tensor.elementCount)
            for bias in biases {
                let added = try adapters[bias.adapter].adapter.values(of: bias.tensor)
                for index in sum.indices { sum[index] += added[index] * bias.scale }
            }
            content = .sum(sum)
        case .replaced(let adapter, let tensor):
            let adapter = adapters[adapter].adapter
            guard values.tensor.orientation == values.orientation else {
                content = .whole(Self.turned(try adapter.values(of: tensor), as: values))
                break
            }
            content = .replaced(adapter, tensor)
        case .rows(let adapter, let tensor, let indices):
            let starts = indices.enumerated().map { ($0.element, $0.offset * values.columns) }
            content = .rows(try adapters[adapter].adapter.values(of: tensor), starts: Dictionary(starts, uniquingKeysWith: { $1 }))
        }
    }

    /// A whole tensor as it is worked on, [out, in]; of several matrices each by itself.
    private static func turned(_ stored: [Float], as values: ElementReader) -> [Float] {
        let count = stored.count / values.matrixCount
        return (0..<values.matrixCount).flatMap { number in
            DeltaFactors.transposed(
                Array(stored[number * count..<(number + 1) * count]), rows: values.columns, columns: values.rows / values.matrixCount)
        }
    }

    /// DoRA.
    ///
    /// - Parameters:
    ///   - lengths: of the rows of base + delta, taken as [out, in].
    ///   - magnitudes: what they are to be.
    init(_ factors: DeltaFactors, lengths: [Float], magnitudes: [Float], orientation: Orientation) {
        columns = factors.columns
        content = .rescaled(factors, factors: zip(magnitudes, lengths).map { $0 / $1 }, byRows: orientation == .outputsByInputs)
    }

    /// The deltas, where they alone are what is added: undoing can subtract them again.
    var addedFactors: DeltaFactors? {
        if case .lowRank(let factors) = content { factors } else { nil }
    }

    /// Fills `target` with the merged elements in float32, and `delta` with what they are more than those of the base.
    ///
    /// - Parameter base: the elements `range` of the base.
    func fill(
        _ range: Range<Int>, base: UnsafeBufferPointer<Float>, delta: UnsafeMutableBufferPointer<Float>,
        target: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        guard let w = base.baseAddress, let d = delta.baseAddress, let t = target.baseAddress else { return }
        let count = range.count
        switch content {
        case .lowRank(let factors):
            factors.fill(range, into: d)
            qk_add(w, d, count, t)
            return
        case .sum(let sum):
            for index in 0..<count { d[index] = sum[range.lowerBound + index] }
            qk_add(w, d, count, t)
            return
        case .rescaled(let factors, let scales, let byRows):
            factors.fill(range, into: d)
            qk_add(w, d, count, t)
            for index in 0..<count {
                let (row, column) = (range.lowerBound + index).quotientAndRemainder(dividingBy: columns)
                t[index] = scales[byRows ? row : column] * t[index]
            }
        case .replaced(let adapter, let tensor):
            var span = MutableSpan(_unsafeElements: target)
            try adapter.read(tensor, from: range.lowerBound, into: &span)
        case .whole(let values):
            for index in 0..<count { t[index] = values[range.lowerBound + index] }
        case .rows(let values, let starts):
            t.update(from: w, count: count)
            for row in range.lowerBound / columns...(range.upperBound - 1) / columns {
                guard let start = starts[row] else { continue }
                let part = range.clamped(to: row * columns..<(row + 1) * columns)
                for index in part { t[index - range.lowerBound] = values[start + index - row * columns] }
            }
        }
        qk_subtract(t, w, count, d)
    }
}
