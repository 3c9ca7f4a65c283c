package import Adapters
import Architectures
package import ByteIO
import Checkpoints
import TensorCore
package import Transformer

extension LoadedModel {
    /// The model's weights with adapters on top, which are computed beside the base: nothing of it is copied or changed.
    ///
    /// - Parameters:
    ///   - bound: to this model, by `bound(_:)`.
    ///   - engine: computes the lengths of rows that DoRA needs.
    package func weights(with bound: BoundAdapters, engine: MatrixEngine) throws(FileError) -> ModelWeights {
        var application = AdapterApplication(self, bound, engine: engine)
        try application.run()
        return application.weights
    }

    /// The same with adapters that are bound for this alone.
    package func weights(
        with adapters: [(adapter: Adapter, factor: Float)], engine: MatrixEngine
    ) throws(FileError) -> ModelWeights {
        try weights(with: bound(adapters), engine: engine)
    }

    /// Adapters in the places of the model that they change.
    ///
    /// - Parameter adapters: each with a factor for what it adds. What one replaces as a whole must not be replaced by another,
    ///   and has no factor but 1.
    package func bound(_ adapters: [(adapter: Adapter, factor: Float)]) throws(FileError) -> BoundAdapters {
        try BoundAdapters(adapters.map { WeightedAdapter($0.adapter, weight: Double($0.factor)) }, to: adapterBase)
    }

    /// The parameters of the model under their canonical names.
    private var adapterBase: AdapterBase { AdapterBase(configuration, path: checkpoint.path) }
}

/// Puts bound adapters on the weights of a model.
private struct AdapterApplication {
    private(set) var weights: ModelWeights
    private let bound: BoundAdapters
    private let configuration: ModelDescription
    private let path: String
    private let engine: MatrixEngine
    private let parameters: [BaseParameter]

    init(_ model: LoadedModel, _ bound: BoundAdapters, engine: MatrixEngine) {
        weights = model.weights
        configuration = model.configuration
        path = model.checkpoint.path
        self.bound = bound
        self.engine = engine
        parameters = bound.base.parameters
    }

    mutating func run() throws(FileError) {
        let head = configuration.name(.head) + ".weight", embedding = configuration.name(.embedding) + ".weight"
        for (index, outcome) in bound.outcomes.sorted(by: { $0.key < $1.key }) {
            try apply(outcome, to: parameters[index].name, orientation: parameters[index].orientation)
            if configuration.head.isTied, bound.untiedHead == nil, parameters[index].name == embedding { try apply(outcome, to: head) }
        }
        if let outcome = bound.untiedHead { try apply(outcome, to: head) }
        for bias in bound.addedBiases { try addBias(bias.terms, to: bias.isTiedHead ? configuration.name(.head) : bias.module) }
    }

    private mutating func apply(_ outcome: BoundAdapters.Outcome, to name: String, orientation: Orientation = .outputsByInputs)
        throws(FileError)
    {
        if let table = outcome.table { try replace(name, by: table.tensor, of: table.adapter) }
        switch outcome.change?.kind {
        case nil: return
        case .lowRank(let terms): for term in terms { try add(term, to: name) }
        case .experts: preconditionFailure("experts are changed one by one beside the base")
        case .rescaled(let term, let magnitude): try addRescaled(term, magnitude, to: name)
        case .bias(let terms): try addBias(terms, to: String(name.dropLast(".bias".count)))
        case .replaced(let adapter, let tensor): try replace(name, by: tensor, of: adapter, orientation: orientation)
        case .rows(let adapter, let tensor, let indices): try replaceRows(indices, of: name, by: tensor, of: adapter)
        }
    }

    private func values(_ tensor: AdapterTensor, of adapter: Int) throws(FileError) -> [Float] {
        try bound.adapters[adapter].adapter.values(of: tensor)
    }

    private func path(of adapter: Int) -> String { bound.adapters[adapter].adapter.path }

    // MARK: - What is added

    private mutating func add(_ term: WeightChange.Term, to name: String) throws(FileError) {
        let isTable = name != configuration.name(.head) + ".weight" && isTable(name)
        let factors = try factors(term, ofTable: isTable)
        guard !isTable else { return try changeTable(named: name, of: term.adapter) { $0.updates.append(factors) } }
        guard changeLayer(String(name.dropLast(".weight".count)), { $0.updates.append(factors) }) else {
            throw FileError(path(of: term.adapter), "'\(name)' is no linear layer and no embedding of \(path)")
        }
    }

    /// The factors as a linear layer has them, A [r, in] and B [out, r]; or as a table has them, A [r, V] and B [C, r].
    ///
    /// Of a head that is tied to an embedding, one is the transpose of the other: B^T and A^T.
    private func factors(_ term: WeightChange.Term, ofTable: Bool) throws(FileError) -> LowRankFactors {
        var a = try values(term.update.a, of: term.adapter), b = try values(term.update.b, of: term.adapter)
        let rank = term.update.rank
        if term.isEmbedding != ofTable { (a, b) = (Self.transposed(b, columns: rank), Self.transposed(a, columns: a.count / rank)) }
        for index in b.indices { b[index] *= term.scale }
        return LowRankFactors(rank: rank, a: a, b: b)
    }

    private static func transposed(_ values: [Float], columns: Int) -> [Float] {
        let rows = values.count / columns
        return [Float](unsafeUninitializedCapacity: values.count) { output, count in
            values.withUnsafeBytes { input in
                MatrixTransposition.transpose(
                    input, rows: rows, columns: columns, elementByteCount: 4, into: UnsafeMutableRawBufferPointer(output))
            }
            count = values.count
        }
    }

