package import Architectures
import CKernels

/// Keys and values of the positions that a sequence has so far, in every layer.
///
///     keys of a layer:    [K][held][D]     values likewise     of 8 bits, then scales of keys [K][held] and of values
///
/// What a head looks at lies together: attention reads it from beginning to end. A layer that looks at all positions holds
/// `capacity` of them; one that slides, or sees chunks, holds what it can see, a little before it and the positions of one pass, and moves what it can
/// see to the front when the rest is full. Memory is reserved at once, but the system gives pages only as positions are written.
package final class KeyValueCache {
    /// What a layer keeps, and from which position on.
    private struct Layer {
        /// Keys that a query sees at most; nil for all.
        let reach: Int?
        /// Positions that fit.
        let held: Int
        /// Where its keys begin, in bytes; values follow them.
        let offset: Int
        /// Position of the first one kept.
        var first = 0
    }

    /// What rows of a layer are moved or written: keys and values, then their scales.
    private enum Part: Int, CaseIterable {
        case keys, values, keyScales, valueScales

        var isScales: Bool { rawValue >= Part.keyScales.rawValue }
    }

    /// Positions that fit.
    package let capacity: Int
    package let type: CacheType
    /// Positions that are filled.
    package private(set) var count = 0
    /// K, D.
    private let headCount: Int
    private let headSize: Int
    private var layers: [Layer]
    private let slack: Int
    private let memory: UnsafeMutableRawBufferPointer

    /// - Parameter passLength: positions that are stored at once at most.
    package init(_ model: ModelDescription, capacity: Int, type: CacheType, passLength: Int) {
        self.capacity = capacity
        self.type = type
        let shapes = Set(model.layers.map { [$0.attention.keyValueHeadCount, $0.attention.headWidth] })
        guard shapes.count == 1, let shape = shapes.first else { preconditionFailure("the layers' keys and values have one shape") }
        (headCount, headSize) = (shape[0], shape[1])
        guard let sizes = Self.layerSizes(model, capacity: capacity, type: type, passLength: passLength) else {
            preconditionFailure("memory for a session was looked for before")
        }
        var layers: [Layer] = [], byteCount = 0
        for (layer, size) in zip(model.layers, sizes) {
            layers.append(Layer(reach: layer.attention.reach, held: size.positions, offset: byteCount))
            byteCount += size.byteCount
        }
        self.layers = layers
        slack = Self.slack(passLength: passLength)
        memory = .allocate(byteCount: byteCount, alignment: Self.alignment)
    }

    deinit { memory.deallocate() }

    /// Bytes that are reserved.
    package var byteCount: Int { memory.count }

    /// What a layer takes.
    package struct LayerSize: Sendable, Hashable {
        /// That are kept.
        package let positions: Int
        package let byteCount: Int
    }

    /// Bytes at whose multiples layers begin.
    private static let alignment = 64

    /// What a cache for so many positions takes; nil where no machine could count it.
    ///
    /// - Parameter passLength: positions that are stored at once at most; nil for those of any session with this model.
    package static func layerSizes(
        _ model: ModelDescription, capacity: Int, type: CacheType, passLength: Int? = nil
    ) -> [LayerSize]? {
        let passLength = passLength ?? PassBuffers.rowLimit(of: model)
        var sizes: [LayerSize] = [], sum = 0
        for attention in model.layers.map(\.attention) {
            let held = heldCount(attention, capacity: capacity, passLength: passLength)
            let (bytes, overflows) = held.multipliedReportingOverflow(
                by: 2 * attention.keyValueHeadCount * type.byteCount(headWidth: attention.headWidth))
            guard !overflows, bytes < .max - alignment else { return nil }
            let size = LayerSize(positions: held, byteCount: (bytes + alignment - 1) / alignment * alignment)
            let (total, isTooMuch) = sum.addingReportingOverflow(size.byteCount)
            guard !isTooMuch else { return nil }
            sum = total
            sizes.append(size)
        }
        return sizes
    }

    /// Positions before what is seen that are kept where there is room, so that a sequence can be cut back a little: a
    /// conversation often is.
    private static func slack(passLength: Int) -> Int { min(64, passLength) }

    /// Positions of which a layer keeps keys and values.
    package static func heldCount(_ attention: Attention, capacity: Int, passLength: Int) -> Int {
        guard let reach = attention.reach else { return capacity }
        let (held, overflows) = (reach - 1).addingReportingOverflow(passLength + slack(passLength: passLength))
        return overflows ? capacity : min(capacity, held)
    }

    /// Forgets the positions from `count` on.
    ///
    /// - Returns: false where a layer does not have the keys any more that the next position looks at: then all are forgotten.
    package func truncate(to count: Int) -> Bool {
        precondition((0...self.count).contains(count), "a cache of \(self.count) positions is not truncated to \(count)")
        let isHeld = layers.allSatisfy { $0.first <= max(0, count + 1 - ($0.reach ?? .max)) }
        self.count = isHeld ? count : 0
        if self.count == 0 { for index in layers.indices { layers[index].first = 0 } }
        return isHeld
    }

    /// Whether a key or value of the filled positions was too large for F16, whose largest number is 65504, and became infinite.
    package var holdsInfinity: Bool {
        guard type == .f16 else { return false }
        for layer in layers {
            for part in [Part.keys, .values] {
                for head in 0..<headCount {
                    let filled = max(0, count - layer.first) * headSize
                    let start = place(part, head: head, position: layer.first, layer).bindMemory(to: UInt16.self, capacity: filled)
                    if UnsafeBufferPointer(start: start, count: filled).contains(where: { $0 & 0x7fff == 0x7c00 }) { return true }
                }
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
        for (part, scales, rows) in [(Part.keys, Part.keyScales, keys), (.values, .valueScales, values)] {
            for position in 0..<positions {
                for head in 0..<headCount {
                    let target = place(part, head: head, position: count + position, layer)
                    let row = rows + position * stride + head * headSize
                    switch type {
                    case .f16: qk_narrow(QK_F16, row, headSize, target)
                    case .f32: qk_narrow(QK_F32, row, headSize, target)
                    case .q8:
                        let scale = place(scales, head: head, position: count + position, layer)
                        qk_bytes_encode_at(
                            qk_simd_best(), row, headSize, target.bindMemory(to: Int8.self, capacity: headSize),
                            scale.bindMemory(to: Float.self, capacity: 1))
                    }
                }
            }
        }
    }

    /// Moves what the next position looks at to the front, where the positions do not fit behind it.
    private func makeRoom(for positions: Int, layer index: Int) {
        let layer = layers[index]
        guard count + positions - layer.first > layer.held, let reach = layer.reach else { return }
        let first = max(layer.first, count + 1 - reach - slack), kept = count - first
        precondition(kept + positions <= layer.held, "a pass of \(positions) positions is longer than the cache was made for")
        for part in Part.allCases {
            for head in 0..<headCount {
                place(part, head: head, position: layer.first, layer).copyMemory(
                    from: place(part, head: head, position: first, layer), byteCount: kept * rowByteCount(part))
            }
        }
        layers[index].first = first
    }

    /// What attention in a layer looks at.
    func view(layer index: Int, _ attention: Attention) -> MatrixEngine.AttentionCache {
        let layer = layers[index]
        // Positions are counted from the first of the sequence, whether it is kept or not.
        func first(_ part: Part) -> UnsafeRawPointer {
            UnsafeRawPointer(place(part, head: 0, position: layer.first, layer)) - layer.first * rowByteCount(part)
        }
        return MatrixEngine.AttentionCache(
            type: type == .f16 ? QK_F16 : QK_F32,
            scales: type == .q8
                ? .init(
                    keys: first(.keyScales).assumingMemoryBound(to: Float.self),
                    values: first(.valueScales).assumingMemoryBound(to: Float.self), headStride: layer.held) : nil,
            keys: first(.keys), values: first(.values), kvHeadCount: headCount, headSize: headSize, stride: headSize,
            headStride: layer.held * headSize, window: attention.window, chunk: attention.chunk)
    }

    private func rowByteCount(_ part: Part) -> Int { part.isScales ? type.scaleByteCount : headSize * type.elementByteCount }

    /// Where a part of a position is that is kept.
    private func place(_ part: Part, head: Int, position: Int, _ layer: Layer) -> UnsafeMutableRawPointer {
        guard let base = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        let rows = headCount * layer.held, codes = rows * headSize * type.elementByteCount
        let before =
            switch part {
            case .keys: 0
            case .values: codes
            // Floats begin at a multiple of four.
            case .keyScales: (2 * codes + 3) / 4 * 4
            case .valueScales: (2 * codes + 3) / 4 * 4 + rows * type.scaleByteCount
            }
        return base + layer.offset + before + (head * layer.held + position - layer.first) * rowByteCount(part)
    }
}
