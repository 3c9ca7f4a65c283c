import Adapters
import ByteIO
package import Checkpoints
import JSONText
import LinearAlgebra
import Merging
import Parallelism
package import Streaming
import Synchronization
import TensorCore

/// An adapter made of the difference of two models: factors by singular values, and whole what is no matrix of a layer.
package struct AdapterExtraction: Sendable {
    package struct Row: Sendable {
        package let module: String
        /// Nil of what is kept whole.
        package let rank: Int?
        /// ||D|| / ||W||; nil where the base has no such numbers.
        package let deltaRatio: Double?
        /// Share of the squared norm of the difference that the adapter has.
        package let keptEnergy: Double
    }

    private let base: Checkpoint
    private let tuned: Checkpoint
    private let resources: Resources
    private let plan: ExtractionPlan

    /// Compares the two models.
    ///
    /// - Parameter rank: of every module, but where a weight is smaller.
    /// - Throws: where the models are not of the same tensors, or do not differ.
    package init(base: Checkpoint, tuned: Checkpoint, rank: Int, resources: Resources) throws {
        precondition(rank > 0, "an adapter has at least rank 1")
        plan = try ExtractionPlan(base: MergeBase(base), tuned: MergeBase(tuned), rank: rank) { pairs in
            try Self.differing(pairs, base, tuned, resources)
        }
        self.base = base
        self.tuned = tuned
        self.resources = resources
        guard moduleCount > 0 || !plan.leftOut.isEmpty else {
            throw OperationError("no tensor differs between \(base.path) and \(tuned.path)")
        }
    }

    package var moduleCount: Int { pairs.count + plan.wholes.count }

    /// Tensors that differ and have no place in an adapter, with the reason: with one of them it would not lead to the tuned model.
    package var leftOut: [(name: String, reason: String)] { plan.leftOut }

    private var pairs: [ExtractionPlan.Pair] { plan.pairs }

    /// Writes a `.lora` file, complete or not at all. A thread holds one weight and about four times its memory in work.
    package func run(path: String, replaces: Bool, tool: String) throws -> [Row] {
        precondition(leftOut.isEmpty, "an adapter that lacks something is not written")
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: base.inputFiles + tuned.inputFiles)
        let layout = AdapterPlan(
            configuration: try configuration(), tensors: pairs.flatMap(factorInfos) + (try plan.wholes.map(info)),
            baseFingerprint: base.metadata?.fingerprint.description, tool: tool)
        let writer = try AdapterWriter(.lora, of: layout, to: output)
        let places = Dictionary(uniqueKeysWithValues: layout.tensors.enumerated().map { (ByteKey($1.name), $0) })
        @Sendable func write(_ values: [Float], _ info: TensorInfo) throws {
            guard let place = places[ByteKey(info.name)] else { preconditionFailure("the plan has every tensor") }
            try writer.write(values, tensor: place)
        }
        let rows = Mutex([Row?](repeating: nil, count: moduleCount))
        try resources.pool.forEach(count: moduleCount) { index, _ in
            let row: Row
            if index < pairs.count {
                let (measured, left, right) = try factors(pairs[index])
                for (info, matrix) in zip(factorInfos(pairs[index]), Self.matrices(pairs[index], left, right)) {
                    try write(matrix.elements, info)
                }
                row = measured
            } else {
                let whole = plan.wholes[index - pairs.count]
                let values = try tuned.reader(of: whole.tuned).allElements()
                try write(values, try info(whole))
                row = try self.row(whole, values)
            }
            rows.withLock { $0[index] = row }
            resources.progress(1)
        }
        try output.commit(writer.finish())
        return rows.withLock { $0.compactMap { $0 } }
    }

    // MARK: - Form

    private func configuration() throws(FileError) -> AdapterConfiguration {
        var others: [(key: String, value: JSONValue)] = []
        if !plan.modulesToSave.isEmpty { others.append(("modules_to_save", .strings(plan.modulesToSave))) }
        if plan.hasBiases { others.append(("bias", .string(AdapterConfiguration.Bias.all.rawValue))) }
        if plan.ensuresWeightTying { others.append(("ensure_weight_tying", .bool(true))) }
        return try AdapterConfiguration.combined(
            modules: pairs.flatMap { pair in [(pair.module, pair.rank)] + (pair.tiedHead.map { [($0, pair.rank)] } ?? []) },
            fanInFanOut: !pairs.isEmpty && pairs.allSatisfy { $0.base.orientation == .inputsByOutputs }, baseModelName: nil, others: others)
    }

    /// B and A of a linear layer; those of an embedding; those of both where they are tied.
    private func factorInfos(_ pair: ExtractionPlan.Pair) -> [TensorInfo] {
        let dimensions = pair.base.shape.dimensions
        let (outputs, inputs) = pair.base.orientation.sizes(of: dimensions)
        let linear: [(AdapterPlan.Factor, [Int])] = [(.a, [pair.rank, inputs]), (.b, [outputs, pair.rank])]
        let embedding: [(AdapterPlan.Factor, [Int])] = [(.embeddingA, [pair.rank, outputs]), (.embeddingB, [inputs, pair.rank])]
        let own = (pair.isEmbedding ? embedding : linear).map { (pair.module, $0.0, $0.1) }
        let head = pair.tiedHead.map { name in linear.map { (name, $0.0, $0.1) } } ?? []
        return (own + head).map { module, factor, dimensions in
            guard let shape = Shape(dimensions),
                let info = TensorInfo(name: AdapterPlan.name(of: module, factor), scalarType: .f32, shape: shape)
            else { preconditionFailure("factors are smaller than their weight") }
            return info
        }
    }

    /// The product left @ right in the order of `factorInfos`.
    private static func matrices(_ pair: ExtractionPlan.Pair, _ left: Matrix, _ right: Matrix) -> [Matrix] {
        guard pair.isEmbedding else { return [right, left] }
        return [left.transposed, right.transposed] + (pair.tiedHead == nil ? [] : [right, left])
    }

    private func info(_ whole: ExtractionPlan.Whole) throws -> TensorInfo {
        let type = whole.tuned.scalarType.isNarrowable ? whole.tuned.scalarType : .f32
        let part = whole.isBesideFactors ? ".base_layer.\(whole.parameter)" : ".\(whole.parameter)"
        guard let info = TensorInfo(name: AdapterPlan.prefix + whole.module + part, scalarType: type, shape: whole.tuned.shape) else {
            throw OperationError("'\(whole.module)' of shape \(whole.tuned.shape) is too large as \(type.rawValue)")
        }
        return info
    }

    // MARK: - Measures

    private func row(_ whole: ExtractionPlan.Whole, _ values: [Float]) throws -> Row {
        let name = "\(whole.module).\(whole.parameter)"
        guard let tensor = whole.base else { return Row(module: name, rank: nil, deltaRatio: nil, keptEnergy: 1) }
        let before = try base.reader(of: tensor).allElements()
        var squares = 0.0, difference = 0.0
        for index in before.indices {
            let delta = Double(values[index]) - Double(before[index])
            difference += delta * delta
            squares += Double(before[index]) * Double(before[index])
        }
        return Row(module: name, rank: nil, deltaRatio: squares == 0 ? nil : (difference / squares).squareRoot(), keptEnergy: 1)
    }

    private func factors(_ pair: ExtractionPlan.Pair) throws -> (Row, left: Matrix, right: Matrix) {
        let values = try base.reader(of: pair.base, order: .outputsByInputs)
        var difference = Matrix(
            rows: values.rows, columns: values.columns,
            elements: try tuned.reader(of: pair.tuned, order: .outputsByInputs).allElements())
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
            return (row, cut.left, cut.right)
        } catch {
            throw FileError(tuned.path, at: "tensor '\(pair.base.name)'", "its difference to the base: \(error.description)")
        }
    }

    /// Which pairs of tensors do not hold the same numbers; of what holds no floating-point numbers, the same bytes.
    private static func differing(
        _ pairs: [(base: LogicalTensor, tuned: LogicalTensor)], _ base: Checkpoint, _ tuned: Checkpoint, _ resources: Resources
    ) throws -> [Bool] {
        let result = Disjoint(repeating: false, count: pairs.count)
        try resources.pool.forEach(count: pairs.count) { index, _ in
            let pair = pairs[index]
            let isDifferent: Bool
            if pair.base.scalarType.isQuantizable, pair.tuned.scalarType.isQuantizable {
                let first = try base.reader(of: pair.base, order: .outputsByInputs).allElements()
                isDifferent = try first != tuned.reader(of: pair.tuned, order: .outputsByInputs).allElements()
            } else {
                isDifferent = try pair.base.scalarType != pair.tuned.scalarType || base.bytes(of: pair.base) != tuned.bytes(of: pair.tuned)
            }
            result[index] = isDifferent
        }
        return result.values
    }
}

extension Checkpoint {
    /// The stored bytes of a plain tensor.
    fileprivate func bytes(of tensor: LogicalTensor) throws(FileError) -> [UInt8] {
        guard case .plain(let index) = tensor.storage else { preconditionFailure("4-bit weights hold floating-point numbers") }
        return try source.bytes(ofTensor: index)
    }
}
