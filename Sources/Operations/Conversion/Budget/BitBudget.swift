import Checkpoints
package import JSONText
import Quantization
package import Streaming
package import TensorCore

/// Weights of linear layers that stay in 16 bits, so that all of them take so many bits at the mean.
package struct BitBudget: Sendable, Hashable {
    package struct Kept: Sendable, Hashable {
        /// Of the tensor.
        package let name: String
        /// What quantizing it alone would do to the predictions, in nats for each token.
        package let divergence: Double
    }

    /// What was asked for, and what it came to: codes and constants of 4-bit weights, elements of others.
    package let bits: Double
    package let reachedBits: Double
    /// Those that gain most for each bit first.
    package let kept: [Kept]
    /// Share of the divergence of all weights, added up, that is not there any more.
    package let sparedShare: Double

    package var names: Set<String> { Set(kept.map(\.name)) }

    /// For a lineage, and for reports.
    package var document: JSONValue {
        .object([
            "bits": .double(bits), "reached_bits": .double(reachedBits), "spared_share": .double(sparedShare),
            "tensors": .array(kept.map { .object(["name": .string($0.name), "divergence": .double($0.divergence)]) }),
        ])
    }

    /// Of a weight that the budget keeps: 16 bits, the source's own where it has no more.
    static func type(of tensor: LogicalTensor, castingTo type: ScalarType?) -> ScalarType {
        type ?? (tensor.scalarType.bitCount > 16 ? .bf16 : tensor.scalarType)
    }
}

extension ConversionPlan {
    /// Which weights stay dense by a budget: those whose quantization costs most for each bit, as far as the bits go.
    ///
    /// Called of a plan without one. Mean bits are those of all weights that would be 4-bit, and of the linear layers that rules keep.
    ///
    /// - Parameters:
    ///   - linearNames: tensors of the model's linear layers.
    ///   - divergences: by the names of tensors; only these can stay dense.
    ///   - type: of what stays dense, as the plan has it.
    /// - Throws: where even without any of them there are more bits, or where all of them fit.
    package func budget(
        bits: Double, linearNames: Set<String>, divergences: [String: Double], castingTo type: ScalarType?
    ) throws(OperationError) -> BitBudget {
        var candidates: [(name: String, bits: Double, divergence: Double)] = []
        var used = 0.0, elements = 0.0
        for item in items {
            let count = Double(item.tensor.elementCount)
            if case .quantize = item.step {
                let own = quantizedBits(of: item.tensor)
                used += own
                elements += count
                guard let divergence = divergences[item.tensor.name] else { continue }
                let more = count * Double(BitBudget.type(of: item.tensor, castingTo: type).bitCount) - own
                candidates.append((item.tensor.name, more, divergence))
            } else if linearNames.contains(item.tensor.name) {
                used += 8 * Double(item.outputByteCount)
                elements += count
            }
        }
        guard !candidates.isEmpty else {
            throw OperationError("\(checkpoint.path): there is nothing to choose from: no weight of a linear layer is to be quantized")
        }
        let least = used / elements, most = (used + candidates.reduce(0) { $0 + $1.bits }) / elements
        guard bits >= least else {
            throw OperationError(
                "a budget of \(Self.text(bits)) bits for each weight is too small: with none of them in 16 bits there are \(Self.text(least))",
                hint: "\(Self.text(least + 0.25)) bits, for example, can be had")
        }
        guard bits < most else {
            throw OperationError(
                "a budget of \(Self.text(bits)) bits for each weight leaves nothing to quantize: in 16 bits there are \(Self.text(most))")
        }
        let all = candidates.reduce(0) { $0 + $1.divergence }
        var kept: [BitBudget.Kept] = []
        for candidate in candidates.sorted(by: { (-$0.divergence / $0.bits, $0.name) < (-$1.divergence / $1.bits, $1.name) })
        where candidate.bits > 0 && (used + candidate.bits) / elements <= bits {
            used += candidate.bits
            kept.append(BitBudget.Kept(name: candidate.name, divergence: candidate.divergence))
        }
        let spared = kept.reduce(0) { $0 + $1.divergence }
        return BitBudget(bits: bits, reachedBits: used / elements, kept: kept, sparedShare: all > 0 ? spared / all : 0)
    }

    /// Codes and constants.
    private func quantizedBits(of tensor: LogicalTensor) -> Double {
        let blocks = (tensor.elementCount + settings.blockSize - 1) / settings.blockSize
        let nested = (blocks + QuantizationSettings.nestedBlockSize - 1) / QuantizationSettings.nestedBlockSize
        return Double(4 * tensor.elementCount + (settings.isDoubleQuantized ? 8 * blocks + 32 * nested : 32 * blocks))
    }

    /// Hundredths, rounded up: what is named as enough is enough.
    private static func text(_ bits: Double) -> String { "\((bits * 100).rounded(.up) / 100)" }
}
