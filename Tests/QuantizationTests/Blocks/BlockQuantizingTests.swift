import ByteIO
import Glibc
import Quantization
import TensorCore
import TestSupport
import Testing

/// Against the blocks that ggml makes of values (Tests/Fixtures/gguf-blocks), byte for byte.
struct BlockQuantizingTests {
    private static let inputs = Result {
        var inputs = try storedTensors(at: Fixture.path("gguf-blocks/inputs.safetensors")).mapValues(\.floats)
        var random = SeededGenerator(seed: 14)
        inputs["procedural"] = (0..<1 << 17).map { _ in
            let sum = (0..<4).reduce(0) { sum, _ in sum + Int(random.next() >> 40) }
            return Float(sum - 1 << 25) * 0x1p-30
        }
        return inputs
    }

    @Test(arguments: BlockFormat.writable)
    func writesTheBlocksOfGGML(_ format: BlockFormat) throws {
        let inputs = try Self.inputs.get()
        let lines = try Fixture.table("gguf-blocks/encoded.tsv").filter { $0[0] == format.name }
        #expect(Set(lines.map { $0[1] }) == Set(inputs.keys))
        for line in lines {
            let blocks = try format.quantized(try #require(inputs[line[1]]))
            #expect(CRC32C(of: blocks).description == line[2], "\(line[1])")
        }
    }

    @Test func writesWhatConversionsNeed() {
        #expect(BlockFormat.writable == [.q40, .q41, .q50, .q51, .q80, .q2K, .q4K, .q5K, .q6K, .iq4NL, .iq4XS])
    }

    /// Rounding to a code is off by half a step at most, of which there are 2^bits in the range of a block.
    @Test(arguments: BlockFormat.writable)
    func decodesToWhatWasQuantized(_ format: BlockFormat) throws {
        var random = SeededGenerator(seed: 3)
        let values = random.normals(count: 1 << 14)
        let decoded = format.decoded(try format.quantized(values))
        let bits = Double(8 * format.bytesPerBlock) / Double(format.elementsPerBlock)
        let error = zip(values, decoded).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) } / Double(values.count)
        #expect(error > 0)
        // 6 dB a bit; less 4 dB, which the scales take, too.
        #expect(error < 10 * exp2(-2 * bits), "\(error)")
    }

    @Test(arguments: BlockFormat.writable)
    func saysWhichElementIsNotFinite(_ format: BlockFormat) throws {
        var random = SeededGenerator(seed: 5)
        let elements = format.elementsPerBlock
        for damaged in [.nan, .infinity, -.infinity] as [Float] {
            for place in [0, elements - 1, 9 * elements + 5, 10 * elements - 1] {
                var values = random.normals(count: 10 * elements)
                values[place] = damaged
                #expect(throws: BlockFault.nonFinite(element: place)) { try format.quantized(values) }
            }
        }
    }

    /// 65504 times the largest code, or the largest code and scale, is the end.
    @Test(arguments: BlockFormat.writable)
    func saysWhichScaleOverflows(_ format: BlockFormat) throws {
        var random = SeededGenerator(seed: 6)
        let elements = format.elementsPerBlock
        var values = random.normals(count: 12 * elements)
        for index in 7 * elements..<8 * elements { values[index] *= 1e9 }
        #expect(throws: BlockFault.scaleOverflow(firstElement: 7 * elements)) { try format.quantized(values) }
        for index in 7 * elements..<8 * elements { values[index] *= 1e-5 }
        #expect(format.decoded(try format.quantized(values)).allSatisfy(\.isFinite))
    }

    @Test(arguments: BlockFormat.writable)
    func quantizesNothing(_ format: BlockFormat) throws {
        #expect(try format.quantized([]) == [])
    }
}

extension BlockFormat {
    func quantized(_ values: [Float]) throws(BlockFault) -> [UInt8] {
        var blocks = [UInt8](repeating: 0xaa, count: values.count / elementsPerBlock * bytesPerBlock)
        var span = blocks.mutableSpan
        var bytes = span.mutableBytes
        try quantize(values.span, into: &bytes)
        return blocks
    }
}
