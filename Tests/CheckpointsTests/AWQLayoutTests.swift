import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// AWQ in both orders that are read.
@Suite struct AWQLayoutTests {
    private static let order = [0, 2, 4, 6, 1, 3, 5, 7]

    /// A word of eight codes, of columns in AWQ's order.
    private static func word(_ codes: [UInt32]) -> UInt32 {
        var word: UInt32 = 0
        for (nibble, column) in order.enumerated() { word |= codes[column] << UInt32(4 * nibble) }
        return word
    }

    private static func code(_ input: Int, _ output: Int) -> UInt32 { UInt32(input * 3 + output * 5 + input * output) & 15 }
    private static func zero(_ group: Int, _ output: Int) -> UInt32 { UInt32(group * 7 + output) & 15 }
    private static func scale(_ group: Int, _ output: Int) -> Float16 { Float16(0.5 * Float(group + 1) + 0.0625 * Float(output)) }

    private static func expected(inputs: Int, outputs: Int, groupSize: Int) -> [Float] {
        (0..<outputs).flatMap { output in
            (0..<inputs).map { input in
                let group = input / groupSize
                return Float(scale(group, output)) * (Float(code(input, output)) - Float(zero(group, output)))
            }
        }
    }

    @Test(arguments: ["bits", "w_bit"]) func columnsOfAWordAreInterleaved(_ key: String) throws {
        let (inputs, outputs, groups) = (32, 16, 2)
        func words(_ rows: Int, _ code: (Int, Int) -> UInt32) -> [UInt32] {
            var words: [UInt32] = []
            for row in 0..<rows {
                for first in stride(from: 0, to: outputs, by: 8) { words.append(Self.word((first..<first + 8).map { code(row, $0) })) }
            }
            return words
        }
        let tensors = [
            PackedCheckpoint.words(".qweight", [inputs, outputs / 8], words(inputs, Self.code)),
            PackedCheckpoint.words(".qzeros", [groups, outputs / 8], words(groups, Self.zero)),
            PackedCheckpoint.halves(".scales", [groups, outputs], (0..<groups).flatMap { g in (0..<outputs).map { Self.scale(g, $0) } }),
        ]
        let config =
            #""quantization_config": {"quant_method": "awq", "\#(key)": 4, "group_size": 16, "zero_point": true, "version": "gemm"}"#
        let model = try PackedCheckpoint(tensors, config: config)
        #expect(model.checkpoint.tensors.map(\.typeName) == ["AWQ/4/16"] && model.checkpoint.foreignWeights == nil)
        #expect(try model.values() == Self.expected(inputs: inputs, outputs: outputs, groupSize: 16))
        // Shapes tell, where nothing is stated.
        #expect(try PackedCheckpoint(tensors).values() == Self.expected(inputs: inputs, outputs: outputs, groupSize: 16))
        for (version, name) in [("gemv_fast", "AWQ 'gemv_fast'"), ("marlin", "Marlin")] {
            let refused = try PackedCheckpoint(
                tensors, config: #""quantization_config": {"quant_method": "awq", "version": "\#(version)"}"#)
            #expect(refused.checkpoint.foreignWeights?.name == name)
        }
    }

    /// Rows of scales and zeros are longer than there are groups.
    @Test func rowsArePlain() throws {
        let (inputs, outputs, groupSize) = (128, 3, 64)
        let tensors = [
            PackedCheckpoint.words(
                ".qweight", [outputs, inputs / 8],
                (0..<outputs).flatMap { output in PackedCheckpoint.stream((0..<inputs).map { Self.code($0, output) }, bits: 4) }),
            PackedCheckpoint.words(
                ".qzeros", [outputs, 2],
                (0..<outputs).flatMap { output in PackedCheckpoint.stream((0..<16).map { $0 < 2 ? Self.zero($0, output) : 0 }, bits: 4) }),
            PackedCheckpoint.halves(
                ".scales", [outputs, 16], (0..<outputs).flatMap { output in (0..<16).map { $0 < 2 ? Self.scale($0, output) : 0 } }),
        ]
        func config(_ size: Int) -> String {
            #""quantization_config": {"quant_method": "awq", "bits": 4, "q_group_size": \#(size), "version": "gemv"}"#
        }
        let model = try PackedCheckpoint(tensors, config: config(groupSize))
        #expect(try model.values() == Self.expected(inputs: inputs, outputs: outputs, groupSize: groupSize))
        let reader = try model.checkpoint.reader(of: model.checkpoint.tensors[0], rounding: .none)
        #expect(try reader.elements(61..<203) == Array(Self.expected(inputs: inputs, outputs: outputs, groupSize: groupSize)[61..<203]))
        let error = try #require(throws: FileError.self) {
            try PackedCheckpoint(tensors, config: #""quantization_config": {"quant_method": "awq", "version": "gemv"}"#)
        }
        #expect(
            error.description.hasSuffix(
                "is AWQ in rows (gemv), where only the configuration says the group_size, which it does not: it is I32 [3, 16]"))
    }
}
