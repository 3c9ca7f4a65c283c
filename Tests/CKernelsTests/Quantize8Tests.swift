import CKernels
import Testing

struct Quantize8Tests {
    /// The reference implementation's means of value(i) = ((i + 1) * 2654435761 mod 2^32 >> 8) * 2^-24; it agrees with
    /// torch on 800 tensors.
    @Test(
        arguments: [
            (1, 0x3f1e3779), (7, 0x3ef1bbce), (8, 0x3f07f9a3), (9, 0x3f08dc7c), (31, 0x3f005ed4), (32, 0x3f029357),
            (33, 0x3f01af14), (63, 0x3f01dae4), (64, 0x3f020af2), (127, 0x3eff8467), (511, 0x3f001e03), (512, 0x3f00156d),
            (513, 0x3effb82a), (1000, 0x3f0000ae), (4095, 0x3f0009cc), (16_384, 0x3efffbb8), (65_537, 0x3effffa8),
            (300_001, 0x3f000006),
        ] as [(Int, UInt32)])
    func meanAddsInTheOrderOfTorch(_ count: Int, _ expected: UInt32) {
        var product: UInt32 = 0
        let values = (0..<count).map { _ in
            product &+= 2_654_435_761
            return Float(product >> 8) * 0x1p-24
        }
        #expect(qk_mean(values, count).bitPattern == expected)
    }

    @Test func meanOfNothingIsNaN() {
        #expect(qk_mean([], 0).isNaN)
    }

    private static let map = (0..<256).map { Float($0 - 127) / 128 }

    private static let bins: [UInt8] = {
        var bins = [UInt8](repeating: 0, count: Int(QK_BIN_COUNT))
        qk_quantize8_fillBins(map, &bins)
        return bins
    }()

    @Test func binsCountTheMidpointsBelow() {
        let map = Self.map, bins = Self.bins
        let middles = (0..<255).map { 0.5 * (map[$0] + map[$0 + 1]) }
        for i in stride(from: 0, to: 65_536, by: 97) {
            let value = -1 + 2 * Float(i) / 65_535
            #expect(Int(bins[i]) == middles.count { $0 < value })
        }
        #expect(bins[0] == 0)
        #expect(bins[65_535] == 255)
    }

    @Test func codesABlockOfZerosAsZero() {
        let values: [Float] = [Float](repeating: 2, count: 256) + [1, 2, 3]
        var codes = [UInt8](repeating: 9, count: 259), absmax: [Float] = [9, 9]
        qk_quantize8(values, 2, 259, 256, Self.bins, &codes, &absmax)
        #expect(absmax == [0, 1])
        #expect(codes.prefix(256).allSatisfy { $0 == 0 })
        #expect(codes[256] == 0)
        #expect(codes[257] == 127)
        #expect(codes[258] == 255)
    }

    @Test func ignoresNaNInTheAbsmax() {
        var codes: [UInt8] = [9, 9, 9], absmax: [Float] = [9]
        qk_quantize8([1, .nan, -4], 0, 3, 256, Self.bins, &codes, &absmax)
        #expect(absmax == [4])
        #expect(codes == [159, 0, 0])
    }

    @Test func dequantizesWithTwoRoundings() {
        let map = Self.map
        let codes: [UInt8] = [0, 100, 255, 128], nested: [Float] = [0.3, 0.7]
        var values = [Float](repeating: 0, count: 4)
        qk_dequantize8(map, codes, nested, 0.1, 254, 4, 256, &values)
        let expected = [
            map[0] * nested[0] + 0.1, map[100] * nested[0] + 0.1, map[255] * nested[1] + 0.1, map[128] * nested[1] + 0.1,
        ]
        #expect(values == expected)
    }
}
