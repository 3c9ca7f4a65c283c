import Quantization
import TensorCore
import TestSupport
import Testing

/// The quality that bitsandbytes' own tests expect of normally distributed values.
struct NormalErrorTests {
    struct Expected {
        let quantType: QuantType
        let blockSize: Int
        /// Mean of |error| and of |error| / |value| over a matrix of 1024 x 1024.
        let absolute: Double
        let relative: Double

        init(_ quantType: QuantType, _ blockSize: Int, _ absolute: Double, _ relative: Double) {
            self.quantType = quantType
            self.blockSize = blockSize
            self.absolute = absolute
            self.relative = relative
        }
    }

    static let values: [Float] = {
        var random = SeededGenerator(seed: 42)
        return random.normals(count: 1 << 18)
    }()

    /// Numbers of bitsandbytes' `test_4bit_quant`. Measured over a quarter of the values, they scatter by 0.3 %.
    @Test(arguments: [
        Expected(.nf4, 32, 0.067746, 0.189726), Expected(.nf4, 64, 0.072798, 0.203339),
        Expected(.nf4, 128, 0.076831, 0.215237), Expected(.nf4, 256, 0.080337, 0.226105),
        Expected(.nf4, 4096, 0.092547, 0.262473), Expected(.fp4, 32, 0.088925, 0.242443),
        Expected(.fp4, 64, 0.096543, 0.260125), Expected(.fp4, 128, 0.102969, 0.275817),
        Expected(.fp4, 256, 0.108684, 0.289831), Expected(.fp4, 4096, 0.129536, 0.337169),
    ])
    func losesWhatBitsandbytesLoses(_ expected: Expected) {
        let values = Self.values
        let quantized = Quantized(values, as: expected.quantType, blockSize: expected.blockSize)
        let restored = FixtureFile.floats(
            quantized.dequantized(
                values.count, quantMap: expected.quantType.quantMap, blockSize: expected.blockSize, to: .f32))
        var absolute = 0.0, relative = 0.0
        values.withUnsafeBufferPointer { values in
            restored.withUnsafeBufferPointer { restored in
                for i in values.indices {
                    let error = Double((values[i] - restored[i]).magnitude)
                    absolute += error
                    relative += error / (Double(values[i].magnitude) + 1e-8)
                }
            }
        }
        absolute /= Double(values.count)
        relative /= Double(values.count)
        #expect((absolute / expected.absolute - 1).magnitude < 0.006)
        #expect((relative / expected.relative - 1).magnitude < 0.006)
    }
}
