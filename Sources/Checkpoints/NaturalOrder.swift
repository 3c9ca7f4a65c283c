/// The order in which people count: `layers.2` before `layers.10`.
package enum NaturalOrder {
    /// True where `a` comes before `b`: runs of digits compare as numbers, everything else by its bytes.
    package static func precedes(_ a: String, _ b: String) -> Bool {
        let a = Array(a.utf8), b = Array(b.utf8)
        var i = 0, j = 0
        while i < a.count, j < b.count {
            if isDigit(a[i]), isDigit(b[j]) {
                let runA = run(a, from: i), runB = run(b, from: j)
                let significantA = a[runA].drop { $0 == UInt8(ascii: "0") }, significantB = b[runB].drop { $0 == UInt8(ascii: "0") }
                if significantA.count != significantB.count { return significantA.count < significantB.count }
                if !significantA.elementsEqual(significantB) { return significantA.lexicographicallyPrecedes(significantB) }
                if runA.count != runB.count { return runA.count < runB.count }
                (i, j) = (runA.upperBound, runB.upperBound)
            } else {
                if a[i] != b[j] { return a[i] < b[j] }
                (i, j) = (i + 1, j + 1)
            }
        }
        return a.count - i < b.count - j
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func run(_ bytes: [UInt8], from start: Int) -> Range<Int> {
        var end = start
        while end < bytes.count, isDigit(bytes[end]) { end += 1 }
        return start..<end
    }
}
