import ByteIO
import Quantization
import TensorCore
import TestSupport
import Testing

/// Against what ggml and gguf-py make of blocks (Tests/Fixtures/gguf-blocks), bit for bit.
struct BlockFormatTests {
    private static let ggml = Result { try storedTensors(at: Fixture.path("gguf-blocks/ggml.safetensors")) }

    @Test(arguments: BlockFormat.allCases, ["", ".edge"])
    func decodesAsGGML(_ format: BlockFormat, _ scales: String) throws {
        let tensors = try Self.ggml.get()
        let blocks = try #require(tensors["\(format.name)\(scales).blocks"])
        let expected = try #require(tensors["\(format.name)\(scales).values"]).floats
        #expect(expected.count == 256)
        let values = format.decoded(blocks.bytes)
        #expect(difference(values.map(\.bitPattern), expected.map(\.bitPattern)) == nil)
    }

    /// With scales that are infinite or NaN, too. Q1_0 and Q2_0 are too new for gguf-py.
    @Test func decodesAsGGUFPy() throws {
        var missing = Set(BlockFormat.allCases)
        for line in try Fixture.table("gguf-blocks/decoded.tsv") {
            let format = try #require(BlockFormat(name: line[0])), blockCount = try #require(Int(line[1]))
            var random = SeededGenerator(seed: UInt64(format.rawValue))
            var blocks: [UInt8] = []
            while blocks.count < blockCount * format.bytesPerBlock {
                withUnsafeBytes(of: random.next().littleEndian) { blocks.append(contentsOf: $0) }
            }
            let values = format.decoded(Array(blocks.prefix(blockCount * format.bytesPerBlock)))
            let patterns = values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
            #expect(patterns.withUnsafeBytes { CRC32C(of: $0) }.description == line[2], "\(format.name)")
            missing.remove(format)
        }
        #expect(missing == [.q10, .q20])
    }

    @Test func isFoundByNumberAndByName() {
        for format in BlockFormat.allCases {
            #expect(BlockFormat(identifier: format.rawValue) == format)
            #expect(BlockFormat(name: format.name) == format)
            #expect(format.name.filter { $0 != "_" }.lowercased() == "\(format)".lowercased())
        }
        #expect([0, 1, 4, 5, 9, 15, 24, 28, 30, 31, 36, 38, 43, .max].allSatisfy { BlockFormat(identifier: $0) == nil })
        #expect(["", "F16", "Q8_K", "q4_k"].allSatisfy { BlockFormat(name: $0) == nil })
    }

    @Test func measuresWholeBlocksOnly() {
        #expect(BlockFormat.q40.byteCount(elementCount: 0) == 0)
        #expect(BlockFormat.q40.byteCount(elementCount: 96) == 54)
        #expect(BlockFormat.q6K.byteCount(elementCount: 512) == 420)
        #expect(BlockFormat.q6K.byteCount(elementCount: 128) == nil)
        #expect(BlockFormat.q40.byteCount(elementCount: -32) == nil)
        // 34 bytes for 32 elements do not fit, 18 do.
        #expect(BlockFormat.q80.byteCount(elementCount: .max - 31) == nil)
        #expect(BlockFormat.q40.byteCount(elementCount: .max - 31) == 5_188_146_770_730_811_374)
    }
}

extension BlockFormat {
    /// All elements of whole blocks.
    func decoded(_ blocks: [UInt8]) -> [Float] {
        var values = [Float](repeating: .nan, count: blocks.count / bytesPerBlock * elementsPerBlock)
        var span = values.mutableSpan
        decode(blocks.span.bytes, into: &span)
        return values
    }
}
