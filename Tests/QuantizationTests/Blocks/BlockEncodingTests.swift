import ByteIO
import Quantization
import TensorCore
import TestSupport
import Testing

struct BlockEncodingTests {
    /// One tensor of U8, of which only the bytes `readable` can be read.
    private struct BlockSource: TensorSource {
        let tensors: [TensorInfo]
        let blocks: [UInt8]
        let readable: Range<Int>
        let path = "memory"
        let files: [InputFile] = []

        init(_ blocks: [UInt8], _ shape: Shape, readable: Range<Int>? = nil) throws {
            tensors = [try #require(TensorInfo(name: "w", scalarType: .u8, shape: shape))]
            self.blocks = blocks
            self.readable = readable ?? 0..<blocks.count
        }

        func fileIndex(ofTensor index: Int) -> Int { 0 }

        func place(ofTensor index: Int) -> (file: Int, offset: Int)? { nil }

        func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
            guard readable.lowerBound <= offset, offset + buffer.count <= readable.upperBound else {
                throw FileError(path, "bytes \(offset)..<\(offset + buffer.count) were asked for, not \(readable)")
            }
            buffer.copyBytes(from: blocks[offset..<offset + buffer.count])
        }
    }

    private static func decoded(_ encoding: BlockEncoding, _ range: Range<Int>, of source: BlockSource) throws -> [Float] {
        // A value behind them that stays.
        var values = [Float](repeating: 7, count: range.count + 1)
        try values.withUnsafeMutableBufferPointer {
            try encoding.decode(range, of: StoredParts(source: source, tensors: [0]), into: $0)
        }
        #expect(values.removeLast() == 7)
        return values
    }

    @Test(arguments: BlockFormat.allCases)
    func decodesRangesFromTheirBlocksAlone(_ format: BlockFormat) throws {
        let elements = format.elementsPerBlock, bytes = format.bytesPerBlock
        let shape = try #require(Shape([2, 3, 4 * elements]))
        let encoding = try BlockEncoding(format, shape: shape, scalarType: .bf16)
        #expect(encoding.name == format.name)
        #expect(encoding.scalarType == .bf16)
        #expect(encoding.shape == shape)
        #expect(encoding.storedShape == Shape([2, 3, 4 * bytes]))
        #expect(encoding.granularity == elements)
        var random = SeededGenerator(seed: UInt64(format.rawValue))
        let blocks = random.bytes(24 * bytes), all = format.decoded(blocks)
        for range in [0..<24, 0..<1, 5..<6, 3..<9, 23..<24, 24..<24] {
            let source = try BlockSource(blocks, encoding.storedShape, readable: bytes * range.lowerBound..<bytes * range.upperBound)
            let elementRange = elements * range.lowerBound..<elements * range.upperBound
            let values = try Self.decoded(encoding, elementRange, of: source)
            #expect(difference(values.map(\.bitPattern), all[elementRange].map(\.bitPattern)) == nil)
        }
    }

    @Test func saysWhatCannotBeRead() throws {
        let encoding = try BlockEncoding(.q80, shape: try #require(Shape([2, 64])), scalarType: .f32)
        let source = try BlockSource([UInt8](repeating: 0, count: 136), encoding.storedShape, readable: 0..<68)
        #expect(throws: FileError("memory", "bytes 68..<102 were asked for, not 0..<68")) {
            try Self.decoded(encoding, 64..<96, of: source)
        }
    }

    @Test func refusesRowsThatAreNoWholeBlocks() throws {
        for (format, dimensions, message) in [
            (.q40, [], "a scalar is no row of Q4_0"),
            (.q40, [32, 33], "rows of 33 elements are no whole blocks of 32, as Q4_0 has them"),
            (.q4K, [256, 128], "rows of 128 elements are no whole blocks of 256, as Q4_K has them"),
            (.q80, [280_000_000_000_000_000, 32], "[280000000000000000, 32] of Q8_0 takes more than 2^63 bytes"),
        ] as [(BlockFormat, [Int], String)] {
            let shape = try #require(Shape(dimensions))
            #expect(throws: QuantizationError(message)) { try BlockEncoding(format, shape: shape, scalarType: .f16) }
        }
    }

    @Test func takesEmptyTensors() throws {
        for dimensions in [[0, 256], [3, 0]] {
            let encoding = try BlockEncoding(.q6K, shape: try #require(Shape(dimensions)), scalarType: .f16)
            #expect(encoding.storedShape.elementCount == 0)
            #expect(try Self.decoded(encoding, 0..<0, of: BlockSource([], encoding.storedShape)) == [])
        }
    }
}
