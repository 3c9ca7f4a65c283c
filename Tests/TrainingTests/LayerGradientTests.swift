import Architectures
import Glibc
import JSONText
import Parallelism
import TensorCore
import Testing
import Transformer

@testable import Training

/// Gradients of linear layers, of LoRA beside them, and of whole blocks, beside differences in double precision.
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

    static func configuration(isGated: Bool, width: Int, heads: Int, groups: Int, inner: Int) throws -> ModelDescription {
        let common: KeyValuePairs<String, JSONValue> =
            isGated
            ? [
                "model_type": .string("llama"), "hidden_size": .integer(width), "intermediate_size": .integer(inner),
                "num_attention_heads": .integer(heads), "num_key_value_heads": .integer(groups), "num_hidden_layers": .integer(1),
                "vocab_size": .integer(11), "max_position_embeddings": .integer(16), "rms_norm_eps": .double(1e-5),
            ]
            : [
                "model_type": .string("gpt2"), "n_embd": .integer(width), "n_head": .integer(heads), "n_layer": .integer(1),
                "n_inner": .integer(inner), "n_positions": .integer(16), "vocab_size": .integer(11),
                "layer_norm_epsilon": .double(1e-5),
            ]
        return try ModelDescription(config: .object(common))
    }

    // MARK: linear layers

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
        let shape = BlockShape(
            try Self.configuration(isGated: false, width: 8, heads: 2, groups: 2, inner: 8), positions: rows, ranks: [rank])
        let memory = try FloatMemory(count: shape.scratchCount)
        let scratch = BlockScratch(memory.pointer, shape)
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

    // MARK: blocks

    /// A block of norms, attention and MLP in double precision; parts: q, k, v (or all three), output, and the MLP's layers.
    private struct PlainBlock {
        /// Of a plain MLP; nil for a gated one.
        let activation: Activation?
        let width: Int
        let inner: Int
        let heads: Int
        let groups: Int
        let starts: [Int]

        var isGated: Bool { activation == nil }
        var headWidth: Int { width / heads }
        var rows: Int { starts[starts.count - 1] }
        var sizes: [(out: Int, inputs: Int)] {
            let keys = groups * headWidth
            return isGated
                ? [(width, width), (keys, width), (keys, width), (width, width), (inner, width), (inner, width), (width, inner)]
                : [(width + 2 * keys, width), (width, width), (inner, width), (width, inner)]
        }

        func forward(_ x: [Double], _ parts: [[Double]]) -> [Double] {
            func linear(_ x: [Double], _ part: Int) -> [Double] {
                FiniteDifferences.linear(x, parts[part], rows: rows, out: sizes[part].out)
            }
            let normed = FiniteDifferences.norm(x, width: width, centers: !isGated)
            var (q, k, v): ([Double], [Double], [Double])
            if isGated {
                (q, k, v) = (linear(normed, 0), linear(normed, 1), linear(normed, 2))
            } else {
                let all = linear(normed, 0), keys = groups * headWidth, stride = width + 2 * keys
                func columns(_ range: Range<Int>) -> [Double] {
                    (0..<rows).flatMap { all[$0 * stride + range.lowerBound..<$0 * stride + range.upperBound] }
                }
                (q, k, v) = (columns(0..<width), columns(width..<width + keys), columns(width + keys..<stride))
            }
            let attended = FiniteDifferences.plainAttention(
                q, k, v, heads: heads, groups: groups, width: headWidth, starts: starts, scale: 0.5, window: nil)
            let outputPart = isGated ? 3 : 1
            let middle = zip(x, linear(attended, outputPart)).map { $0 + $1 }
            let second = FiniteDifferences.norm(middle, width: width, centers: !isGated)
            let activated: [Double]
            if let activation {
                activated = linear(second, 2).map { FiniteDifferences.activate(activation, $0) }
            } else {
                activated = zip(linear(second, 4), linear(second, 5)).map { $0 / (1 + exp(-$0)) * $1 }
            }
            return zip(middle, linear(activated, sizes.count - 1)).map { $0 + $1 }
        }
    }

    /// Two samples; queries and keys are not rotated, as that has a test of its own.
    @Test("differentiates a whole block", arguments: [nil] + Activation.allCases)
    func blocks(activation: Activation?) throws {
        let isGated = activation == nil
        let plain = PlainBlock(activation: activation, width: 8, inner: 6, heads: 4, groups: isGated ? 2 : 4, starts: [0, 3, 5])
        let n = plain.rows, x = Reference.values(n * plain.width, seed: 1), wanted = Reference.values(n * plain.width, seed: 2)
        let parts = plain.sizes.enumerated().map { Reference.values($1.out * $1.inputs, seed: 3 + $0) }
        let set = try Self.parameters(zip(plain.sizes, parts).map { ("weight", [$0.out, $0.inputs], $1) })
        let block = try Self.block(plain, set)
        let shape = BlockShape(
            try Self.configuration(isGated: isGated, width: plain.width, heads: plain.heads, groups: plain.groups, inner: plain.inner),
            positions: n, ranks: plain.sizes.map { _ in 0 })
        let memory = try FloatMemory(count: shape.scratchCount + shape.activationCount)
        let scratch = BlockScratch(memory.pointer, shape), kept = BlockActivations(memory.pointer + shape.scratchCount, shape)
        let batch = try PreparedBatch(
            Batch([
                Sample(tokens: [1, 2, 3, 4], isLearned: [true, true, true, true]),
                Sample(tokens: [5, 6, 7], isLearned: [true, true, true]),
            ]),
            // A GPT-2 has no angles.
            try Self.configuration(isGated: false, width: plain.width, heads: plain.heads, groups: plain.heads, inner: plain.inner),
            workerScratch: try WorkerScratch(workerCount: 2, count: CausalAttention.scratchCount(longestSample: 3)))
        var y = [Float](repeating: 0, count: x.count), d = wanted.map { Float($0) }
        let input = x.map { Float($0) }
        block.forward(input, batch, keeping: kept, into: &y, scratch: scratch, context)
        block.backward(&d, x: input, batch, kept: kept, scratch: scratch, context)
        Reference.expectClose(y, plain.forward(x, parts), "output")
        Reference.expectClose(d, Reference.gradient(x) { Reference.dot(plain.forward($0, parts), wanted) }, "input", tolerance: 2e-5)
        for part in parts.indices {
            let expected = Reference.gradient(parts[part]) { moved in
                var changed = parts
                changed[part] = moved
                return Reference.dot(plain.forward(x, changed), wanted)
            }
            Reference.expectClose(Self.gradients(set, part), expected, "weight \(part)", tolerance: 2e-5)
        }
    }

    private static func block(_ plain: PlainBlock, _ set: ParameterSet) throws -> TransformerBlock {
        func layer(_ slot: Int) -> TunableLinear {
            let tensor = ExpectedTensor(ModuleKey(.head), .weight, name: "weight", dimensions: set.slots[slot].shape.dimensions)
            return TunableLinear(weight: .trained(DenseWeight(set, slot: slot, of: tensor)), bias: nil, update: nil)
        }
        func norm() throws -> NormLayer {
            let ones = [Float](repeating: 1, count: plain.width), zeros = [Float](repeating: 0, count: plain.width)
            return NormLayer(
                width: plain.width, epsilon: 1e-5, weight: try VectorParameter(ones), bias: plain.isGated ? nil : try VectorParameter(zeros)
            )
        }
        return TransformerBlock(
            attentionNorm: try norm(), projections: plain.isGated ? .separate(q: layer(0), k: layer(1), v: layer(2)) : .fused(layer(0)),
            headNorms: nil,
            attention: CausalAttention(
                headCount: plain.heads, keyValueHeadCount: plain.groups, headWidth: plain.headWidth, scale: 0.5, window: nil),
            rotary: nil, output: layer(plain.isGated ? 3 : 1), mlpNorm: try norm(),
            mlp: plain.activation.map { .plain(inner: layer(2), outer: layer(3), activation: $0) }
                ?? .gated(gate: layer(4), up: layer(5), down: layer(6)))
    }
}
