import Architectures
import ByteIO
import Records
import TensorCore

/// Where the factors of a tuned linear layer lie among what is trained.
///
/// Most layers have two tensors of their own. All experts of a layer share two: A [E, r, in] and B [E, out, r]; of experts whose gate and up
/// are two layers both multiply by one A, and have the first and the second half of the rows of B.
struct FactorPlace: Sendable {
    /// A tensor that is trained, and the element of it that comes first.
    struct Part: Sendable {
        let slot: Int
        let start: Int
        let count: Int
    }

    let a: Part
    let b: Part
    /// Number of the layer's stream of random numbers.
    let site: Int

    /// - Parameter parameters: hold both.
    func values(_ parameters: ParameterSet) -> (a: [Float], b: [Float]) {
        func values(_ part: Part) -> [Float] {
            Array(UnsafeBufferPointer(start: parameters.value(part.slot) + part.start, count: part.count))
        }
        return (values(a), values(b))
    }
}

/// What LoRA trains of a model: the tensors, and which layer has what of them.
struct FactorPlaces: Sendable {
    /// Two tensors: A, then B.
    struct Pair: Sendable {
        /// The module, or of experts the parameter, as PEFT calls it.
        let name: String
        /// Nil of a linear layer.
        let experts: ExpertParameter?
        let inputs: Int
        let outputs: Int

        var expertCount: Int { experts?.expertCount ?? 1 }
    }

    /// The tensors of pair i are those of the slots 2 i and 2 i + 1.
    let pairs: [Pair]
    let rank: Int
    private let places: [String: FactorPlace]

    /// Of nothing.
    init() {
        (pairs, rank, places) = ([], 0, [:])
    }

    init(_ model: ModelDescription, _ settings: LowRankSettings) {
        rank = settings.rank
        var pairs: [Pair] = []
        for tensor in model.tunableWeights where settings.isTarget(tensor.module) {
            pairs.append(Pair(name: tensor.module, experts: nil, inputs: tensor.sizes.inputs, outputs: tensor.sizes.outputs))
        }
        for parameter in settings.tunesExperts ? model.expertParameters : [] where settings.isTarget(parameter.name) {
            pairs.append(Pair(name: parameter.name, experts: parameter, inputs: parameter.inputs, outputs: parameter.outputs))
        }
        self.pairs = pairs
        var places: [String: FactorPlace] = [:]
        for (number, pair) in pairs.enumerated() { Self.add(pair, number, rank: settings.rank, to: &places) }
        self.places = places
    }

    private static func add(_ pair: Pair, _ number: Int, rank: Int, to places: inout [String: FactorPlace]) {
        func place(expert: Int, firstOutput: Int, outputs: Int) -> FactorPlace {
            FactorPlace(
                a: .init(slot: 2 * number, start: expert * rank * pair.inputs, count: rank * pair.inputs),
                b: .init(slot: 2 * number + 1, start: (expert * pair.outputs + firstOutput) * rank, count: outputs * rank), site: number)
        }
        guard let experts = pair.experts else {
            places[pair.name] = place(expert: 0, firstOutput: 0, outputs: pair.outputs)
            return
        }
        for expert in 0..<experts.expertCount {
            for (index, role) in experts.roles.enumerated() {
                places[experts.layerName(role, expert: expert)] = place(
                    expert: expert, firstOutput: index * experts.outputsOfRole, outputs: experts.outputsOfRole)
            }
        }
    }

    /// Nil of a layer that is not tuned. Layers are called as in `ModelWeights`.
    subscript(layer: String) -> FactorPlace? { places[layer] }

    /// Names of all tuned layers, each expert's own.
    var layerNames: [String] { places.keys.sorted() }

    /// The tensors in the order of their slots.
    var planned: [(name: String, shape: Shape)] {
        pairs.flatMap { pair in
            [
                (LowRankFactor(module: pair.name, kind: .a).name, Self.shape([pair.expertCount * rank, pair.inputs])),
                (LowRankFactor(module: pair.name, kind: .b).name, Self.shape([pair.expertCount * pair.outputs, rank])),
            ]
        }
    }

    /// Sizes that the configuration was checked for.
    private static func shape(_ dimensions: [Int]) -> Shape {
        guard let shape = Shape(dimensions) else { preconditionFailure("a checked configuration has shapes that can be counted") }
        return shape
    }

    /// Draws what the run begins with, as PEFT does: A uniform within 1 / sqrt(in), and B zero.
    ///
    /// Where PEFT takes inputs of experts for outputs, its A is B here: that is drawn within 1 / sqrt(out), and A is zero.
    func initialize(_ parameters: ParameterSet, seed: UInt64) {
        for (number, pair) in pairs.enumerated() {
            let isTurned = pair.experts?.isTurned == true, slot = 2 * number + (isTurned ? 1 : 0)
            var random = RandomStreams.initialization(seed: seed, tensor: 2 * number)
            let bound = 1 / Float(isTurned ? pair.outputs : pair.inputs).squareRoot()
            let values = parameters.value(slot)
            for element in 0..<parameters.slots[slot].count { values[element] = (2 * random.uniform() - 1) * bound }
        }
    }
}
