import Architectures
import TensorCore

/// A factor of an adapter as PEFT stores it.
///
///     linear layer     as it is trained
///     experts          A [E r, in]      B [out, E r], column k E + e of factor k and expert e      trained: [E, r, in] and [E, out, r]
///     turned           A [E r, out]     B [in, E r]: the one is made of what is B in training, the other of A
struct OutputFactor {
    let info: TensorInfo
    private let pair: FactorPlaces.Pair
    private let rank: Int
    /// What it is made of.
    let slot: Int
    /// Whether it is PEFT's B.
    private let isB: Bool

    /// Of everything that a model trains.
    static func all(of model: TrainableModel) -> [OutputFactor] {
        let pairs = model.places.pairs, modules = Set(pairs.filter { $0.experts?.isDown == true }.compactMap { $0.experts?.module })
        return pairs.enumerated().flatMap { number, pair in
            [false, true].map { isB in
                OutputFactor(pair, number, rank: model.places.rank, isB: isB) { experts in
                    // The wrapper of gate_up_proj lies inside of the one of down_proj, where both are adapted.
                    experts.module + (!experts.isDown && modules.contains(experts.module) ? ".base_layer" : "")
                }
            }
        }
    }

    private init(_ pair: FactorPlaces.Pair, _ number: Int, rank: Int, isB: Bool, module: (ExpertParameter) -> String) {
        self.pair = pair
        self.rank = rank
        self.isB = isB
        let isTurned = pair.experts?.isTurned == true, sum = pair.expertCount * rank
        slot = 2 * number + (isB != isTurned ? 1 : 0)
        let name = LowRankFactor(module: pair.experts.map(module) ?? pair.name, kind: isB ? .b : .a).name
        let width = isB != isTurned ? pair.outputs : pair.inputs
        guard let shape = Shape(isB ? [width, sum] : [sum, width]), let info = TensorInfo(name: name, scalarType: .f32, shape: shape) else {
            preconditionFailure("what lies in memory can be counted")
        }
        self.info = info
    }

    /// Row by row.
    func values(_ parameters: ParameterSet) -> [Float] { arranged(parameters.array(slot)) }

    /// What is trained, or its gradient, in the order of the file.
    func arranged(_ trained: [Float]) -> [Float] {
        guard let experts = pair.experts else { return trained }
        let count = experts.expertCount, columns = info.shape.dimensions[1]
        // Of factor k of expert e, the element of input or output i: where the trained tensor has it.
        func element(_ expert: Int, _ factor: Int, _ i: Int) -> Float {
            slot % 2 == 0
                ? trained[(expert * rank + factor) * pair.inputs + i] : trained[(expert * pair.outputs + i) * rank + factor]
        }
        return [Float](unsafeUninitializedCapacity: trained.count) { values, initialized in
            for row in 0..<info.shape.dimensions[0] {
                for column in 0..<columns {
                    values[row * columns + column] =
                        isB ? element(column % count, column / count, row) : element(row / rank, row % rank, column)
                }
            }
            initialized = trained.count
        }
    }
}
