package import Architectures
package import Checkpoints
import TensorCore
package import Transformer

/// What running a model takes, before any of it is taken.
package struct MemoryEstimate: Sendable, Hashable {
    /// Of the context that is set up.
    package let positions: Int
    /// Weights as they are stored; mapped, so that the system can drop and read them again.
    package let weights: Int
    /// Those of them that every token needs: of a mixture, as many experts as one token asks. The others are read where they are asked,
    /// and stay as long as there is room.
    package let active: Int
    /// Keys and values of all positions, or in layers that slide of their window and one pass.
    package let cache: Int
    package let cacheType: CacheType
    /// Of each layer; empty where no machine could count them.
    package let cacheLayers: [KeyValueCache.LayerSize]
    /// Compact head, buffers of a pass, the program itself: an upper bound.
    package let work: Int

    /// With less than this, weights would be read again for every token.
    package var total: Int { active + cache + work }

    /// Buffers of a pass, the program, and its libraries.
    private static let fixedWork = 90 << 20
    /// More than any machine has, and little enough to be added to: a config.json can state any number.
    private static let largest = Int.max / 8

    /// - Parameters:
    ///   - positions: of the context that is set up.
    ///   - isExact: float32 throughout; else the head is kept in 8 bits as well.
    ///   - cacheType: nil for F32 where it is exact, else F16.
    package init(
        _ checkpoint: Checkpoint, _ model: ModelDescription, positions: Int, isExact: Bool, cacheType: CacheType? = nil
    ) {
        let head = isExact ? 0 : model.vocabularySize * model.width * 17 / 16
        self.positions = positions
        // What has no kernels is decoded into memory of its own.
        weights = checkpoint.tensors.filter { $0.isEncoded && !$0.hasKernels }.reduce(checkpoint.storedByteCount) { sum, tensor in
            sum - tensor.storedByteCount(in: checkpoint.source)
                + tensor.elementCount * (tensor.scalarType.isNarrowable ? tensor.scalarType.bitCount / 8 : 4)
        }
        active = weights - Self.idleByteCount(checkpoint, model)
        self.cacheType = cacheType ?? (isExact ? .f32 : .f16)
        cacheLayers = KeyValueCache.layerSizes(model, capacity: positions, type: self.cacheType) ?? []
        cache = min(cacheLayers.isEmpty ? .max : cacheLayers.reduce(0) { $0 + $1.byteCount }, Self.largest)
        work = Self.fixedWork + head
    }

    /// Of the experts that a token does not ask.
    private static func idleByteCount(_ checkpoint: Checkpoint, _ model: ModelDescription) -> Int {
        guard let mixture = model.mixture else { return 0 }
        let names = Set(model.expertWeights.map(\.name))
        let experts = checkpoint.tensors.filter { names.contains($0.name) && (!$0.isEncoded || $0.hasKernels) }
            .reduce(0) { $0 + $1.storedByteCount(in: checkpoint.source) }
        return experts / mixture.expertCount * (mixture.expertCount - mixture.chosenCount)
    }
}
