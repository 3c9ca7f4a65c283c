/// How to quantize weights.
package struct QuantizationSettings: Hashable, Sendable, CustomStringConvertible {
    package let quantType: QuantType
    /// Consecutive elements that share one absmax.
    package let blockSize: Int
    /// Whether the absmax values are quantized themselves, to 8 bits.
    package let isDoubleQuantized: Bool

    /// Absmax values that share one nested absmax: fixed in bitsandbytes.
    package static let nestedBlockSize = 256

    /// - Throws: where the block size is not one of bitsandbytes'.
    package init(quantType: QuantType, blockSize: Int, isDoubleQuantized: Bool) throws(QuantizationError) {
        guard Self.isValid(blockSize: blockSize) else {
            throw QuantizationError("block size \(blockSize) is not a power of two from 32 to 4096")
        }
        self.quantType = quantType
        self.blockSize = blockSize
        self.isDoubleQuantized = isDoubleQuantized
    }

    private init() {
        quantType = .nf4
        blockSize = 64
        isDoubleQuantized = true
    }

    /// What QLoRA uses and transformers assumes: NF4, blocks of 64, double quantization.
    package static let standard = QuantizationSettings()

    package static func isValid(blockSize: Int) -> Bool {
        (32...4096).contains(blockSize) && blockSize & (blockSize - 1) == 0
    }

    /// `nf4, blocks of 64, double quantization`.
    package var description: String {
        "\(quantType.rawValue), blocks of \(blockSize), \(isDoubleQuantized ? "double" : "no double") quantization"
    }

    /// Bits per element of a large tensor, absmax included: 4.127 for the standard settings.
    package var bitsPerElement: Double {
        let nested = 8 + 32 / Double(Self.nestedBlockSize)
        return 4 + (isDoubleQuantized ? nested : 32) / Double(blockSize)
    }
}
