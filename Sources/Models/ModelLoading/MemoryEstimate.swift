package import Architectures
package import Checkpoints
import TensorCore
import Transformer

/// What running a model takes, before any of it is taken.
package struct MemoryEstimate: Sendable, Hashable {
    /// Of the context that is set up.
    package let positions: Int
    /// Weights as they are stored; mapped, so that the system can drop and read them again, but every token needs all of them.
    package let weights: Int
    /// Keys and values of all positions, or in layers that slide of their window and one pass.
    package let cache: Int
    /// Compact head, buffers of a pass, the program itself: an upper bound.
    package let work: Int

    package var total: Int { weights + cache + work }

    /// Buffers of a pass, the program, and its libraries.
    private static let fixedWork = 90 << 20
    /// More than any machine has, and little enough to be added to: a config.json can state any number.
    private static let largest = Int.max / 8

    /// - Parameters:
    ///   - positions: of the context that is set up.
    ///   - isExact: float32 throughout; else keys and values are in 16 bits, and the head is kept in 8 bits as well.
    package init(_ checkpoint: Checkpoint, _ model: ModelDescription, positions: Int, isExact: Bool) {
        let head = isExact ? 0 : model.vocabularySize * model.width * 17 / 16
        self.positions = positions
        // What has no kernels is decoded into memory of its own.
        weights = checkpoint.tensors.filter { $0.isEncoded && $0.blockFormat == nil }.reduce(checkpoint.storedByteCount) { sum, tensor in
            sum - tensor.storedByteCount(in: checkpoint.source)
                + tensor.elementCount * (tensor.scalarType.isNarrowable ? tensor.scalarType.bitCount / 8 : 4)
        }
        cache = min(KeyValueCache.byteCount(model, capacity: positions, scalarType: isExact ? .f32 : .f16) ?? .max, Self.largest)
        work = Self.fixedWork + head
    }
}
