package import Architectures
import ByteIO
import CKernels
import Records
import TensorCore
import Transformer

/// Puts the layers of a model together, and the parameters that are trained.
struct NetworkBuilder {
    private let configuration: ModelDescription
    private let weights: ModelWeights
    private let tuning: Tuning
    private let expected: [String: ExpectedTensor]
    private let parameters: ParameterSet
    private let observer: GradientObserver?
    /// Slots by the names of their tensors.
    private let slots: [String: Int]
    /// What LoRA trains; nothing where everything is trained.
    private let places: FactorPlaces
    /// Weights whose constants are trained, by the names of their modules.
    private let scaledWeights: [String: ScaledWeight]

    /// - Throws: where there is no memory for what is trained.
    static func build(
        _ configuration: ModelDescription, _ weights: ModelWeights, tuning: Tuning, observer: GradientObserver? = nil
    ) throws(FileError) -> Network {
        try NetworkBuilder(configuration, weights, tuning: tuning, observer: observer).network()
    }

    private init(
        _ configuration: ModelDescription, _ weights: ModelWeights, tuning: Tuning, observer: GradientObserver?
    ) throws(FileError) {
        self.observer = observer
        self.configuration = configuration
        self.weights = weights
        self.tuning = tuning
        let all = configuration.expectedTensors
        expected = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
        var scaled: [(module: String, matrix: WeightMatrix, slot: Int)] = []
        switch tuning {
        case .full:
            places = FactorPlaces()
            parameters = try ParameterSet(all.map { ($0.name, Self.shape($0.dimensions)) })
        case .lowRank(let settings, _):
            places = FactorPlaces(configuration, settings)
            parameters = try ParameterSet(places.planned)
        case .constants(let normRate):
            places = FactorPlaces()
            var planned = all.filter(\.key.role.isNorm).map { ($0.name, Self.shape($0.dimensions)) }
            let normCount = planned.count
            for tensor in configuration.linearWeights {
                let matrix = weights.matrix(tensor.key)
                guard let blockSize = matrix.blockSize else { continue }
                scaled.append((tensor.module, matrix, planned.count))
                let blockCount = (matrix.outputCount * matrix.inputCount - 1) / blockSize + 1
                planned.append((ScaledWeight.slotName(of: tensor.name), Self.shape([blockCount])))
            }
            parameters = try ParameterSet(planned, rates: planned.indices.map { $0 < normCount ? normRate : 1 })
        }
        let tile = GradientTile()
        var found: [String: ScaledWeight] = [:]
        for weight in scaled { found[weight.module] = try ScaledWeight(weight.matrix, parameters, slot: weight.slot, tile: tile) }
        try tile.prepare()
        scaledWeights = found
        slots = Dictionary(parameters.slots.enumerated().map { ($1.name, $0) }) { first, _ in first }
        initialize()
    }

    /// Sizes that the configuration was checked for.
    private static func shape(_ dimensions: [Int]) -> Shape {
        guard let shape = Shape(dimensions) else { preconditionFailure("a checked configuration has shapes that can be counted") }
        return shape
    }

    /// Full tuning and that of constants begin with the model's weights.
    private func initialize() {
        switch tuning {
        case .full, .constants:
            for (index, slot) in parameters.slots.enumerated() {
                // What is no tensor of the model are factors of constants, which begin with 0.
                guard let tensor = expected[slot.name] else { continue }
                let values = floats(tensor)
                precondition(values.count == slot.count, "a loaded tensor has the shape of its configuration")
                parameters.value(index).update(from: values, count: slot.count)
            }
        case .lowRank(_, let seed): places.initialize(parameters, seed: seed)
        }
    }

    private func network() -> Network {
        let c = configuration
        let table = matrix(ModuleKey(.embedding))
        let positions = c.hasLearnedPositions ? vector(ModuleKey(.positions), .weight) : nil
        let head = OutputHead(
            norm: norm(ModuleKey(.finalNorm), c.finalNorm, width: c.width), weight: c.head.isTied ? table : matrix(ModuleKey(.head)),
            bias: vector(ModuleKey(.head), .bias), scale: c.head.scale, cap: c.head.cap,
            projection: c.embeddingWidth == c.width ? nil : matrix(ModuleKey(.outputProjection)), update: update(.outputProjection))
        return Network(
            configuration: c, tuning: tuning, places: places, parameters: parameters, scaledWeights: scaledWeights,
            embedding: EmbeddingLayer(
                tokens: table, positions: positions, positionOffset: c.positionOffset, scale: c.embeddingScale,
                norm: c.embeddingNorm.map { norm(ModuleKey(.embeddingNorm), $0, width: c.width) },
                projection: c.embeddingWidth == c.width ? nil : matrix(ModuleKey(.inputProjection)), update: update(.inputProjection)),
            blocks: c.layers.indices.map(block), head: head)
    }

    private func block(_ index: Int) -> TransformerBlock<TunableLinear> {
        let layer = configuration.layers[index]
        return TransformerBlock(layer) { role in
            let (width, rows, norm) = layer.norm(role, width: configuration.width)
            return self.norm(ModuleKey(role, layer: index), norm, width: width, rows: rows)
        } linear: { role in
            linear(ModuleKey(role, layer: index))
        } expert: { role, number in
            linear(ModuleKey(role, layer: index, expert: number))
        } sinks: {
            guard let sinks = vector(ModuleKey(.sinks, layer: index), .weight) else { preconditionFailure("every head has a sink") }
            return sinks
        }
    }

    // MARK: layers

