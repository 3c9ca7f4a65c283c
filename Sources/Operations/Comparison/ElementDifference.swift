/// How many elements of two tensors differ, and how many are equal without being finite.
package struct ElementDifference: Sendable, Hashable {
    /// Elements that have other values as float32; of F64 on both sides and of types that are no floats, other bytes. (Of
    /// types with less than 8 bits, bytes are counted.)
    package internal(set) var differingCount = 0
    /// NaN on both sides, or the same infinity.
    package internal(set) var equalNonfiniteCount = 0

    init() {}

    /// Counts in two equally long buffers of float32, and puts 0 on both sides where neither is finite and both are
    /// equal: subtracted from each other they would make sums of errors NaN.
    init(takenFrom reference: UnsafeMutableRawBufferPointer, _ actual: UnsafeMutableRawBufferPointer) {
        let x = reference.bindMemory(to: Float.self), y = actual.bindMemory(to: Float.self)
        var differing = 0, nonfinite = 0
        // No branches: the compiler turns this into vectors. What is not finite minus itself is NaN.
        for index in 0..<x.count {
            differing &+= x[index] == y[index] ? 0 : 1
            nonfinite &+= x[index] - x[index] == 0 ? 0 : 1
        }
        if nonfinite > 0 {
            for index in 0..<x.count where !x[index].isFinite {
                let areNaN = x[index].isNaN && y[index].isNaN
                guard areNaN || x[index] == y[index] else { continue }
                if areNaN { differing -= 1 }
                equalNonfiniteCount += 1
                (x[index], y[index]) = (0, 0)
            }
        }
        differingCount = differing
    }

    mutating func append(_ next: ElementDifference) {
        differingCount += next.differingCount
        equalNonfiniteCount += next.equalNonfiniteCount
    }

    /// Elements of `byteCount` bytes each that are not the same bytes; the buffers are equally long.
    static func count(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, byteCount: Int) -> Int {
        switch byteCount {
        case 1: count(a, b, as: UInt8.self)
        case 2: count(a, b, as: UInt16.self)
        case 4: count(a, b, as: UInt32.self)
        default: count(a, b, as: UInt64.self)
        }
    }

    private static func count<Bits: FixedWidthInteger>(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, as: Bits.Type) -> Int {
        let a = a.bindMemory(to: Bits.self), b = b.bindMemory(to: Bits.self)
        var count = 0
        for index in 0..<a.count { count &+= a[index] == b[index] ? 0 : 1 }
        return count
    }
}
