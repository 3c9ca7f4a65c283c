package import Architectures
import ByteIO
package import Checkpoints
package import ModelLoading
import TensorCore
package import Transformer

/// Runs a model over samples, layer by layer, and hands out what its linear layers see.
///
/// The states of all samples are kept (4 T C bytes); a layer's weights are mapped or decoded when their turn comes, run on every
/// sample, and dropped. What runs is the forward pass of `InferenceSession` in float32, watched: the states between layers are
/// the bits that a session over each sample has there.
package struct CalibrationPass {
    /// A linear layer and the tensor of the checkpoint that holds its weight.
    package struct Module: Sendable {
        /// `model.layers.0.self_attn.q_proj`.
        package let name: String
        package let weight: LogicalTensor
    }

    /// Linear layers of one layer that multiply the same x, which every position asks.
    package struct Group {
        /// From 0.
        package let layer: Int
        /// In the order of the forward pass: query, key and value; attention's output; gate and up; down.
        package let modules: [Module]
        package let moments: InputMoments
    }

    package let model: LayeredModel
    package let samples: CalibrationSamples
    /// Inputs that moments are of together at most; nil for all.
    package let chunkWidth: Int?
    package let engine: MatrixEngine

    /// - Throws: where samples have tokens that the model does not know, are longer than it can be, or are of one kind alone.
    package init(
        _ model: LayeredModel, _ samples: CalibrationSamples, chunkWidth: Int? = nil, engine: MatrixEngine
    ) throws(ModelError) {
        let configuration = model.configuration
        guard samples.calibratingCount > 0, samples.heldOutCount > 0 else {
            throw ModelError("calibrating takes tokens to learn from and others to judge by")
        }
        let vocabularySize = model.outside.embedding.matrix.outputCount
        if let id = samples.samples.lazy.flatMap(\.ids).first(where: { $0 < 0 || Int($0) >= vocabularySize }) {
            throw ModelError("the text has a token of id \(id), but the embedding has \(vocabularySize) rows")
        }
        guard !configuration.hasLearnedPositions || samples.longest <= configuration.contextLength else {
            throw ModelError("windows of \(samples.longest) tokens, but the model has \(configuration.contextLength) positions")
        }
        self.model = model
        self.samples = samples
        self.chunkWidth = chunkWidth
        self.engine = engine
    }

    package var layerCount: Int { model.configuration.layers.count }

    /// Where a pass begins that was begun before.
    package struct Start {
        /// The first layer that is run.
        package let layer: Int
        /// Fills the states [T, C] before it.
        package let fill: (UnsafeMutableRawBufferPointer) throws -> Void

        package init(layer: Int, fill: @escaping (UnsafeMutableRawBufferPointer) throws -> Void) {
            self.layer = layer
            self.fill = fill
        }
    }

    /// Hands out the groups of each layer in order, those of experts last, then goes on to the next.
    ///
    /// - Parameters:
    ///   - start: nil for the embedding of the samples.
    ///   - layerDone: is given a layer whose groups were dealt with, and the states [T, C] after it.
    ///   - experts: is given gate and up of all experts of a layer, then down.
    ///   - body: may hold on to what it is given.
    package func run(
        from start: Start? = nil, layerDone: (_ layer: Int, _ states: UnsafeRawBufferPointer) throws -> Void = { _, _ in },
        experts: (ExpertGroup) throws -> Void, _ body: (Group) throws -> Void
    ) throws {
        var states = FloatRows(rowCount: samples.tokenCount, width: model.configuration.width)
        if let start { try start.fill(states.bytes) }
        let rotations = LayerRotations(of: model.configuration), memory = MomentMemory()
        for layer in (start?.layer ?? 0)..<layerCount {
            // Its weights go with it, before the groups are dealt with.
            let found = try inputs(ofLayer: layer, &states, rotations, memory)
            for group in found.groups { try body(group) }
            for group in found.experts { try experts(group) }
            try layerDone(layer, UnsafeRawBufferPointer(states.bytes))
        }
    }

    private func inputs(
        ofLayer layer: Int, _ states: inout FloatRows, _ rotations: LayerRotations, _ memory: MomentMemory
    ) throws -> (groups: [Group], experts: [ExpertGroup]) {
        let session = try session(ofLayer: layer)
        let (weights, mixture) = (session.weights.layers[0], session.configuration.layers[0].feedForward.mixture)
        var first = 0
        var found: [Range<Int>: InputMoments] = [:]
        var asked: [Range<Int>: [ExpertRows]] = [:]
        for layers in mixture?.expertGroups ?? [] {
            let width = weights.experts[0].linearLayers[layers.lowerBound].matrix.inputCount
            asked[layers] = Array(repeating: ExpertRows(width: width), count: weights.experts.count)
        }
        for sample in samples.samples {
            let rows = states[first..<first + sample.ids.count]
            if layer == 0 { session.embed(sample.ids, into: rows) }
            session.run(layer: 0, rows, rotations: rotations) { group, x, rowCount in
                if let expert = group.expert {
                    asked[group.layers]?[expert].add(x, rowCount: rowCount, isHeldOut: sample.isHeldOut)
                    return
                }
                let width = weights.linearLayers[group.layers.lowerBound].matrix.inputCount
                let moments = found[group.layers] ?? InputMoments(width: width, heldOutCount: samples.heldOutCount, chunkWidth: chunkWidth)
                found[group.layers] = moments
                sample.isHeldOut ? moments.hold(x, rowCount: rowCount) : moments.add(x, rowCount: rowCount, memory, engine)
            }
            first += sample.ids.count
        }
        let groups = try found.sorted { $0.key.lowerBound < $1.key.lowerBound }.map { layers, moments in
            moments.finish(engine)
            let modules = weights.linearLayers[layers].map { Module(name: $0.name, weight: model.weight(ofModule: $0.name)) }
            try check(moments, of: modules)
            return Group(layer: layer, modules: modules, moments: moments)
        }
        guard let mixture else { return (groups, []) }
        return (groups, try mixture.expertGroups.map { try expertGroup($0, ofLayer: layer, mixture, weights, asked[$0] ?? [], memory) })
    }

    private func expertGroup(
        _ layers: Range<Int>, ofLayer layer: Int, _ mixture: Mixture, _ weights: LayerWeights, _ rows: [ExpertRows],
        _ memory: MomentMemory
    ) throws(FileError) -> ExpertGroup {
        let isStacked = mixture.storage != .separate
        let modules = weights.experts.enumerated().map { expert, weights in
            zip(mixture.expertRoles[layers], weights.linearLayers[layers]).map { role, linear in
                Module(
                    name: linear.name, weight: model.weight(of: ModuleKey(role, layer: layer, expert: isStacked ? nil : expert)))
            }
        }
        let group = ExpertGroup(
            layer: layer, modules: modules, isStacked: isStacked, width: rows[0].width, rows: rows,
            chunkWidth: chunkWidth, memory: memory)
        guard group.isFinite else { throw notFinite(modules[0][0].name) }
        return group
    }

    /// A session of a model that has this layer alone.
    private func session(ofLayer layer: Int) throws(FileError) -> InferenceSession {
        var configuration = model.configuration, weights = model.outside
        configuration.layers = [configuration.layers[layer]]
        weights.layers = [try model.layer(layer)]
        return InferenceSession(configuration, weights, engine: engine, contextLength: samples.longest, cacheType: .f32)
    }

    /// Refuses inputs that are no numbers: nothing can be made of their mean.
    private func check(_ moments: InputMoments, of modules: [Module]) throws {
        guard moments.diagonal.contains(where: { !$0.isFinite }) || moments.heldOut.contains(where: { !$0.isFinite }) else { return }
        throw notFinite(modules[0].name)
    }

    private func notFinite(_ module: String) -> FileError {
        FileError(model.checkpoint.path, at: "'\(module)'", "its inputs are not finite on this text", hint: ModelError.damageHint)
    }
}

extension Mixture {
    /// The layers of an expert that multiply the same x, by their numbers in it: gate and up, or what makes both, and down.
    var expertGroups: [Range<Int>] {
        let down = expertRoles.count - 1
        return [0..<down, down..<down + 1]
    }
}

/// Rows of floats, shared out to those who fill them.
private struct FloatRows: ~Copyable {
    private let memory: UnsafeMutableBufferPointer<Float>
    private let width: Int

    init(rowCount: Int, width: Int) {
        memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * rowCount * width, alignment: 64).bindMemory(to: Float.self)
        self.width = width
    }

    deinit { memory.deallocate() }

    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(memory) }

    subscript(rows: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: memory[rows.lowerBound * width..<rows.upperBound * width])
    }
}
