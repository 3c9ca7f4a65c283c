package import Architectures
import CKernels
package import TensorCore

/// Keys and values of the positions that a sequence has so far, in every layer.
///
///     keys of a layer:    [K][capacity][D]     values likewise
///
/// What a head looks at lies together: attention reads it from beginning to end.
/// Memory for the whole capacity is reserved at once, but the system gives pages only as positions are written.
package final class KeyValueCache {
    /// Positions that fit.
    package let capacity: Int
    /// F16, or F32 where every digit counts.
    package let scalarType: ScalarType
    /// Positions that are filled.
    package private(set) var count = 0
    /// K, D.
    private let headCount: Int
    private let headSize: Int
    private let elementByteCount: Int
    private let memory: UnsafeMutableRawBufferPointer

    package init(_ model: ModelDescription, capacity: Int, scalarType: ScalarType) {
        precondition(scalarType == .f16 || scalarType == .f32, "keys and values are kept as F16 or F32")
        self.capacity = capacity
        self.scalarType = scalarType
        let shapes = Set(model.layers.map { [$0.attention.keyValueHeadCount, $0.attention.headWidth] })
        guard shapes.count == 1, let shape = shapes.first else { preconditionFailure("the layers' keys and values have one shape") }
        (headCount, headSize) = (shape[0], shape[1])
        elementByteCount = scalarType.bitCount / 8
        memory = .allocate(byteCount: 2 * model.layers.count * headCount * capacity * headSize * elementByteCount, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// Forgets the positions from `count` on.
    package func truncate(to count: Int) {
        precondition((0...self.count).contains(count), "a cache of \(self.count) positions is not truncated to \(count)")
        self.count = count
    }

    /// Whether a key or value of the filled positions was too large for F16, whose largest number is 65504, and became infinite.
    package var holdsInfinity: Bool {
        guard scalarType == .f16 else { return false }
        for start in stride(from: 0, to: memory.count, by: capacity * headSize * elementByteCount) {
            let filled = UnsafeRawBufferPointer(rebasing: memory[start..<start + count * headSize * elementByteCount])
            if filled.bindMemory(to: UInt16.self).contains(where: { $0 & 0x7fff == 0x7c00 }) { return true }
        }
        return false
    }

    /// Counts positions whose keys and values were stored in every layer.
    func advance(by positions: Int) { count += positions }

    /// Stores keys and values [positions, K D] behind those that are filled; `advance` makes them count.
    ///
    /// - Parameter stride: floats from the keys of a position to those of the next, and of values.
    func store(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, positions: Int, layer: Int) {
        precondition(count + positions <= capacity, "the cache has room for \(capacity) positions")
        for position in 0..<positions {
            for head in 0..<headCount {
                let offset = (head * capacity + count + position) * headSize * elementByteCount
                let place = position * stride + head * headSize
                qk_narrow(kernelType, keys + place, headSize, start(layer, 0) + offset)
                qk_narrow(kernelType, values + place, headSize, start(layer, 1) + offset)
            }
        }
    }

    /// What attention in a layer looks at.
    func view(layer: Int, window: Int?) -> MatrixEngine.AttentionCache {
        MatrixEngine.AttentionCache(
            type: kernelType, keys: UnsafeRawPointer(start(layer, 0)), values: UnsafeRawPointer(start(layer, 1)),
            kvHeadCount: headCount, headSize: headSize, stride: headSize, headStride: capacity * headSize,
            window: window)
    }

    private var kernelType: qk_float { scalarType == .f16 ? QK_F16 : QK_F32 }

    /// Where the keys (0) or values (1) of a layer begin.
    private func start(_ layer: Int, _ part: Int) -> UnsafeMutableRawPointer {
        guard let base = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        return base + (2 * layer + part) * headCount * capacity * headSize * elementByteCount
    }
}
