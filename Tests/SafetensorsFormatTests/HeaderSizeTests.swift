import ByteIO
import SafetensorsFormat
import TensorCore
import Testing

@Suite struct HeaderSizeTests {
    /// 12.4 MB: a mixture of experts with every matrix in a tensor of its own.
    private static func manyTensors(_ count: Int) -> [UInt8] {
        var text = "{\"__metadata__\":{\"format\":\"pt\"}"
        for index in 0..<count {
            let name = "model.layers.\(index / 9).self_attn.projection_\(index % 9).weight"
            text += "," + member(name, "BF16", "[1024,64]", "[\(index * 131_072),\((index + 1) * 131_072)]")
        }
        return Array((text + "}").utf8)
    }

    /// 0.1 s optimised, 1 to 2 s in a debug build; the limit only tells linear from quadratic.
    @Test func parsesAHundredThousandTensorsAtOnce() throws {
        let json = Self.manyTensors(100_000)
        #expect(json.count > 12_000_000)
        var header: SafetensorsHeader?
        let time = try ContinuousClock().measure { header = try SafetensorsHeader(parsing: json, path: "m") }
        #expect(time < .seconds(20))
        let entries = try #require(header?.entries)
        #expect(entries.count == 100_000)
        #expect(header?.dataByteCount == 100_000 * 131_072)
        #expect(entries.last?.info.name == "model.layers.11111.self_attn.projection_0.weight")
    }

    @Test func refusesAShapeThatWouldFillTheMemory() {
        let text = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1" + String(repeating: ",1", count: 1_000_000) + "],\"data_offsets\":[0,1]}}"
        #expect(problem(inHeader: Array(text.utf8)) == "m: byte 544: there are more than 254 numbers here")
    }
}
