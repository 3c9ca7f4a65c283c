/// Scalars that no set of an expression tells apart, as one class.
struct ScalarClasses: Sendable {
    private(set) var count = 0
    /// Where a class begins, ascending from 0, and which one.
    private var starts: [UInt32] = []
    private var classes: [UInt16] = []
    private var ascii: [UInt16] = []
    /// A scalar of each class.
    private(set) var examples: [UInt32] = []

    init(_ sets: [ScalarSet]) {
        var bounds: Set<UInt32> = [0]
        for range in sets.lazy.flatMap(\.ranges) {
            bounds.insert(range.lowerBound)
            bounds.insert(range.upperBound + 1)
        }
        var numbers: [[Bool]: UInt16] = [:]
        for start in bounds.sorted() where start <= 0x10ffff {
            let members = sets.map { $0.contains(start) }
            let number = numbers[members] ?? UInt16(count)
            if number == count {
                numbers[members] = number
                examples.append(start)
                count += 1
            }
            guard classes.last != number else { continue }
            starts.append(start)
            classes.append(number)
        }
        ascii = (0..<128).map { search(UInt32($0)) }
    }

    /// The class of a scalar.
    @inline(__always)
    func of(_ scalar: UInt32) -> Int { Int(scalar < 128 ? ascii[Int(scalar)] : search(scalar)) }

    private func search(_ scalar: UInt32) -> UInt16 {
        // The last start that is not behind the scalar.
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= scalar { low = middle } else { high = middle }
        }
        return classes[low]
    }
}
