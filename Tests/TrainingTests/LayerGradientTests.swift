import Architectures
import Glibc
import JSONText
import Parallelism
import TensorCore
import Testing
import Transformer

@testable import Records
@testable import Training

/// Gradients of linear layers, of LoRA beside them, beside differences in double precision.
@Suite struct LayerGradientTests {
    private typealias Reference = FiniteDifferences
    private let resources = ComputeResources(pool: WorkerPool(threadCount: 2))

    private var context: StepContext { StepContext(resources: resources, isTraining: true, seed: 1, batchNumber: 0) }

    /// Parameters with such values, all of them trained.
    static func parameters(_ tensors: [(name: String, dimensions: [Int], values: [Double])]) throws -> ParameterSet {
        let set = try ParameterSet(
            tensors.map { tensor in (name: tensor.name, shape: try #require(Shape(tensor.dimensions))) })
        for (slot, tensor) in tensors.enumerated() {
            set.value(slot).update(from: tensor.values.map { Float($0) }, count: tensor.values.count)
        }
        return set
    }

    static func gradients(_ set: ParameterSet, _ slot: Int) -> [Float] {
        Array(UnsafeBufferPointer(start: set.gradient(slot), count: set.slots[slot].count))
    }

    /// A model with such layers and without positions.
    static func model(_ layers: [LayerDescription]) throws -> ModelDescription {
        var model = try ModelDescription(
            config: .object([
                "model_type": .string("gpt2"), "n_embd": .integer(8), "n_head": .integer(2), "n_layer": .integer(1),
                "n_positions": .integer(16), "vocab_size": .integer(11),
            ]))
        model.layers = layers
        return model
    }

    @Test("differentiates a linear layer and LoRA beside it", arguments: [false, true])
    func linearLayers(isTransposed: Bool) throws {
        let rows = 5, inputs = 7, outputs = 6, rank = 2, scaling = 1.5
        let x = Reference.values(rows * inputs, seed: 1), wanted = Reference.values(rows * outputs, seed: 2)
        let start = [inputs * outputs, outputs, rank * inputs, outputs * rank].enumerated().map {
            Reference.values($1, seed: 3 + $0)
        }
        let set = try Self.parameters([
            ("weight", isTransposed ? [inputs, outputs] : [outputs, inputs], start[0]), ("bias", [outputs], start[1]),
            ("a", [rank, inputs], start[2]), ("b", [outputs, rank], start[3]),
        ])
        let tensor = ExpectedTensor(
            ModuleKey(.head), .weight, name: "weight", dimensions: set.slots[0].shape.dimensions,
            orientation: isTransposed ? .inputsByOutputs : .outputsByInputs)
        let layer = TunableLinear(
            weight: .trained(DenseWeight(set, slot: 0, of: tensor)), bias: VectorParameter(set, slot: 1),
            update: LowRankBranch(
                rank: rank, inputCount: inputs, outputCount: outputs, scaling: Float(scaling), a: set.value(2), b: set.value(3),
                da: set.gradient(2), db: set.gradient(3), dropout: 0, site: 0, owner: set))
        func forward(_ x: [Double], _ parts: [[Double]]) -> [Double] {
            let base = Reference.linear(x, parts[0], isTransposed: isTransposed, bias: parts[1], rows: rows, out: outputs)
            let u = Reference.linear(x, parts[2], rows: rows, out: rank)
            return zip(base, Reference.linear(u, parts[3], rows: rows, out: outputs)).map { $0 + scaling * $1 }
        }
        let memory = try FloatMemory(count: rows * (inputs + rank)), base = memory.pointer
        let scratch = BlockScratch(
            normed: base, dnormed: base, dbranch: base, inner: base, dinner: base, dgates: base, dattended: base, dprojections: base,
            dropped: base, rankRows: base + rows * inputs,
            mixture: MixtureMemory(Array(repeating: base, count: 5)),
            mixtureGradients: .init(scores: base, output: base, inner: base), expertUpdates: [])
        var y = [Float](repeating: 0, count: rows * outputs), u = [Float](repeating: 0, count: rows * rank)
        var dx = [Float](repeating: 0, count: rows * inputs)
        let input = x.map { Float($0) }
        layer.forward(input, rows: rows, u: &u, into: &y, scratch: scratch, context)
        layer.backward(
            wanted.map { Float($0) }, x: input, rows: rows, u: u, into: &dx, accumulates: false, scratch: scratch, context)
        Reference.expectClose(y, forward(x, start), "output")
        Reference.expectClose(dx, Reference.gradient(x) { Reference.dot(forward($0, start), wanted) }, "input")
        for (slot, name) in ["weight", "bias", "A", "B"].enumerated() {
            let expected = Reference.gradient(start[slot]) { moved in
                var parts = start
                parts[slot] = moved
                return Reference.dot(forward(x, parts), wanted)
            }
            Reference.expectClose(Self.gradients(set, slot), expected, name)
        }
    }
}
