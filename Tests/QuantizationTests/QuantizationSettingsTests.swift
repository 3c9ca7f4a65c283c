import Quantization
import Testing

struct QuantizationSettingsTests {
    @Test(arguments: [32, 64, 128, 256, 512, 1024, 2048, 4096])
    func acceptsTheBlockSizesOfBitsandbytes(_ blockSize: Int) throws {
        let settings = try QuantizationSettings(quantType: .fp4, blockSize: blockSize, isDoubleQuantized: false)
        #expect(settings.blockSize == blockSize)
    }

    @Test(arguments: [-64, 0, 1, 16, 33, 63, 96, 4097, 8192, Int.max, Int.min])
    func refusesOtherBlockSizes(_ blockSize: Int) {
        #expect(throws: QuantizationError("block size \(blockSize) is not a power of two from 32 to 4096")) {
            try QuantizationSettings(quantType: .nf4, blockSize: blockSize, isDoubleQuantized: true)
        }
    }

    @Test func standardIsThatOfQLoRA() throws {
        #expect(
            try QuantizationSettings.standard
                == QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: true))
        #expect(QuantizationSettings.standard.bitsPerElement == 4.126953125)
        #expect(try QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false).bitsPerElement == 4.5)
    }
}
