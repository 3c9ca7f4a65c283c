/// Numbers by numbers, with open addressing; never holds more than it was given.
///
/// The multiplier is drawn anew in every process, so that no file can be made whose keys all collide. Nothing that is
/// computed depends on it.
struct IntegerTable: Sendable {
    /// What `self[key]` gives for a key that is not there; it cannot be stored.
    static let missing = UInt64.max

    private static let multiplier = UInt64.random(in: .min ... .max) | 1

    private var keys: [UInt64]
    private var values: [UInt64]
    private var count = 0
    private var shift: UInt64
    private let multiplier = Self.multiplier

    init() {
        keys = [UInt64](repeating: 0, count: 16)
        values = [UInt64](repeating: Self.missing, count: 16)
        shift = 60
    }

    subscript(key: UInt64) -> UInt64 {
        get {
            var slot = Int(truncatingIfNeeded: (key &* multiplier) >> shift)
            while values[slot] != Self.missing {
                if keys[slot] == key { return values[slot] }
                slot = (slot + 1) & (keys.count - 1)
            }
            return Self.missing
        }
        set {
            precondition(newValue != Self.missing)
            if 2 * (count + 1) > keys.count { grow() }
            store(key, newValue)
        }
    }

    private mutating func store(_ key: UInt64, _ value: UInt64) {
        var slot = Int(truncatingIfNeeded: (key &* multiplier) >> shift)
        while values[slot] != Self.missing, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
        if values[slot] == Self.missing { count += 1 }
        keys[slot] = key
        values[slot] = value
    }

    private mutating func grow() {
        let (oldKeys, oldValues) = (keys, values)
        keys = [UInt64](repeating: 0, count: 2 * oldKeys.count)
        values = [UInt64](repeating: Self.missing, count: 2 * oldKeys.count)
        shift -= 1
        count = 0
        for (key, value) in zip(oldKeys, oldValues) where value != Self.missing { store(key, value) }
    }
}
