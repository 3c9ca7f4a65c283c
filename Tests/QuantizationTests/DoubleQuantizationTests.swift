import Quantization
import TestSupport
import Testing

struct DoubleQuantizationTests {
    private static let absmax: [Float] = {
        var random = SeededGenerator(seed: 3)
        return random.normals(count: 1000).map { abs($0) + 2 }
    }()

    @Test func restoresAbsmaxClosely() throws {
        let values = Self.absmax
        let nested = DoubleQuantization.quantize(values.span)
        #expect(nested.codes.count == 1000)
        #expect(nested.nestedAbsmax.count == 4)
        let restored = try nested.restored()
        for i in 0..<1000 {
            // The widest gap of the map, halved, and the missing -1: under 1 % of the range.
            #expect(abs(restored[i] - Self.absmax[i]) < 0.01 * nested.nestedAbsmax[i / 256])
        }
    }

    @Test(arguments: [0..<1000, 0..<1, 255..<257, 300..<999, 999..<1000, 5..<5])
    func restoresAnyRangeOfBlocks(_ range: Range<Int>) throws {
        let values = Self.absmax
        let nested = DoubleQuantization.quantize(values.span)
        let all = try nested.restored()
        let codes = Array(nested.codes[range])
        var part = [Float](repeating: .nan, count: range.count)
        let map = DynamicMap.values
        var span = part.mutableSpan
        DoubleQuantization.dequantize(
            codes.span.bytes, firstBlock: range.lowerBound, nestedAbsmax: nested.nestedAbsmax.span,
            map: map.span, nested: try QuantState.Nested(offset: nested.offset), into: &span)
        #expect(difference(part, Array(all[range])) == nil)
    }

    @Test func keepsASingleAbsmaxExactly() throws {
        let values: [Float] = [0.3]
        let nested = DoubleQuantization.quantize(values.span)
        #expect(nested.codes == [0])
        #expect(nested.nestedAbsmax == [0])
        #expect(nested.offset == 0.3)
        #expect(try nested.restored() == [0.3])
    }
}
