import CKernels
import Quantization
import TensorCore
import Testing

/// A million values, compared by CRC-32C with the reference implementation in numpy, which agrees with bitsandbytes 0.50.2
/// on these and on 49 million other values.
struct ProceduralTests {
    struct Expected {
        let count: Int
        let quantType: QuantType
        let blockSize: Int
        let packed: UInt32
        let absmax: UInt32
        let dequantized: UInt32
    }

    @Test(arguments: [
        Expected(
            count: 65_536, quantType: .nf4, blockSize: 64,
            packed: 0x261c0206, absmax: 0x8c9c95f1, dequantized: 0x0d79a0a4),
        Expected(
            count: 65_536, quantType: .fp4, blockSize: 64,
            packed: 0x7bccabbc, absmax: 0x8c9c95f1, dequantized: 0x4dd7f80e),
        Expected(
            count: 1_000_003, quantType: .nf4, blockSize: 64,
            packed: 0xdd6374a4, absmax: 0x5399004a, dequantized: 0x6ebcad2b),
        Expected(
            count: 1_000_003, quantType: .nf4, blockSize: 128,
            packed: 0x3316870c, absmax: 0xa01c327a, dequantized: 0xbb9dcb72),
        Expected(
            count: 1_000_003, quantType: .fp4, blockSize: 128,
            packed: 0x00f78cfd, absmax: 0xa01c327a, dequantized: 0xbd09e515),
    ])
    func matchesTheReference(_ expected: Expected) {
        let quantized = Quantized(
            proceduralValues(expected.count), as: expected.quantType, blockSize: expected.blockSize)
        #expect(crc(quantized.packed) == expected.packed)
        #expect(crc(bytes(of: quantized.absmax)) == expected.absmax)
        let dequantized = quantized.dequantized(
            expected.count, quantMap: expected.quantType.quantMap.decodingMap(for: expected.quantType),
            blockSize: expected.blockSize, to: .f32)
        #expect(crc(dequantized) == expected.dequantized)
    }

    @Test func matchesTheReferenceDoublyQuantized() throws {
        let count = 1_000_003
        let quantized = Quantized(proceduralValues(count))
        let nested = DoubleQuantization.quantize(quantized.absmax.span)
        #expect(nested.offset.bitPattern == 0x3efdcdd3)
        #expect(crc(nested.codes) == 0x1d743d0d)
        #expect(crc(bytes(of: nested.nestedAbsmax)) == 0x22d4dab6)
        let dequantized = quantized.dequantized(
            count, quantMap: QuantType.nf4.quantMap, blockSize: 64, to: .f32, absmax: try nested.restored())
        #expect(crc(dequantized) == 0xc6db1295)
    }

    private func crc(_ bytes: [UInt8]) -> UInt32 { qk_crc32c(0, bytes, bytes.count) }
}