    /// DoRA.
    private mutating func addRescaled(_ term: WeightChange.Term, _ magnitude: AdapterTensor, to name: String) throws(FileError) {
        let lengths = try values(magnitude, of: term.adapter)
        let (plain, engine) = (try factors(term, ofTable: false), engine)
        let isFound = changeLayer(String(name.dropLast(".weight".count))) { layer in
            let rowGains = engine.rowGains(lengths, layer.matrix, plain)
            var b = plain.b
            for index in b.indices { b[index] *= rowGains[index / plain.rank] }
            layer.updates.append(LowRankFactors(rank: plain.rank, a: plain.a, b: b, rowGains: rowGains.map { $0 - 1 }))
        }
        guard isFound else {
            throw FileError(
                path(of: term.adapter), "has a DoRA magnitude for '\(name)', which is no linear layer of \(path)",
                hint: "merge it into the base and run the result")
        }
    }

    private mutating func addBias(_ terms: [(adapter: Int, tensor: AdapterTensor, scale: Float)], to module: String) throws(FileError) {
        for term in terms {
            let added = try values(term.tensor, of: term.adapter)
            let isFound = changeLayer(module) { layer in
                var bias = layer.bias ?? Array(repeating: 0, count: added.count)
                for index in bias.indices { bias[index] += added[index] * term.scale }
                layer.bias = bias
            }
            guard isFound else { throw FileError(path(of: term.adapter), "'\(module)' is no linear layer of \(path)") }
        }
    }

    // MARK: - What is replaced

    private mutating func replaceRows(
        _ indices: [Int], of name: String, by tensor: AdapterTensor, of adapter: Int
    ) throws(FileError) {
        let values = try values(tensor, of: adapter)
        let width = tensor.dimensions[1]
        for (position, id) in indices.enumerated() {
            let row = Array(values[position * width..<(position + 1) * width])
            if name == configuration.name(.head) + ".weight" {
                weights.replacedHeadRows[id] = row
            } else {
                try changeTable(named: name, of: adapter) { $0.replacedRows[id] = row }
            }
        }
    }

    /// Takes a whole parameter of the adapter in the place of the base's.
    private mutating func replace(
        _ name: String, by tensor: AdapterTensor, of adapter: Int, orientation: Orientation = .outputsByInputs
    ) throws(FileError) {
        let values = try values(tensor, of: adapter)
        let (module, isBias) = name.hasSuffix(".bias") ? (String(name.dropLast(5)), true) : (String(name.dropLast(7)), false)
        var isFound = changeLayer(module) { layer in
            if isBias { layer.bias = values } else { layer.matrix = Self.matrix(values, tensor.dimensions, orientation: orientation) }
        }
        weights.forEachNorm { norm in
            guard norm.name == module else { return }
            isFound = true
            if isBias { norm.bias = values } else { norm.weight = values }
        }
        if isFound { return }
        try changeTable(named: name, of: adapter) { $0.matrix = Self.matrix(values, tensor.dimensions, orientation: .outputsByInputs) }
    }

    // MARK: - Where

    /// False where there is no linear layer of this name.
    private mutating func changeLayer(_ module: String, _ change: (inout LinearLayer) -> Void) -> Bool {
        var isFound = false
        weights.forEachLinearLayer { layer in
            guard layer.name == module else { return }
            isFound = true
            change(&layer)
        }
        return isFound
    }

    private func isTable(_ name: String) -> Bool {
        name == weights.embedding.name + ".weight" || name == weights.positions.map { $0.name + ".weight" }
    }

    private mutating func changeTable(
        named name: String, of adapter: Int, _ change: (inout EmbeddingTable) -> Void
    ) throws(FileError) {
        if name == weights.embedding.name + ".weight" {
            change(&weights.embedding)
        } else if var positions = weights.positions, name == positions.name + ".weight" {
            change(&positions)
            weights.positions = positions
        } else {
            throw FileError(path(of: adapter), "'\(name)' is no embedding of \(path)")
        }
    }

    private static func matrix(_ values: [Float], _ dimensions: [Int], orientation: Orientation) -> WeightMatrix {
        let copy = OwnedBytes(byteCount: 4 * values.count)
        values.withUnsafeBytes { copy.buffer.copyMemory(from: $0) }
        let sizes = orientation.sizes(of: dimensions)
        return WeightMatrix(
            dense: UnsafeRawBufferPointer(copy.buffer), of: .f32, outputCount: sizes.outputs, inputCount: sizes.inputs,
            orientation: orientation, owner: copy)
    }
}

extension MatrixEngine {
    /// Rows expanded at once.
    private static let rowsAtOnce = 16

    /// For each output, what DoRA multiplies its row of W + delta by: the magnitude over the length of the row.
    fileprivate func rowGains(_ magnitude: [Float], _ matrix: WeightMatrix, _ update: LowRankFactors) -> [Float] {
        let inputCount = matrix.inputCount
        var gains = magnitude
        for start in stride(from: 0, to: matrix.outputCount, by: Self.rowsAtOnce) {
            let count = min(Self.rowsAtOnce, matrix.outputCount - start)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: count * inputCount) { rows in
                matrix.readRows(start..<start + count, into: rows)
                update.a.withUnsafeBufferPointer { a in
                    update.b.withUnsafeBufferPointer { b in
                        product(
                            UnsafeBufferPointer(rebasing: b[start * update.rank..<(start + count) * update.rank]), a, m: count,
                            n: inputCount, k: update.rank, beta: 1, into: rows)
                    }
                }
                for row in 0..<count {
                    var sum = 0.0
                    for value in rows[row * inputCount..<(row + 1) * inputCount] { sum += Double(value) * Double(value) }
                    gains[start + row] = Float(Double(magnitude[start + row]) / sum.squareRoot())
                }
            }
        }
        return gains
    }
}
