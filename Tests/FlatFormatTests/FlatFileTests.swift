import ByteIO
import FlatFormat
import TensorCore
import TestSupport
import Testing

/// Files of llm.c and llama2.c: every rule of their headers, and what they hold.
@Suite struct FlatFileTests {
    private static func words(_ values: [Int]) -> [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    }

    /// A GPT-2 of 2 layers, 2 positions, 3 tokens in 5 rows, 2 heads, width 4; elements count up.
    private static func llmC(_ changes: [Int: Int] = [:], extra: Int = 0) -> [UInt8] {
        var header = [20_240_326, 3, 2, 3, 2, 2, 4, 5] + [Int](repeating: 0, count: 248)
        for (index, value) in changes { header[index] = value }
        let count = 5 * 4 + 2 * 4 + 2 * (4 * 4 + 12 * 4 + 12 + 16 + 4 + 64 + 16 + 64 + 4) + 8
        return words(header) + elements(count + extra)
    }

    private static func elements(_ count: Int) -> [UInt8] {
        (0..<count).flatMap { index in withUnsafeBytes(of: Float(index)) { Array($0) } }
    }

    /// A Llama of width 4, inner width 6, 2 layers, 2 heads with 1 of keys, 3 tokens, 2 positions.
    private static func llama2C(_ changes: [Int: Int] = [:], hasHead: Bool = true) -> [UInt8] {
        var header = [4, 6, 2, 2, 1, hasHead ? -3 : 3, 2]
        for (index, value) in changes { header[index] = value }
        let count = 12 + 2 * (4 + 16 + 8 + 8 + 16 + 4 + 24 + 24 + 24) + 4 + 2 * 2 + (hasHead ? 12 : 0)
        return words(header) + elements(count)
    }

    private static func open(_ bytes: [UInt8], isLlama: Bool = false) throws -> FlatFile {
        let folder = try TemporaryFolder(), file = try InputFile(path: folder.write(bytes, to: "model.bin"))
        return try isLlama ? FlatFile(llama2C: file) : FlatFile(llmC: file)
    }

    private static func refusal(_ bytes: [UInt8], isLlama: Bool = false) throws -> String? {
        let folder = try TemporaryFolder(), file = try InputFile(path: folder.write(bytes, to: "model.bin"))
        do throws(FileError) {
            _ = try isLlama ? FlatFile(llama2C: file) : FlatFile(llmC: file)
            return nil
        } catch { return String(error.description.dropFirst(file.path.utf8.count + 2)) }
    }

    @Test func weightsOfLLMCStandWhereItsProgramHasThem() throws {
        let file = try Self.open(Self.llmC())
        let tensors = Dictionary(uniqueKeysWithValues: try file.storedTensors().map { ($0.name, $0) })
        #expect(tensors.count == 2 + 2 * 12 + 2)
        #expect(tensors["transformer.wte.weight"]?.floats == (0..<12).map { Float($0) })
        // Behind the five rows of the embedding.
        #expect(tensors["transformer.wpe.weight"]?.floats == (20..<28).map { Float($0) })
        // Of all layers after each other: weights of a kind, then its biases.
        #expect(tensors["transformer.h.1.ln_1.weight"]?.floats == (32..<36).map { Float($0) })
        #expect(tensors["transformer.h.0.ln_1.bias"]?.floats == (36..<40).map { Float($0) })
        #expect(tensors["transformer.h.1.attn.c_attn.weight"]?.dimensions == [12, 4])
        #expect(tensors["transformer.h.1.attn.c_attn.weight"]?.floats.first == Float(92))
        #expect(tensors["transformer.h.0.mlp.c_proj.weight"]?.dimensions == [4, 16])
        #expect(tensors["transformer.ln_f.bias"]?.floats == (520..<524).map { Float($0) })
        #expect(checkTensorSource(file) == [])
    }

    @Test func weightsOfLlama2CStandWhereItsProgramHasThem() throws {
        let file = try Self.open(Self.llama2C(), isLlama: true)
        let tensors = Dictionary(uniqueKeysWithValues: try file.storedTensors().map { ($0.name, $0) })
        #expect(tensors.count == 3 + 2 * 9)
        #expect(tensors["layers.1.attention_norm.weight"]?.floats == (16..<20).map { Float($0) })
        #expect(tensors["layers.0.attention.wq.weight"]?.floats.first == Float(20))
        #expect(tensors["layers.1.attention.wk.weight"]?.dimensions == [2, 4])
        #expect(tensors["layers.1.attention.wk.weight"]?.floats.first == Float(60))
        #expect(tensors["layers.0.feed_forward.w2.weight"]?.dimensions == [4, 6])
        #expect(tensors["norm.weight"]?.floats == (268..<272).map { Float($0) })
        // Behind the cosines and sines.
        #expect(tensors["output.weight"]?.floats == (276..<288).map { Float($0) })
        #expect(try Self.open(Self.llama2C(hasHead: false), isLlama: true).tensors.count == 2 + 2 * 9)
        #expect(checkTensorSource(file) == [])
    }

