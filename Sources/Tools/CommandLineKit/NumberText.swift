import Platform

/// Numbers as people read them: rounded correctly, the same on every machine and in every locale.
package enum NumberText {
    private static let byteUnits = ["kB", "MB", "GB", "TB", "PB", "EB"]

    /// Three significant digits in powers of 1000: `999 B`, `1.23 GB`. Rounds halves up.
    package static func byteCount(_ count: Int) -> String {
        let magnitude = UInt64(count.magnitude)
        let sign = count < 0 ? "-" : ""
        guard magnitude >= 1000 else { return "\(sign)\(magnitude) B" }
        var unit: UInt64 = 1000
        for name in byteUnits {
            for decimals in stride(from: 2, through: 0, by: -1) {
                let step = unit / (decimals == 2 ? 100 : decimals == 1 ? 10 : 1)
                let steps = (magnitude + step / 2) / step
                if steps < 1000 { return "\(sign)\(pointed(steps, decimals: decimals)) \(name)" }
            }
            // Only below 1000 EB, which no 64-bit count reaches, can this go on.
            unit *= 1000
        }
        preconditionFailure("no 64-bit count is 1000 EB")
    }

    /// Every digit: `1,234,567 bytes`.
    package static func exactByteCount(_ count: Int) -> String {
        "\(grouped(count)) \(count == 1 ? "byte" : "bytes")"
    }

    /// `812 MB/s`; nothing sensible is known about a rate that is not finite or not positive, so that shows as `-`.
    package static func byteRate(_ bytesPerSecond: Double) -> String {
        guard bytesPerSecond > 0, bytesPerSecond < 9e18 else { return "-" }
        return byteCount(Int(bytesPerSecond.rounded())) + "/s"
    }

    /// Thousands separated: `1,234,567`.
    package static func grouped(_ count: Int) -> String {
        let digits = String(count.magnitude).utf8
        guard digits.count > 3 else { return String(count) }
        var text = count < 0 ? "-" : ""
        var left = digits.count
        for digit in digits {
            if left.isMultiple(of: 3), left < digits.count { text += "," }
            text.unicodeScalars.append(Unicode.Scalar(digit))
            left -= 1
        }
        return text
    }

    /// A fixed number of decimals, halves to even as IEEE 754 has it: `0.12`. What rounds to zero has no sign.
    package static func fixed(_ value: Double, decimals: Int) -> String {
        if let text = short(value, decimals: decimals) { return text }
        let text = printed("%.*f", decimals, value)
        return text.hasPrefix("-") && text.allSatisfy { "-0.".contains($0) } ? String(text.dropFirst()) : text
    }

    /// At most this many significant digits, without trailing zeros, with an exponent where that is shorter: `0.0123`, `1.5e-07`.
    package static func significant(_ value: Double, digits: Int) -> String {
        value == 0 ? "0" : printed("%.*g", digits, value)
    }

    /// A fraction of one in percent: 0.421 is `42.1%`.
    package static func percent(_ fraction: Double, decimals: Int = 1) -> String {
        fixed(fraction * 100, decimals: decimals) + "%"
    }

    /// About three digits: `350 us`, `12.3 ms`, `4.56 s`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`.
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds.magnitude < 1e9 else { return "-" }
        guard seconds >= 0 else { return "-" + duration(seconds: -seconds) }
        if seconds == 0 { return "0 s" }
        for (unit, scale) in [("us", 1e6), ("ms", 1e3), ("s", 1.0)] {
            let value = seconds * scale
            // The limits are where rounding to the shown digits would give 1000 of the unit, or 60.0 seconds.
            guard value < (scale == 1 ? 59.95 : 999.5) else { continue }
            return fixed(value, decimals: value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit
        }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
        let minutes = Int((seconds / 60).rounded())
        if minutes < 24 * 60 { return "\(minutes / 60) h \(padded(minutes % 60)) min" }
        let hours = Int((seconds / 3600).rounded())
        return "\(hours / 24) d \(padded(hours % 24)) h"
    }

    private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// What `fixed` gives, in integers: listings have a number or two for each of 100,000 tensors. Nil where they are too small.
    private static func short(_ value: Double, decimals: Int) -> String? {
        guard value.magnitude < 0x1p52, (0...6).contains(decimals) else { return nil }
        // The value is significand / 2^shift; shift is at most 1074, and from 127 on nothing is left.
        let significand = value.significandBitPattern | (value.isNormal ? 1 << 52 : 0)
        let shift = 1075 - max(1, Int(value.exponentBitPattern))
        guard shift < 127 else { return nil }
        var power: UInt64 = 1
        for _ in 0..<decimals { power *= 10 }
        let scaled = UInt128(significand) * UInt128(power)
        var steps = UInt64(scaled >> UInt128(shift))
        let rest = scaled & ((1 << UInt128(shift)) - 1), half = (1 as UInt128) << UInt128(shift - 1)
        if rest > half || rest == half && !steps.isMultiple(of: 2) { steps += 1 }
        let (whole, fraction) = steps.quotientAndRemainder(dividingBy: power)
        let sign = value < 0 && steps > 0 ? "-" : ""
        guard decimals > 0 else { return sign + String(whole) }
        let digits = String(fraction)
        return "\(sign)\(whole).\(String(repeating: "0", count: decimals - digits.utf8.count))\(digits)"
    }

    /// Puts the decimal point into an integer count of hundredths or tenths.
    private static func pointed(_ steps: UInt64, decimals: Int) -> String {
        var digits = Array(String(steps))
        guard decimals > 0 else { return String(digits) }
        digits.insert(".", at: digits.count - decimals)
        return String(digits)
    }

    /// The C library rounds from the exact binary value, which adding and truncating in floating point would not.
    private static func printed(_ format: String, _ precision: Int, _ value: Double) -> String {
        // 310 digits before the point are the most that a Double has.
        var buffer = [CChar](repeating: 0, count: 400 + precision)
        let count = withVaList([Int32(precision), value]) { vsnprintf(&buffer, buffer.count, format, $0) }
        precondition(count >= 0 && count < buffer.count, "a number did not fit its buffer")
        return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
