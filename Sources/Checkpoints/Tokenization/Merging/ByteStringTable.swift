/// Byte strings, numbered in the order in which they were added.
///
/// Equal is what has the same bytes; `String` takes canonically equivalent texts for equal, and vocabularies do not.
struct ByteStringTable: Sendable {
    private static let seed = UInt64.random(in: .min ... .max) | 1

    /// All keys, one after another; key `i` ends before `ends[i]`.
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var hashes: [UInt64] = []
    /// Number of a key plus 1; 0 where a slot is free.
    private var slots = [UInt32](repeating: 0, count: 16)
    private let seed = Self.seed

    var count: Int { ends.count }

    /// Bytes of all keys.
    var byteCount: Int { bytes.count }

    func key(_ index: Int) -> ArraySlice<UInt8> {
        bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// The number of `text[start..<end]`, or nil.
    func index(of text: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        index(of: text, from: start, to: end, hash: Self.hash(text, from: start, to: end, seed: seed))
    }

    func index(of key: [UInt8]) -> Int? { index(of: key.span, from: 0, to: key.count) }

    /// Adds a key; nil where it is there already.
    @discardableResult
    mutating func add(_ text: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        let hash = Self.hash(text, from: start, to: end, seed: seed)
        guard index(of: text, from: start, to: end, hash: hash) == nil else { return nil }
        if 2 * (count + 1) > slots.count { grow() }
        for i in start..<end { bytes.append(text[i]) }
        ends.append(bytes.count)
        hashes.append(hash)
        occupy(count - 1)
        return count - 1
    }

    @discardableResult
    mutating func add(_ key: [UInt8]) -> Int? { add(key.span, from: 0, to: key.count) }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
        slots = [UInt32](repeating: 0, count: slots.count)
    }

    private func index(of text: Span<UInt8>, from start: Int, to end: Int, hash: UInt64) -> Int? {
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot] - 1)
            if hashes[index] == hash, holds(index, text, from: start, to: end) { return index }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func holds(_ index: Int, _ text: Span<UInt8>, from start: Int, to end: Int) -> Bool {
        let keyStart = index == 0 ? 0 : ends[index - 1]
        guard ends[index] - keyStart == end - start else { return false }
        for i in 0..<(end - start) where bytes[keyStart + i] != text[start + i] { return false }
        return true
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: 2 * slots.count)
        for index in 0..<count { occupy(index) }
    }

    private mutating func occupy(_ index: Int) {
        var slot = Int(truncatingIfNeeded: hashes[index]) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(index + 1)
    }

    /// Eight bytes at a time through a 128-bit product. Seeded in every process, like `IntegerTable`.
    private static func hash(_ text: Span<UInt8>, from start: Int, to end: Int, seed: UInt64) -> UInt64 {
        var hash = seed ^ UInt64(end - start)
        var position = start
        while position < end {
            var chunk: UInt64 = 0
            let chunkEnd = min(position + 8, end)
            while position < chunkEnd {
                chunk = chunk << 8 | UInt64(text[position])
                position += 1
            }
            let product = (hash ^ chunk).multipliedFullWidth(by: seed)
            hash = product.high ^ product.low ^ (chunk &* 0x9e37_79b9_7f4a_7c15)
        }
        return hash ^ (hash >> 32)
    }
}
