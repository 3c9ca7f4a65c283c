/// The two 4-bit data types of bitsandbytes.
package enum QuantType: String, Sendable, Hashable, CaseIterable {
    /// "Normal float": the quantiles of a normal distribution.
    case nf4
    /// A sign, two exponent bits and one mantissa bit.
    case fp4

    /// The values of the codes, as a checkpoint stores them in `quant_map`.
    ///
    /// By bit pattern: the decimals found in papers and sources are shortened, and some round to a neighbour.
    package var quantMap: QuantMap {
        switch self {
        case .nf4:
            QuantMap(bitPatterns: [
                0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0, 0xbe91a24d, 0xbe3d353f, 0xbdba7871, 0x00000000,
                0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a, 0x3ee1a4b8, 0x3f1007ab, 0x3f3913b3, 0x3f800000,
            ])
        case .fp4:
            QuantMap(bitPatterns: [
                0x00000000, 0x3baaaaab, 0x3f2aaaab, 0x3f800000, 0x3eaaaaab, 0x3f000000, 0x3e2aaaab, 0x3e800000,
                0x00000000, 0xbbaaaaab, 0xbf2aaaab, 0xbf800000, 0xbeaaaaab, 0xbf000000, 0xbe2aaaab, 0xbe800000,
            ])
        }
    }
}
