/// Reads amounts of bytes as people write them.
package enum ByteCountText {
    /// What help says about the form of a value.
    static let form = "bytes, or as 512M, 1.5GiB, 2GB"

    /// `512`, `512B`; `K M G T P` and `KiB MiB ...` count in powers of 1024, `KB MB ...` in powers of 1000
    /// (as GNU's tools do). Upper and lower case are the same. A fraction is cut down to whole bytes.
    /// Nil where the text is none of that or the amount does not fit an `Int`.
    package static func parse(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let factor = factor(text[digits.endIndex...]) else { return nil }
        let parts = digits.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty, let whole = Int(parts[0]) else { return nil }
        let (bytes, overflow) = whole.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return bytes }
        // Nine decimals resolve a byte of a gigabyte; more would only make the product overflow.
        guard (1...9).contains(parts[1].count), let fraction = Int(parts[1]) else { return nil }
        let scale = (0..<parts[1].count).reduce(1) { scale, _ in scale * 10 }
        let (high, low) = factor.multipliedFullWidth(by: fraction)
        let (sum, carried) = bytes.addingReportingOverflow(scale.dividingFullWidth((high, low)).quotient)
        return carried ? nil : sum
    }

    private static func factor(_ suffix: Substring) -> Int? {
        var letters = suffix.lowercased()
        if letters.isEmpty || letters == "b" { return 1 }
        guard let power = Array("kmgtp").firstIndex(of: letters.removeFirst()) else { return nil }
        let base: Int
        switch letters {
        case "", "ib": base = 1024
        case "b": base = 1000
        default: return nil
        }
        return (0...power).reduce(1) { factor, _ in factor * base }
    }
}
