/// The order in which people count: `layers.2` before `layers.10`.
package enum NaturalOrder {
    /// True where `a` comes before `b`: runs of digits compare as numbers, everything else by its bytes.
    package static func precedes(_ a: String, _ b: String) -> Bool {
        var a = a, b = b
        return a.withUTF8 { a in b.withUTF8 { b in precedes(a, b) } }
    }

    private static func precedes(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        var i = 0, j = 0
        while i < a.count, j < b.count {
            if isDigit(a[i]), isDigit(b[j]) {
                let endA = endOfDigits(a, from: i), endB = endOfDigits(b, from: j)
                let startA = startOfNumber(a, i..<endA), startB = startOfNumber(b, j..<endB)
                if endA - startA != endB - startB { return endA - startA < endB - startB }
                for offset in 0..<endA - startA where a[startA + offset] != b[startB + offset] {
                    return a[startA + offset] < b[startB + offset]
                }
                // Equal numbers: fewer leading zeros first.
                if endA - i != endB - j { return endA - i < endB - j }
                (i, j) = (endA, endB)
            } else {
                if a[i] != b[j] { return a[i] < b[j] }
                (i, j) = (i + 1, j + 1)
            }
        }
        return a.count - i < b.count - j
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func endOfDigits(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var end = start
        while end < bytes.count, isDigit(bytes[end]) { end += 1 }
        return end
    }

    /// The first digit that is no leading zero; the end where all are zeros.
    private static func startOfNumber(_ bytes: UnsafeBufferPointer<UInt8>, _ run: Range<Int>) -> Int {
        var start = run.lowerBound
        while start < run.upperBound, bytes[start] == UInt8(ascii: "0") { start += 1 }
        return start
    }
}
