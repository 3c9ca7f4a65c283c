import Adapters
import ByteIO
package import Checkpoints
import JSONText
import LinearAlgebra
package import Operations
import Parallelism
import Synchronization
import TensorCore

/// A LoRA adapter made of the difference of two models, by singular values.
package struct AdapterExtraction: Sendable {
    package struct Row: Sendable {
        package let module: String
        package let rank: Int
        /// ||D|| / ||W||
        package let deltaRatio: Double
        /// Share of the squared norm of the difference that the adapter has.
        package let keptEnergy: Double
    }

    private struct Pair: Sendable {
        let module: String
        let base: LogicalTensor
        let tuned: LogicalTensor
        let rank: Int
    }

    private let base: Checkpoint
    private let tuned: Checkpoint
    private let resources: Resources
    private let pairs: [Pair]
    /// Tensors that differ, but are no weights of linear layers: an adapter of factors cannot hold them.
    package let leftOut: [String]

    /// Compares the two models.
    ///
    /// - Parameter rank: of every module, but where a weight is smaller.
    /// - Throws: where the models are not of the same tensors, or do not differ.
    package init(base: Checkpoint, tuned: Checkpoint, rank: Int, resources: Resources) throws {
        precondition(rank > 0, "an adapter has at least rank 1")
        let names = Dictionary(tuned.tensors.map { (ByteKey($0.name), $0) }, uniquingKeysWith: { first, _ in first })
        var candidates: [(base: LogicalTensor, tuned: LogicalTensor)] = []
        for tensor in base.tensors {
            guard let other = names[ByteKey(tensor.name)] else {
                throw FileError(tuned.path, "has no '\(tensor.name)', which \(base.path) has", hint: "both must be the same model")
            }
            guard other.shape == tensor.shape else {
                throw FileError(
                    tuned.path, at: "tensor '\(tensor.name)'", "has shape \(other.shape), but in \(base.path) \(tensor.shape)",
                    hint: "an adapter cannot change shapes")
            }
            if tensor.scalarType.isQuantizable, other.scalarType.isQuantizable { candidates.append((tensor, other)) }
        }
        let differs = try Self.differing(candidates, base, tuned, resources)
        var pairs: [Pair] = []
        var leftOut: [String] = []
        for (pair, isDifferent) in zip(candidates, differs) where isDifferent {
            let role = LinearLayers.role(of: pair.base.name, shape: pair.base.shape)
            guard role == .linear || role == .head, pair.base.name.hasSuffix(".weight") else {
                leftOut.append(pair.base.name)
                continue
            }
            pairs.append(
                Pair(
                    module: String(pair.base.name.dropLast(".weight".count)), base: pair.base, tuned: pair.tuned,
                    rank: min(rank, pair.base.shape.dimensions.min() ?? 1)))
        }
        guard !pairs.isEmpty else {
            throw OperationError(
                "no weight of a linear layer differs between \(base.path) and \(tuned.path)",
                hint: leftOut.isEmpty
                    ? nil : "\(leftOut.count) other tensors do, such as '\(leftOut[0])'; an adapter of factors cannot hold them")
        }
        self.base = base
        self.tuned = tuned
        self.resources = resources
        self.pairs = pairs.sorted { $0.module.utf8.lexicographicallyPrecedes($1.module.utf8) }
        self.leftOut = leftOut.sorted(by: NaturalOrder.precedes)
    }

    package var moduleCount: Int { pairs.count }

    /// Writes a `.lora` file, complete or not at all. A thread holds one weight and about four times its memory in work.
    package func run(path: String, replaces: Bool, tool: String) throws -> [Row] {
        let infos = try pairs.map(infos)
        let plan = AdapterPlan(
            configuration: try AdapterConfiguration.combined(
                modules: pairs.map { ($0.module, $0.rank) }, fanInFanOut: pairs.allSatisfy(\.base.isConv1D), baseModelName: nil),
            tensors: infos.flatMap { $0 }, baseFingerprint: base.metadata?.fingerprint.description, tool: tool)
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: base.inputFiles + tuned.inputFiles)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        let places = Dictionary(uniqueKeysWithValues: plan.tensors.enumerated().map { (ByteKey($1.name), $0) })
        let rows = Mutex([Row?](repeating: nil, count: pairs.count))
        try resources.pool.forEach(count: pairs.count) { index, _ in
            let (row, a, b) = try factors(pairs[index])
            for (info, matrix) in zip(infos[index], [a, b]) {
                guard let place = places[ByteKey(info.name)] else { preconditionFailure("the plan has every factor") }
                try writer.write(matrix.elements, tensor: place)
            }
            rows.withLock { $0[index] = row }
            resources.progress(1)
        }
        try output.commit(writer.finish())
        return rows.withLock { $0.compactMap { $0 } }
    }

    private func infos(_ pair: Pair) throws -> [TensorInfo] {
        let dimensions = pair.base.shape.dimensions
        let (outputs, inputs) = pair.base.isConv1D ? (dimensions[1], dimensions[0]) : (dimensions[0], dimensions[1])
        let factors: [(AdapterPlan.Factor, [Int])] = [(.a, [pair.rank, inputs]), (.b, [outputs, pair.rank])]
        return factors.map { factor, dimensions in
            guard let shape = Shape(dimensions),
                let info = TensorInfo(name: AdapterPlan.name(of: pair.module, factor), scalarType: .f32, shape: shape)
            else { preconditionFailure("factors are smaller than their weight") }
            return info
        }
    }

    private func factors(_ pair: Pair) throws -> (Row, a: Matrix, b: Matrix) {
        let values = try BaseValues(base, pair.base, asQuantized: true)
        var difference = Matrix(
            rows: values.rows, columns: values.columns,
            elements: try BaseValues(tuned, pair.tuned, asQuantized: true).allElements())
        let original = try values.allElements()
        var squares = 0.0
        for index in original.indices {
            difference.elements[index] -= original[index]
            squares += Double(original[index]) * Double(original[index])
        }
        let norm = difference.squareSum
        do throws(LinearAlgebraError) {
            let cut = try LowRankProduct(truncating: difference, toRank: pair.rank)
            let row = Row(
                module: pair.module, rank: pair.rank, deltaRatio: (norm / squares).squareRoot(),
                keptEnergy: norm == 0 ? 1 : min(1, cut.keptSquareSum / norm))
            return (row, cut.right, cut.left)
        } catch {
            throw FileError(tuned.path, at: "tensor '\(pair.base.name)'", "its difference to the base: \(error.description)")
        }
    }

    /// Which pairs of tensors do not hold the same numbers.
    private static func differing(
        _ pairs: [(base: LogicalTensor, tuned: LogicalTensor)], _ base: Checkpoint, _ tuned: Checkpoint, _ resources: Resources
    ) throws -> [Bool] {
        let result = Mutex([Bool](repeating: false, count: pairs.count))
        try resources.pool.forEach(count: pairs.count) { index, _ in
            let first = try BaseValues(base, pairs[index].base, asQuantized: true).allElements()
            let second = try BaseValues(tuned, pairs[index].tuned, asQuantized: true).allElements()
            let isDifferent = first != second
            result.withLock { $0[index] = isDifferent }
        }
        return result.withLock { $0 }
    }
}
