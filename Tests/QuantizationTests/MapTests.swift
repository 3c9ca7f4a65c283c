import CKernels
import Quantization
import TestSupport
import Testing

struct MapTests {
    @Test func holdsTheMapsOfBitsandbytes() throws {
        let text = try Fixture.text(at: Fixture.path("nf4/codebooks.json"))
        #expect(hexadecimals(in: text, after: "\"nf4\"") == list(QuantType.nf4.quantMap.bitPatterns))
        #expect(hexadecimals(in: text, after: "\"fp4\"") == list(QuantType.fp4.quantMap.bitPatterns))
        #expect(
            difference(hexadecimals(in: text, after: "\"dynamic_map_avx2\""), DynamicMap.values.map(\.bitPattern)) == nil)
    }

    private func hexadecimals(in text: String, after key: String) -> [UInt32] {
        let tail = text.split(separator: key, maxSplits: 1)[1].prefix { $0 != "]" }
        return tail.split(separator: "\"").compactMap { $0.hasPrefix("0x") ? UInt32($0.dropFirst(2), radix: 16) : nil }
    }

    private func list(_ patterns: [16 of UInt32]) -> [UInt32] { patterns.indices.map { patterns[$0] } }

    /// Each threshold is (a + b) / 2 of neighbouring values, in float32.
    @Test(arguments: [(QuantType.nf4, QK_NF4), (.fp4, QK_FP4)])
    func thresholdsLieBetweenNeighbours(_ quantType: QuantType, _ code: qk_code4) throws {
        let thresholds = try #require(qk_quantize4_thresholds(code)), codes = try #require(qk_quantize4_codes(code))
        let values = (0..<16).map { quantType.quantMap.values[Int(codes[$0])] }
        #expect(values == values.sorted())
        #expect(Set((0..<16).map { codes[$0] }) == Set(0..<16))
        for i in 0..<15 {
            #expect(Float(bitPattern: thresholds[i]) == (values[i] + values[i + 1]) / 2, "threshold \(i)")
        }
    }

    /// The rule of bitsandbytes' `create_dynamic_map`, with torch's `linspace` on a machine with fused multiply-adds.
    @Test func dynamicMapFollowsItsRule() {
        var values: [Float] = [0, 1]
        let powers: [Float] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
        for (decade, power) in powers.enumerated() {
            let partCount = 1 << decade
            let step = (1 - Float(0.1)) / Float(partCount)
            let boundaries = (0...partCount).map { k in
                k < (partCount + 1) / 2
                    ? Float(0.1).addingProduct(step, Float(k)) : Float(1).addingProduct(-step, Float(partCount - k))
            }
            for k in 0..<partCount {
                let middle = power * ((boundaries[k] + boundaries[k + 1]) / 2)
                values += [middle, -middle]
            }
        }
        #expect(difference(DynamicMap.values, values.sorted()) == nil)
        #expect(DynamicMap.values.count == 256)
        #expect(DynamicMap.values[127] == 0)
        #expect(DynamicMap.values[255] == 1)
    }

    /// bitsandbytes' 65536 bins are too coarse for the entries around zero: an exact 0 becomes 131, 2.1e-5.
    @Test func neverUsesTheCodesAroundZero() {
        var bins = [UInt8](repeating: 0, count: Int(QK_BIN_COUNT))
        qk_quantize8_fillBins(DynamicMap.values, &bins)
        #expect(Set(bins) == Set((0...255).filter { !(124...130).contains($0) }))
        #expect(bins[32_767] == 123)
        #expect(bins[32_768] == 131)
    }

    @Test func fp4DecodesItsSecondZeroAsNegative() {
        let stored = QuantType.fp4.quantMap, decoding = stored.decodingMap(for: .fp4)
        #expect(stored.values[8].bitPattern == 0)
        #expect(decoding.values[8].bitPattern == 0x8000_0000)
        #expect(decoding != stored)
        for code in 0..<16 where code != 8 { #expect(decoding.values[code] == stored.values[code]) }
    }

    @Test func decodesOtherMapsAsTheyAre() {
        #expect(QuantType.nf4.quantMap.decodingMap(for: .nf4) == QuantType.nf4.quantMap)
        var values = QuantType.fp4.quantMap.values
        values[8] = 0.125
        #expect(QuantMap(values).decodingMap(for: .fp4) == QuantMap(values))
    }
}
