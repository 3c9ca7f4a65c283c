import JSONText
package import TensorCore

/// What transformers 5 and bitsandbytes make of the weights of one model.
///
/// A folder of 4-bit weights loads there only if exactly these are 4-bit (or a list in its configuration names those that
/// are not): one kind more, and loading ends with sizes that do not match.
package struct FourBitLayers: Sendable {
    package enum Choice: Sendable, Hashable {
        /// 4-bit there and here.
        case fourBit
        /// Linear like the others, but dense there: 4-bit here, since a model would hardly shrink otherwise.
        case onlyHere(Reason)
        /// The output embedding, or another last layer: dense by default, though there is a 4-bit layer of its kind.
        case head
        /// There is no 4-bit layer of its kind, or it is always left out.
        case dense
    }

    package enum Reason: Sendable, Hashable, CaseIterable {
        /// One of the experts of a layer, which transformers holds as one 3-D parameter.
        case expert
        /// The family has a linear layer of its own class, which transformers does not replace.
        case ownClass
    }

    private let architecture: ModelIdentity
    /// Modules with a bias.
    private let biased: Set<ByteKey>
    /// Modules that store queries, keys and values as torch's `nn.MultiheadAttention` does.
    private let packed: Set<ByteKey>

    private static let biasEnd = ".bias"
    private static let packedEnd = ".in_proj_weight"

    /// - Parameter names: of all tensors of the model.
    package init(_ architecture: ModelIdentity, names: some Sequence<String>) {
        self.architecture = architecture
        var (biased, packed) = (Set<ByteKey>(), Set<ByteKey>())
        for name in names {
            if name.hasSuffix(Self.biasEnd) { biased.insert(ByteKey(String(name.dropLast(Self.biasEnd.count)))) }
            if name.hasSuffix(Self.packedEnd) { packed.insert(ByteKey(String(name.dropLast(Self.packedEnd.count)))) }
        }
        self.biased = biased
        self.packed = packed
    }

    package init(_ checkpoint: Checkpoint) {
        self.init(checkpoint.architecture, names: checkpoint.tensors.lazy.map(\.name))
    }

    package func role(of name: String, shape: Shape) -> LinearLayers.Role {
        let hasBias = Self.module(of: name).map { biased.contains(ByteKey($0)) } ?? false
        return LinearLayers.role(of: name, shape: shape, hasBias: hasBias)
    }

    package func choice(for name: String, shape: Shape) -> Choice {
        if shape.dimensions.count == 3, shape.elementCount > 0, ExpertStacks.isStack(name) { return .onlyHere(.expert) }
        let role = role(of: name, shape: shape)
        guard let module = Self.module(of: name), shape.dimensions.count == 2, shape.elementCount > 0 else {
            return role == .linear ? .fourBit : role == .head ? .head : .dense
        }
        if let exception = FourBitExceptions.choice(for: module, architecture) { return exception }
        switch role {
        case .head: return .head
        case .embedding, .other: return .dense
        case .linear:
            if Self.isExpert(module) { return .onlyHere(.expert) }
            if FourBitExceptions.hasOwnLinearClass(module, architecture) { return .onlyHere(.ownClass) }
            return isAttentionOutput(module) ? .dense : .fourBit
        }
    }

    package func choice(for tensor: LogicalTensor) -> Choice { choice(for: tensor.name, shape: tensor.shape) }

    /// Whether transformers has a 4-bit layer for a weight, be it one that it leaves out by default.
    package func hasFourBitLayer(_ tensor: LogicalTensor) -> Bool {
        let choice = choice(for: tensor)
        return choice == .fourBit || choice == .head
    }

    /// Why no folder of 4-bit weights of this family loads; nil where they do.
    package var loadingObstacle: String? { FourBitExceptions.loadingObstacle(architecture) }

    private static func module(of name: String) -> String? {
        name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : nil
    }

    /// `layers.3.mlp.experts.17.down_proj`: of a numbered expert.
    package static func isExpert(_ module: String) -> Bool {
        let parts = module.split(separator: ".")
        guard let place = parts.firstIndex(of: "experts"), place + 1 < parts.count else { return false }
        return parts[(place + 1)...].contains { $0.allSatisfy(\.isNumber) }
    }

    /// The projection at the end of an `nn.MultiheadAttention` is linear by a class of torch's own.
    private func isAttentionOutput(_ module: String) -> Bool {
        guard module.hasSuffix(".out_proj") else { return false }
        return packed.contains(ByteKey(String(module.dropLast(".out_proj".count))))
    }
}
