package import Adapters
package import ByteIO
import Checkpoints
import TensorCore
package import Transformer

extension LoadedModel {
    /// The model's weights with adapters on top, which are computed beside the base: nothing of it is copied or changed.
    ///
    /// - Parameters:
    ///   - adapters: each with a factor for what it adds. What one replaces as a whole must not be replaced by another, and
    ///     has no factor but 1.
    ///   - engine: computes the lengths of rows that DoRA needs.
    package func weights(
        with adapters: [(adapter: Adapter, factor: Float)], engine: MatrixEngine
    ) throws(FileError) -> ModelWeights {
        var application = AdapterApplication(self, engine: engine)
        for (adapter, factor) in adapters { try application.add(adapter, factor: factor) }
        return application.weights
    }
}

/// Puts adapters on the weights of a model, one after the other.
private struct AdapterApplication {
    private(set) var weights: ModelWeights
    private let configuration: ModelConfiguration
    private let path: String
    private let engine: MatrixEngine
    private let parameters: [BaseParameter]
    /// What adapters have replaced so far, and which of them.
    private var replaced: [String: String] = [:]

    init(_ model: LoadedModel, engine: MatrixEngine) {
        weights = model.weights
        configuration = model.configuration
        path = model.checkpoint.path
        self.engine = engine
        parameters = model.configuration.expectedTensors.map { expected in
            guard let shape = Shape(expected.dimensions) else { preconditionFailure("the tensors of a loaded model have such shapes") }
            return BaseParameter(name: expected.name, shape: shape, isConv1D: expected.isConv1D)
        }
    }

    mutating func add(_ adapter: Adapter, factor: Float) throws(FileError) {
        let binding = try AdapterBinding(
            adapter, to: parameters, basePath: path,
            tiedEmbedding: configuration.hasTiedHead ? configuration.embeddingName + ".weight" : nil)
        for target in binding.targets {
            let module = adapter.modules[target.module]
            let name = target.isTiedHead ? configuration.headName + ".weight" : parameters[target.parameter].name
            switch module.change {
            case .linear(let update): try addLinear(update, to: name, of: adapter, factor: factor)
            case .embedding(let update): try addEmbedding(update, to: name, of: adapter, factor: factor)
            case .replacement(_, let tensor): try replace(name, by: tensor, of: adapter, factor: factor)
            case .rows(let tensor, let indices): try replaceRows(indices, of: name, by: tensor, of: adapter, factor: factor)
            }
        }
    }

    private mutating func addLinear(
        _ update: LowRankUpdate, to name: String, of adapter: Adapter, factor: Float
    ) throws(FileError) {
        let module = String(name.dropLast(".weight".count))
        let scaling = Float(update.scaling)
        let a = try adapter.values(of: update.a)
        var b = try adapter.values(of: update.b)
        var bias = try update.bias.map { tensor throws(FileError) in try adapter.values(of: tensor) }
        let magnitude = try update.magnitude.map { tensor throws(FileError) in try adapter.values(of: tensor) }
        for index in b.indices { b[index] *= scaling }
        if let values = bias { bias = values.map { $0 * scaling * factor } }
        var isFound = false
        try weights.forEachLinearLayer { layer throws(FileError) in
            guard layer.name == module else { return }
            isFound = true
            var gains: [Float]?
            if let magnitude {
                guard factor == 1 else { throw Self.weightedError(adapter, "a DoRA adapter of '\(module)'", factor) }
                let rowGains = engine.rowGains(magnitude, layer.matrix, LowRankFactors(rank: update.rank, a: a, b: b))
                for index in b.indices { b[index] *= rowGains[index / update.rank] }
                gains = rowGains.map { $0 - 1 }
            } else {
                for index in b.indices { b[index] *= factor }
            }
            layer.updates.append(LowRankFactors(rank: update.rank, a: a, b: b, bias: bias, rowGains: gains))
        }
        guard isFound else { throw FileError(adapter.path, "'\(module)' is no linear layer of \(path)") }
    }

