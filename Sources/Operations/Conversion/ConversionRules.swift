package import Checkpoints
package import Streaming
import TensorCore

/// Which tensors become 4-bit: the user's rules first, the first that matches wins; then the default of the role.
///
/// In a model that is 4-bit already nothing is quantized by default: what is dense there was left dense on purpose.
package struct ConversionRules: Sendable {
    package enum Action: Sendable, Hashable {
        case keep, quantize
    }

    package struct Rule: Sendable {
        package let action: Action
        package let pattern: NamePattern

        package init(_ action: Action, _ pattern: NamePattern) {
            self.action = action
            self.pattern = pattern
        }
    }

    package let rules: [Rule]
    package let quantizesEmbeddings: Bool
    /// Keep what transformers keeps, also where running here gains by 4-bit weights: experts, families with a layer class of their own.
    package let matchesTransformers: Bool

    package init(rules: [Rule] = [], quantizesEmbeddings: Bool = false, matchesTransformers: Bool = false) {
        self.rules = rules
        self.quantizesEmbeddings = quantizesEmbeddings
        self.matchesTransformers = matchesTransformers
    }

    /// What is to happen to a dense tensor; one that cannot be 4-bit (no matrix and no matrices of experts, not a float, empty) is kept
    /// whatever the rules say.
    ///
    /// - Parameter isQuantizedModel: other tensors of the same model are 4-bit already.
    package func action(for tensor: LogicalTensor, of layers: FourBitLayers, isQuantizedModel: Bool) -> Action {
        guard Self.canBeQuantized(tensor) else { return .keep }
        if let rule = rules.first(where: { $0.pattern.matches(tensor.name) }) { return rule.action }
        switch layers.choice(for: tensor) {
        case .fourBit: return isQuantizedModel ? .keep : .quantize
        case .onlyHere: return isQuantizedModel || matchesTransformers ? .keep : .quantize
        case .head: return .keep
        case .dense: return quantizesEmbeddings && layers.role(of: tensor.name, shape: tensor.shape) == .embedding ? .quantize : .keep
        }
    }

    package static func canBeQuantized(_ tensor: LogicalTensor) -> Bool {
        tensor.scalarType.isQuantizable && (tensor.shape.dimensions.count == 2 || tensor.isStack) && tensor.elementCount > 0
    }
}
