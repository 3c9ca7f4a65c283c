/// `repr(value)` of Python's float: the shortest digits that read back as the same double, with an exponent below 1e-4 and
/// from 1e16 on.
///
/// Swift finds the same digits but changes to an exponent at other places (2^53).
package func pythonRepr(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    guard value != 0 else { return sign + "0.0" }
    let (digits, pointPosition) = shortestDigits(value.magnitude)
    guard (-3...16).contains(pointPosition) else {
        let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
        let exponent = pointPosition - 1
        let padding = exponent.magnitude < 10 ? "0" : ""
        return "\(sign)\(digits.prefix(1))\(fraction)e\(exponent < 0 ? "-" : "+")\(padding)\(exponent.magnitude)"
    }
    if pointPosition <= 0 { return sign + "0." + String(repeating: "0", count: -pointPosition) + digits }
    let missing = String(repeating: "0", count: max(0, pointPosition - digits.count))
    let fraction = digits.dropFirst(pointPosition)
    return sign + digits.prefix(pointPosition) + missing + "." + (fraction.isEmpty ? "0" : fraction)
}

/// Digits without leading and trailing zeros, and how many of them stand before the decimal point (may be negative or
/// beyond the last): 0.00123 is 123 and -2.
private func shortestDigits(_ value: Double) -> (digits: String, pointPosition: Int) {
    let parts = value.description.split(separator: "e", maxSplits: 1)
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let mantissa = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let whole = mantissa[0], all = mantissa.joined()
    let significant = all.drop { $0 == "0" }
    let trailingZeroCount = significant.reversed().prefix { $0 == "0" }.count
    let leadingZeroCount = all.count - significant.count
    return (String(significant.dropLast(trailingZeroCount)), whole.count - leadingZeroCount + exponent)
}