    private mutating func addEmbedding(
        _ update: LowRankUpdate, to name: String, of adapter: Adapter, factor: Float
    ) throws(FileError) {
        guard update.magnitude == nil else {
            throw FileError(
                adapter.path, "has a DoRA magnitude for the embedding '\(name)', which cannot be run",
                hint: "merge it into the base and run the result")
        }
        let scaling = Float(update.scaling) * factor
        let factors = LowRankFactors(
            rank: update.rank, a: try adapter.values(of: update.a), b: try adapter.values(of: update.b).map { $0 * scaling })
        try changeTable(named: name, of: adapter) { $0.updates.append(factors) }
    }

    private mutating func replaceRows(
        _ indices: [Int], of name: String, by tensor: AdapterTensor, of adapter: Adapter, factor: Float
    ) throws(FileError) {
        try claim(name + " (rows)", for: adapter, factor: factor)
        let values = try adapter.values(of: tensor)
        let width = tensor.dimensions[1]
        for (position, id) in indices.enumerated() {
            let row = Array(values[position * width..<(position + 1) * width])
            try changeTable(named: name, of: adapter) { $0.replacedRows[id] = row }
            if configuration.hasTiedHead, name == configuration.embeddingName + ".weight" { weights.replacedHeadRows[id] = row }
        }
    }

    /// Takes a whole parameter of the adapter in the place of the base's.
    private mutating func replace(_ name: String, by tensor: AdapterTensor, of adapter: Adapter, factor: Float) throws(FileError) {
        try claim(name, for: adapter, factor: factor)
        let values = try adapter.values(of: tensor)
        let (module, isBias) = name.hasSuffix(".bias") ? (name.dropLast(5), true) : (name.dropLast(7), false)
        let isConv1D = parameters.first { $0.name == name }?.isConv1D ?? false
        var isFound = false
        weights.forEachLinearLayer { layer in
            guard layer.name == module else { return }
            isFound = true
            if isBias { layer.bias = values } else { layer.matrix = Self.matrix(values, tensor.dimensions, isConv1D: isConv1D) }
        }
        weights.forEachNorm { norm in
            guard norm.name == module else { return }
            isFound = true
            if isBias { norm.bias = values } else { norm.weight = values }
        }
        if isFound { return }
        try changeTable(named: name, of: adapter) { $0.matrix = Self.matrix(values, tensor.dimensions, isConv1D: false) }
    }

    private mutating func changeTable(
        named name: String, of adapter: Adapter, _ change: (inout EmbeddingTable) -> Void
    ) throws(FileError) {
        if name == weights.embedding.name + ".weight" {
            change(&weights.embedding)
        } else if var positions = weights.positions, name == positions.name + ".weight" {
            change(&positions)
            weights.positions = positions
        } else {
            throw FileError(adapter.path, "'\(name)' is no embedding of \(path)")
        }
    }

    private static func matrix(_ values: [Float], _ dimensions: [Int], isConv1D: Bool) -> WeightMatrix {
        let copy = OwnedBytes(byteCount: 4 * values.count)
        values.withUnsafeBytes { copy.buffer.copyMemory(from: $0) }
        return WeightMatrix(
            dense: UnsafeRawBufferPointer(copy.buffer), of: .f32, outputCount: dimensions[isConv1D ? 1 : 0],
            inputCount: dimensions[isConv1D ? 0 : 1], isTransposed: isConv1D, owner: copy)
    }

    /// Notes that an adapter replaces something whole.
    private mutating func claim(_ name: String, for adapter: Adapter, factor: Float) throws(FileError) {
        guard factor == 1 else { throw Self.weightedError(adapter, "'\(name)', which it replaces as a whole,", factor) }
        if let owner = replaced.updateValue(adapter.path, forKey: name) {
            throw FileError(adapter.path, "replaces '\(name)' as a whole, and so does \(owner)", hint: "use one of them at a time")
        }
    }

    private static func weightedError(_ adapter: Adapter, _ what: String, _ factor: Float) -> FileError {
        FileError(adapter.path, "\(what) cannot be weighted by \(factor)", hint: "only what adapters add can; leave the weight away")
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
