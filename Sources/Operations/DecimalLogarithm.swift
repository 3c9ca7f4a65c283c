import Glibc

/// Decimal logarithm; minus infinity of zero.
func decimalLogarithm(_ value: Double) -> Double { log10(value) }