    static let headersOfLLMC: [(changes: [Int: Int], refusal: String)] = [
        ([0: 20_240_327], "byte 0: is 20240327, but a file of llm.c begins with 20240326"),
        ([1: 1], "byte 4: is of version 1 of llm.c's files, but 3 (F32) and 5 (BF16) are read"),
        ([2: 0], "byte 8: the number of positions is 0, but 1 to 16777216 is expected"),
        ([3: -3], "byte 12: the number of tokens is -3, but 1 to 16777216 is expected"),
        ([4: 1025], "byte 16: the number of layers is 1025, but 1 to 1024 is expected"),
        ([5: 1 << 25], "byte 20: the number of heads is 33554432, but 1 to 16777216 is expected"),
        ([6: Int(Int32.min)], "byte 24: the width is -2147483648, but 1 to 16777216 is expected"),
        ([7: 2], "byte 28: the embedding has 2 rows, but there are 3 tokens"),
        ([5: 3], "byte 20: there are 3 heads, which do not share a width of 4"),
        ([2: 3], "by the sizes of its header a file of llm.c has 3136 bytes, but this one has 3120"),
        ([1: 5], "by the sizes of its header a file of llm.c has 2072 bytes, but this one has 3120"),
        ([6: 1 << 24, 4: 1024], "the sizes of its header are beyond what a file can hold"),
    ]

    @Test(arguments: headersOfLLMC) func refusesHeadersOfLLMC(_ header: (changes: [Int: Int], refusal: String)) throws {
        #expect(try Self.refusal(Self.llmC(header.changes)) == header.refusal)
    }

    static let headersOfLlama2C: [(changes: [Int: Int], refusal: String)] = [
        ([0: 0], "byte 0: the width is 0, but 1 to 1048576 is expected"),
        ([1: -1], "byte 4: the inner width is -1, but 1 to 1048576 is expected"),
        ([2: 1025], "byte 8: the number of layers is 1025, but 1 to 1024 is expected"),
        ([3: 0], "byte 12: the number of heads is 0, but 1 to 1048576 is expected"),
        ([4: 3], "byte 16: the number of heads of keys is 3, but 1 to 2 is expected"),
        ([5: 0], "byte 20: the number of tokens is 0, but 1 to 16777216 is expected, or less than 0"),
        ([5: Int(Int32.min)], "byte 20: the number of tokens is -2147483648, but 1 to 16777216 is expected, or less than 0"),
        ([6: 0], "byte 24: the number of positions is 0, but 1 to 16777216 is expected"),
        ([3: 3, 4: 2], "byte 16: 2 heads of keys do not share 3 heads"),
        ([3: 4], "byte 12: 4 heads do not share a width of 4 in even parts"),
        ([6: 3], "by the sizes of its header a file of llama2.c has 1188 bytes, but this one has 1180"),
    ]

    @Test(arguments: headersOfLlama2C) func refusesHeadersOfLlama2C(_ header: (changes: [Int: Int], refusal: String)) throws {
        #expect(try Self.refusal(Self.llama2C(header.changes), isLlama: true) == header.refusal)
    }

    /// Cut anywhere, a file is refused with both numbers, and one with bytes behind its end, too.
    @Test func everyOtherLengthIsRefused() throws {
        for (bytes, isLlama, headerByteCount) in [(Self.llmC(), false, 1024), (Self.llama2C(), true, 28)] {
            for count in stride(from: 0, to: bytes.count, by: 7) {
                let refusal = try #require(try Self.refusal(Array(bytes[..<count]), isLlama: isLlama))
                #expect(refusal.contains("has \(count)") && refusal.contains("\(count < headerByteCount ? headerByteCount : bytes.count)"))
            }
            #expect(try Self.refusal(bytes + [0], isLlama: isLlama)?.hasSuffix("but this one has \(bytes.count + 1)") == true)
        }
    }
}