    private func linear(_ key: ModuleKey) -> TunableLinear {
        let weight = matrix(key), module = configuration.spelling.module(key)
        // Of experts in one tensor the module is that of all.
        let layer = storedKey(key) == key ? module : "\(module).\(key.expert ?? 0)"
        var linear = TunableLinear(weight: weight, bias: vector(key, .bias), update: update(layer, weight))
        if let observer, key.expert == nil { linear.observer = { observer.show(module, $0, $1, $2) } }
        return linear
    }

    private func norm(_ key: ModuleKey, _ norm: Norm, width: Int, rows: Int = 1) -> NormLayer {
        if norm.hasWeight, let part = expected[configuration.spelling.part(0, of: key) + ".weight"] {
            // Parts lie one after another, each at the beginning of a cache line where they are trained.
            guard let slot = slots[part.name] else {
                return NormLayer(norm, width: width, period: rows, weight: VectorParameter(weights.vector(key, .weight) ?? []), bias: nil)
            }
            return NormLayer(
                norm, width: width, period: rows, weight: VectorParameter(parameters, slot: slot),
                weightStride: rows == 1 ? width : parameters.slots[slot + 1].offset - parameters.slots[slot].offset, bias: nil)
        }
        let weight = norm.hasWeight ? vector(key, .weight) : nil, bias = norm.hasBias ? vector(key, .bias) : nil
        return NormLayer(norm, width: width, period: rows, weight: weight, bias: bias)
    }

    /// Of a projection of the embedding or of the head; nil where there is none, or it is not tuned.
    private func update(_ role: TensorRole) -> LowRankBranch? {
        guard configuration.embeddingWidth != configuration.width else { return nil }
        return update(configuration.name(role), matrix(ModuleKey(role)))
    }

    private func update(_ module: String, _ weight: BaseWeight) -> LowRankBranch? {
        guard case .lowRank(let settings, _) = tuning, let place = places[module] else { return nil }
        let (a, b) = (place.a, place.b)
        return LowRankBranch(
            rank: settings.rank, inputCount: weight.inputCount, outputCount: weight.outputCount, scaling: Float(settings.scaling),
            a: parameters.value(a.slot) + a.start, b: parameters.value(b.slot) + b.start, da: parameters.gradient(a.slot) + a.start,
            db: parameters.gradient(b.slot) + b.start, dropout: Float(settings.dropout), site: place.site, owner: parameters)
    }

    /// Nil where the model has no such tensor.
    private func vector(_ key: ModuleKey, _ part: ExpectedTensor.Part) -> VectorParameter? {
        let stored = storedKey(key), name = configuration.spelling.tensor(stored, part)
        guard let tensor = expected[name] else { return nil }
        // Biases of experts may be rows of one tensor.
        let start = stored == key ? 0 : (key.expert ?? 0) * (tensor.dimensions.last ?? 0)
        if let slot = slots[name] { return VectorParameter(parameters, slot: slot, start: start) }
        return VectorParameter(stored == key ? floats(tensor) : weights.vector(key, part) ?? [])
    }

    private func matrix(_ key: ModuleKey) -> BaseWeight {
        let stored = storedKey(key), name = configuration.spelling.tensor(stored, .weight)
        if key.expert == nil, let scaled = scaledWeights[configuration.spelling.module(key)] { return .scaled(scaled) }
        guard let slot = slots[name], let tensor = expected[name] else { return .frozen(weights.matrix(key)) }
        return .trained(DenseWeight(parameters, slot: slot, of: tensor, number: stored == key ? 0 : key.expert ?? 0))
    }

    /// The module under whose name the tensors of a module are stored: of all experts, where they share tensors.
    private func storedKey(_ key: ModuleKey) -> ModuleKey {
        guard let layer = key.layer, key.expert != nil, let mixture = configuration.layers[layer].feedForward.mixture,
            mixture.storage != .separate
        else { return key }
        return ModuleKey(key.role, layer: layer)
    }

    /// Elements of a vector, or of a matrix row by row as it is stored, widened.
    private func floats(_ tensor: ExpectedTensor) -> [Float] {
        guard tensor.isMatrix else {
            let values = ofExperts(tensor) { weights.vector($0, tensor.part) ?? [] }, width = tensor.dimensions[0]
            return tensor.row.map { Array(values[$0 * width..<($0 + 1) * width]) } ?? values
        }
        return ofExperts(tensor) { floats(weights.matrix($0).stored) }
    }

    /// Of a tensor that all experts of a layer share, what each of them has, one after the other.
    private func ofExperts(_ tensor: ExpectedTensor, _ values: (ModuleKey) -> [Float]) -> [Float] {
        let isShared = tensor.key.role.isOfExpert && tensor.key.expert == nil
        guard isShared, let layer = tensor.key.layer else { return values(tensor.key) }
        return (0..<tensor.dimensions[0]).flatMap { values(ModuleKey(tensor.key.role, layer: layer, expert: $0)) }
    }

    private func floats(_ matrix: qk_matrix) -> [Float] {
        [Float](unsafeUninitializedCapacity: matrix.rowCount * matrix.columnCount) { buffer, count in
            withUnsafePointer(to: matrix) { stored in
                for row in 0..<matrix.rowCount {
                    qk_matrix_expand(stored, row, 0, matrix.columnCount, buffer.baseAddress.map { $0 + row * matrix.columnCount })
                }
            }
            count = matrix.rowCount * matrix.columnCount
        }
    }
}

extension ModelDescription {
    /// Names of the linear layers that LoRA can tune, experts apart: those of all layers, in order, and projections of embedding and head.
    package var linearModules: [String] { tunableWeights.map(\.module) }

    /// Their weights.
    var tunableWeights: [ExpectedTensor] {
        linearWeights + expectedTensors.filter { $0.key.role == .inputProjection || $0.key.role == .outputProjection }
    }
}
