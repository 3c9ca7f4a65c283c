import Quantization
import TensorCore
import TestSupport
import Testing

struct BlockQuantizerTests {
    @Test(arguments: [1, 3, 7, 16])
    func givesTheSameBytesInChunks(blocksPerChunk: Int) {
        let blockSize = 64, count = 5000
        var random = SeededGenerator(seed: 1)
        let values = random.normals(count: count)
        let whole = Quantized(values, as: .fp4, blockSize: blockSize)
        var packed: [UInt8] = [], absmax: [Float] = []
        for start in stride(from: 0, to: count, by: blocksPerChunk * blockSize) {
            let chunk = Array(values[start..<min(count, start + blocksPerChunk * blockSize)])
            let quantized = Quantized(chunk, as: .fp4, blockSize: blockSize)
            packed += quantized.packed
            absmax += quantized.absmax
        }
        #expect(difference(packed, whole.packed) == nil)
        #expect(difference(absmax, whole.absmax) == nil)
    }

    @Test func putsTheFirstElementIntoTheHighNibble() {
        var values = [Float](repeating: 0, count: 64)
        values[0] = -1
        values[1] = 1
        values[2] = 1
        let packed = Quantized(values).packed
        #expect(packed[0] == 0x0f)
        #expect(packed[1] == 0xf7)
        #expect(packed[2...].allSatisfy { $0 == 0x77 })
    }

    @Test(arguments: [(QuantType.nf4, UInt8(7)), (.fp4, 0)])
    func padsAnOddCountWithTheCodeOfZero(_ quantType: QuantType, _ zero: UInt8) {
        let packed = Quantized([1, 1, 1], as: quantType).packed
        #expect(packed.count == 2)
        #expect(packed[1] & 15 == zero)
    }

    /// The stored value of a partial block is the divisor, that of a whole one the maximum itself.
    @Test func storesTheClampedAbsmaxOfAPartialBlockOnly() {
        let absmax = Quantized([Float](repeating: 0, count: 70)).absmax
        #expect(absmax.map(\.bitPattern) == [0, 0x006ce3ee])
    }

    /// Dividing and multiplying by the reciprocal differ in the last bit of some quotients: here, on two sides of a threshold.
    @Test func dividesInAPartialBlock() {
        let (value, absmax) = Self.pairWhereDivisionMatters()
        let threshold = Self.threshold
        let whole = Quantized([absmax, value] + [Float](repeating: 0, count: 62)).packed[0] & 15
        let partial = Quantized([absmax, value]).packed[0] & 15
        #expect(whole == (value * (1 / absmax) > threshold ? 15 : 14))
        #expect(partial == (value / absmax > threshold ? 15 : 14))
        #expect(whole != partial)
    }

    /// The highest of NF4.
    private static let threshold = Float(bitPattern: 0x3f5c89da)

    /// A value and an absmax for which fl(value * fl(1 / absmax)) and fl(value / absmax) lie on two sides of a threshold.
    private static func pairWhereDivisionMatters() -> (value: Float, absmax: Float) {
        var absmax: Float = 1
        while true {
            absmax = absmax.nextUp
            var value = (threshold * absmax).nextDown.nextDown
            for _ in 0..<5 {
                if (value * (1 / absmax) > threshold) != (value / absmax > threshold) { return (value, absmax) }
                value = value.nextUp
            }
        }
    }

    @Test(arguments: ScalarType.allCases.filter(\.isQuantizable))
    func quantizesEveryTypeAsItsFloat32Values(_ scalarType: ScalarType) {
        // Bytes whose values are finite in every one of the types; those of a float64 also as float32.
        var random = SeededGenerator(seed: 2)
        let bytes = (0..<1000 * scalarType.bitCount / 8).map { i in
            scalarType == .f64 && i % 8 == 7 ? 0x3f : UInt8.random(in: 0...0x5f, using: &random)
        }
        var values = [Float](repeating: .nan, count: 1000)
        var span = values.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: scalarType, into: &span)
        #expect(values.allSatisfy { $0.isFinite })
        let quantized = Quantized(bytes, of: scalarType, as: .nf4, blockSize: 32)
        let expected = Quantized(values, as: .nf4, blockSize: 32)
        #expect(difference(quantized.packed, expected.packed) == nil)
        #expect(difference(quantized.absmax, expected.absmax) == nil)
        #expect(quantized.firstNonFinite == nil)
    }

    @Test func reportsAFloat64BeyondFloat32() {
        let values: [Double] = [1, 2, 1e300, 4]
        let bytes = values.withUnsafeBytes { Array($0) }
        #expect(Quantized(bytes, of: .f64, as: .nf4, blockSize: 64).firstNonFinite == 2)
    }

    @Test func acceptsNothing() {
        let quantized = Quantized([Float]())
        #expect(quantized.packed.isEmpty)
        #expect(quantized.firstNonFinite == nil)
        #expect(quantized.dequantized(0, quantMap: QuantType.nf4.quantMap, blockSize: 64, to: .f32).isEmpty)
    }
}
