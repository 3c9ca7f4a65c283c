package import Architectures
import CKernels
package import TensorCore

/// Keys and values of the positions that a sequence has so far, in every layer.
///
///     keys of a layer:    [K][held][D]     values likewise
///
/// What a head looks at lies together: attention reads it from beginning to end. A layer that looks at all positions holds
/// `capacity` of them; one that slides holds its window, a little before it and the positions of one pass, and moves the window to the front when
/// the rest is full. Memory is reserved at once, but the system gives pages only as positions are written.
package final class KeyValueCache {
    /// What a layer keeps, and from which position on.
    private struct Layer {
        let window: Int?
        /// Positions that fit.
        let held: Int
        /// Where its keys begin, in bytes; values follow them.
        let offset: Int
        /// Position of the first one kept.
        var first = 0
    }

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
    private var layers: [Layer]
    private let slack: Int
    private let memory: UnsafeMutableRawBufferPointer

    /// - Parameter passLength: positions that are stored at once at most.
    package init(_ model: ModelDescription, capacity: Int, scalarType: ScalarType, passLength: Int) {
        precondition(scalarType == .f16 || scalarType == .f32, "keys and values are kept as F16 or F32")
        self.capacity = capacity
        self.scalarType = scalarType
        let shapes = Set(model.layers.map { [$0.attention.keyValueHeadCount, $0.attention.headWidth] })
        guard shapes.count == 1, let shape = shapes.first else { preconditionFailure("the layers' keys and values have one shape") }
        (headCount, headSize) = (shape[0], shape[1])
        elementByteCount = scalarType.bitCount / 8
        var layers: [Layer] = [], byteCount = 0
        for attention in model.layers.map(\.attention) {
            let held = Self.heldCount(attention, capacity: capacity, passLength: passLength)
            layers.append(Layer(window: attention.window, held: held, offset: byteCount))
            byteCount += 2 * headCount * held * headSize * elementByteCount
        }
        self.layers = layers
        slack = Self.slack(passLength: passLength)
        memory = .allocate(byteCount: byteCount, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// Bytes of a cache for so many positions; nil where no machine could count them.
    package static func byteCount(_ model: ModelDescription, capacity: Int, scalarType: ScalarType) -> Int? {
        let passLength = PassBuffers.rowLimit(of: model)
        return model.layers.reduce(0 as Int?) { sum, layer in
            let held = heldCount(layer.attention, capacity: capacity, passLength: passLength)
            let (bytes, overflows) = held.multipliedReportingOverflow(by: 2 * layer.attention.keyValueWidth * (scalarType.bitCount / 8))
            guard let sum, !overflows else { return nil }
            let (total, isTooMuch) = sum.addingReportingOverflow(bytes)
            return isTooMuch ? nil : total
        }
    }

    /// Positions before the window that are kept where there is room, so that a sequence can be cut back a little: a conversation
    /// often is.
    private static func slack(passLength: Int) -> Int { min(64, passLength) }

    /// Positions of which a layer keeps keys and values.
    package static func heldCount(_ attention: Attention, capacity: Int, passLength: Int) -> Int {
        guard let window = attention.window else { return capacity }
        let (held, overflows) = (window - 1).addingReportingOverflow(passLength + slack(passLength: passLength))
        return overflows ? capacity : min(capacity, held)
    }

    /// Forgets the positions from `count` on.
    ///
    /// - Returns: false where a layer does not have the keys any more that the next position looks at: then all are forgotten.
    package func truncate(to count: Int) -> Bool {
        precondition((0...self.count).contains(count), "a cache of \(self.count) positions is not truncated to \(count)")
        let isHeld = layers.allSatisfy { $0.first <= max(0, count + 1 - ($0.window ?? .max)) }
        self.count = isHeld ? count : 0
        if self.count == 0 { for index in layers.indices { layers[index].first = 0 } }
        return isHeld
    }

    /// Whether a key or value of the filled positions was too large for F16, whose largest number is 65504, and became infinite.
    package var holdsInfinity: Bool {
        guard scalarType == .f16 else { return false }
        for layer in layers {
            for head in 0..<2 * headCount {
                let start = layer.offset + head * layer.held * headSize * elementByteCount
                let filled = max(0, count - layer.first) * headSize * elementByteCount
                let bytes = UnsafeRawBufferPointer(rebasing: memory[start..<start + filled])
                if bytes.bindMemory(to: UInt16.self).contains(where: { $0 & 0x7fff == 0x7c00 }) { return true }
            }
        }
        return false
    }

    /// Counts positions whose keys and values were stored in every layer.
    func advance(by positions: Int) { count += positions }

    /// Stores keys and values [positions, K D] behind those that are filled; `advance` makes them count.
    ///
    /// - Parameter stride: floats from the keys of a position to those of the next, and of values.
    func store(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, positions: Int, layer index: Int) {
        precondition(count + positions <= capacity, "the cache has room for \(capacity) positions")
        makeRoom(for: positions, layer: index)
        let layer = layers[index]
        for position in 0..<positions {
            for head in 0..<headCount {
                let offset = (head * layer.held + count - layer.first + position) * headSize * elementByteCount
                let place = position * stride + head * headSize
                qk_narrow(kernelType, keys + place, headSize, start(layer, 0) + offset)
                qk_narrow(kernelType, values + place, headSize, start(layer, 1) + offset)
            }
        }
    }

    /// Moves what the next position looks at to the front, where the positions do not fit behind it.
    private func makeRoom(for positions: Int, layer index: Int) {
        let layer = layers[index]
        guard count + positions - layer.first > layer.held, let window = layer.window else { return }
        let first = max(layer.first, count + 1 - window - slack), kept = count - first, size = headSize * elementByteCount
        precondition(kept + positions <= layer.held, "a pass of \(positions) positions is longer than the cache was made for")
        for part in 0..<2 {
            for head in 0..<headCount {
                let base = start(layer, part) + head * layer.held * size
                base.copyMemory(from: base + (first - layer.first) * size, byteCount: kept * size)
            }
        }
        layers[index].first = first
    }

    /// What attention in a layer looks at.
    func view(layer index: Int, window: Int?) -> MatrixEngine.AttentionCache {
        let layer = layers[index]
        // Positions are counted from the first of the sequence, whether it is kept or not.
        let skipped = layer.first * headSize * elementByteCount
        return MatrixEngine.AttentionCache(
            type: kernelType, keys: UnsafeRawPointer(start(layer, 0)) - skipped, values: UnsafeRawPointer(start(layer, 1)) - skipped,
            kvHeadCount: headCount, headSize: headSize, stride: headSize, headStride: layer.held * headSize, window: window)
    }

    private var kernelType: qk_float { scalarType == .f16 ? QK_F16 : QK_F32 }

    /// Where the keys (0) or values (1) of a layer begin.
    private func start(_ layer: Layer, _ part: Int) -> UnsafeMutableRawPointer {
        guard let base = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        return base + layer.offset + part * headCount * layer.held * headSize * elementByteCount
    }
}
