/// The 16 values a 4-bit code stands for before it is multiplied by its block's absmax: a checkpoint's `quant_map`.
package struct QuantMap: Hashable, Sendable {
    package let values: [16 of Float]

    package init(_ values: [16 of Float]) { self.values = values }

    package init(bitPatterns: [16 of UInt32]) {
        values = [16 of Float] { Float(bitPattern: bitPatterns[$0]) }
    }

    package var bitPatterns: [16 of UInt32] { [16 of UInt32] { values[$0].bitPattern } }

    /// Of the bits: two maps that differ in the sign of a zero are different.
    package static func == (a: QuantMap, b: QuantMap) -> Bool {
        a.values.indices.allSatisfy { a.values[$0].bitPattern == b.values[$0].bitPattern }
    }

    package func hash(into hasher: inout Hasher) {
        for index in values.indices { hasher.combine(values[index].bitPattern) }
    }

    /// The map to decode with, where this is what a checkpoint stores.
    ///
    /// FP4 has two codes of zero, and its stored map holds +0 for both; the kernels of bitsandbytes decode the second,
    /// code 8, as -0. (Its fallback for rows of odd length gives +0: decode with the stored map for that.)
    package func decodingMap(for quantType: QuantType) -> QuantMap {
        guard quantType == .fp4, values[8] == 0 else { return self }
        var decoded = values
        decoded[8] = -0.0
        return QuantMap(decoded)
    }
}
