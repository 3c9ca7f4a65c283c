import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Zeros of every version, groups of every kind, and what is refused.
@Suite struct GPTQLayoutTests {
    private static let version1 = #""quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 16, "sym": false}"#

    private static func config(_ members: String) -> String {
        #""quantization_config": {"quant_method": "gptq", \#(members)}"#
    }

    @Test(arguments: [2, 3, 4, 8]) func readsEveryWidth(_ bits: Int) throws {
        let weight = GPTQWeight(bits: bits, inputs: 64, outputs: 32, storedZeros: { UInt32($0 + $1) & 1 })
        let model = try PackedCheckpoint(weight.tensors(), config: Self.config(#""bits": \#(bits), "group_size": 32"#))
        #expect(model.checkpoint.foreignWeights == nil && model.checkpoint.tensors.count == 1)
        #expect(model.checkpoint.tensors[0].typeName == "GPTQ/\(bits)/32" && model.checkpoint.tensors[0].scalarType == .f16)
        #expect(try model.values() == weight.values { Float(($0 + $1) & 1 + 1) })
    }

    @Test func versionTwoStoresZerosAsTheyAre() throws {
        let weight = GPTQWeight(storedZeros: { UInt32($0 * 3 + $1) })
        let model = try PackedCheckpoint(weight.tensors(), config: Self.config(#""checkpoint_format": "gptq_v2", "sym": false"#))
        #expect(try model.values() == weight.values { Float($0 * 3 + $1) })
    }

    /// Whatever the label says, a symmetric weight whose zeros are all the middle code, or all one less, has the middle code.
    @Test(arguments: [7, 8, 9] as [UInt32], ["gptq", "gptq_v2"]) func zerosOfSymmetricWeightsTellTheVersion(
        _ stored: UInt32, _ label: String
    ) throws {
        let weight = GPTQWeight(storedZeros: { _, _ in stored })
        let model = try PackedCheckpoint(weight.tensors(), config: Self.config(#""checkpoint_format": "\#(label)", "sym": true"#))
        let zero = stored == 9 ? (label == "gptq" ? 10 : 9) : 8
        #expect(try model.values() == weight.values { _, _ in Float(zero) })
    }

    /// One more than all ones: 0 to AutoGPTQ, carried into the next field by GPTQModel.
    @Test func allOnesAreReadAsTheWriterDoes() throws {
        let weight = GPTQWeight(storedZeros: { _, output in output == 2 ? 15 : 4 })
        let plain = try PackedCheckpoint(weight.tensors(), config: Self.version1)
        #expect(try plain.values() == weight.values { _, output in output == 2 ? 0 : 5 })
        #expect(
            plain.checkpoint.warnings == [
                "zeros of '\(PackedCheckpoint.module)' have all bits set, which programs take for different numbers: they are taken for 0, as "
                    + "AutoGPTQ does"
            ])
        let carried = try PackedCheckpoint(
            weight.tensors(), config: Self.config(#""bits": 4, "sym": false, "meta": {"quantizer": ["gptqmodel:7.7.0"]}"#))
        #expect(try carried.values() == weight.values { _, output in output == 2 ? 0 : output == 3 ? 6 : 5 })
        #expect(
            carried.checkpoint.warnings.count == 1 && carried.checkpoint.warnings[0].hasSuffix("so one is added to whole words, as it does")
        )
    }

    @Test func groupsMayBeInAnyOrderAndTheLastOneShort() throws {
        let shuffled = GPTQWeight(storedZeros: { UInt32($0 + $1) }, groups: (0..<32).map { UInt32($0 * 7 % 2) })
        #expect(try PackedCheckpoint(shuffled.tensors(), config: Self.version1).values() == shuffled.values { Float($0 + $1 + 1) })
        let short = GPTQWeight(inputs: 24, groupCount: 2, groups: (0..<24).map { UInt32($0 / 16) })
        #expect(try PackedCheckpoint(short.tensors(), config: Self.version1).values() == short.values { _, _ in 8 })
        // Without a list the size that is stated decides.
        var unlisted = short
        unlisted.groups = nil
        #expect(try PackedCheckpoint(unlisted.tensors(), config: Self.version1).values() == short.values { _, _ in 8 })
    }

    @Test func theConfigurationMayLieInAFileOfItsOwn() throws {
        let weight = GPTQWeight(storedZeros: { UInt32($0 + $1) })
        let model = try PackedCheckpoint(
            weight.tensors(), config: #""model_type": "llama""#,
            files: ["quantize_config.json": #"{"bits": 4, "group_size": 16, "checkpoint_format": "gptq_v2"}"#])
        #expect(try model.values() == weight.values { Float($0 + $1) })
        #expect(model.checkpoint.files.map(\.name) == ["config.json"])
        #expect(model.checkpoint.guides.map(\.name) == ["quantize_config.json"])
    }

    /// What unpacks as [in, out] is how GPT-2 stores it.
    @Test func modelsThatLieByInputsAreNotTurnedTwice() throws {
        var tensors = GPTQWeight(inputs: 32, outputs: 8).tensors()
        for index in tensors.indices { tensors[index].name = "transformer.h.0.mlp.c_fc" + tensors[index].name }
        let model = try PackedCheckpoint(tensors, config: #""model_type": "gpt2", \#(Self.version1)"#)
        #expect(model.checkpoint.tensors[0].shape.dimensions == [32, 8] && model.checkpoint.tensors[0].orientation == .inputsByOutputs)
        #expect(try model.values("transformer.h.0.mlp.c_fc.weight") == GPTQWeight().values { _, _ in 8 })
    }

    /// A weight that is decoded in two panels of 32 and 16 outputs.
    @Test func panelsAreTheWhole() throws {
        let (inputs, outputs) = (1 << 16, 48)
        var random = SeededGenerator(seed: 1)
        let words = (0..<inputs / 16 * outputs).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
        let tensors = [
            PackedCheckpoint.words(".qweight", [inputs / 16, outputs], words),
            PackedCheckpoint.words(".qzeros", [1, 3], [0x5555_5555, 0, 0x5555_5555]),
            PackedCheckpoint.halves(".scales", [1, outputs], (0..<outputs).map { Float16($0) }),
        ]
        let values = try PackedCheckpoint(tensors, config: Self.config(#""bits": 2, "group_size": -1"#)).values()
        #expect(values.count == inputs * outputs)
        for output in [0, 15, 16, 31, 32, 47] {
            let zero: UInt32 = (16..<32).contains(output) ? 1 : 2
            let differing = (0..<inputs).count { input in
                let code = words[input / 16 * outputs + output] >> UInt32(2 * (input % 16)) & 3
                return values[output * inputs + input] != Float(output) * (Float(code) - Float(zero))
            }
            #expect(differing == 0, "output \(output)")
        }
    }

    @Test(arguments: [
        (#""bits": 4, "is_marlin_format": true"#, "Marlin"), (#""bits": 4, "checkpoint_format": "marlin""#, "Marlin"),
        (#""bits": 4, "checkpoint_format": "bitblas""#, "GPTQ 'bitblas'"),
        (#""bits": 4, "pack_dtype": "int16""#, "GPTQ in words of 'int16'"),
        (#""bits": 4, "packing_format": "auto_round:llm_compressor""#, "auto-round 'auto_round:llm_compressor'"),
    ]) func variantsAreRefusedByName(_ members: String, _ name: String) throws {
        let model = try PackedCheckpoint(GPTQWeight().tensors(), config: Self.config(members))
        #expect(model.checkpoint.foreignWeights?.name == name && model.checkpoint.tensors.count == 3)
        #expect(throws: FileError.self) { try model.checkpoint.requireReadableWeights() }
    }

    @Test func planesAreRefusedByName() throws {
        let tensors = [
            PackedCheckpoint.zeros(".qweight", .i32, [10, 32]), PackedCheckpoint.zeros(".qzeros", .i32, [1, 5]),
            PackedCheckpoint.zeros(".scales", .f16, [1, 32]),
        ]
        #expect(try PackedCheckpoint(tensors).checkpoint.foreignWeights?.name == "GPTQ of 5 bits")
    }

    static let hostile: [(trick: String, tensors: [StoredTensor], config: String, message: String)] = {
        func changed(_ end: String, _ tensor: StoredTensor?) -> [StoredTensor] {
            GPTQWeight(groups: [UInt32](repeating: 1, count: 32)).tensors().compactMap { $0.name == end ? tensor : $0 }
        }
        let words = PackedCheckpoint.zeros
        return [
            (
                "no scales", changed(".scales", nil), version1,
                "is I32 [4, 8], but '\(PackedCheckpoint.module).scales', which explains it, is missing"
            ),
            (
                "no zeros", changed(".qzeros", nil), version1,
                "is I32 [4, 8], but '\(PackedCheckpoint.module).qzeros', which explains it, is missing"
            ),
            (
                "scales of integers", changed(".scales", words(".scales", .i32, [2, 8])), version1,
                "is no F16, BF16 or F32: it is I32 [2, 8]"
            ),
            ("scales of one dimension", changed(".scales", words(".scales", .f16, [16])), version1, "is no matrix: it is F16 [16]"),
            (
                "zeros of more groups", changed(".qzeros", words(".qzeros", .i32, [3, 1])), version1,
                "has zeros '\(PackedCheckpoint.module).qzeros' [3, 1] that do not fit its scales [2, 8]: it is I32 [4, 8]"
            ),
            ("zeros of fewer outputs", changed(".qzeros", words(".qzeros", .i32, [2, 0])), version1, "is no matrix: it is I32 [2, 0]"),
            (
                "codes of other outputs", changed(".qweight", words(".qweight", .i32, [4, 9])), version1,
                "fits neither GPTQ ([in * bits / 32, 8]) nor AWQ ([in, 1]) beside '\(PackedCheckpoint.module).scales': it is I32 [4, 9]"
            ),
            (
                "groups of other inputs", changed(".g_idx", words(".g_idx", .i32, [31])), version1,
                "has codes of 4 bits of 32 inputs, but '\(PackedCheckpoint.module).g_idx' is I32 [31]: it is I32 [4, 8]"
            ),
            (
                "other bits than stated", changed("", nil), config(#""bits": 8"#),
                "has zeros of 4 bits, but the configuration says 8: it is I32 [4, 8]"
            ),
            (
                "a group size that does not fit", GPTQWeight(inputs: 24).tensors(), config(#""bits": 4, "group_size": 8"#),
                "has 2 groups, but 24 inputs in groups of 8 have 3: it is I32 [3, 8]"
            ),
            (
                "groups that do not divide", GPTQWeight(inputs: 64, groupCount: 3).tensors(), config(#""bits": 4"#),
                "has 3 groups of 64 inputs, and nothing says which input is of which: it is I32 [8, 8]"
            ),
        ]
    }()

    @Test(arguments: hostile.indices) func refusesPartsThatDoNotFit(_ index: Int) throws {
        let row = Self.hostile[index]
        let error = try #require(throws: FileError.self) { try PackedCheckpoint(row.tensors, config: row.config) }
        #expect(error.description.hasSuffix(row.message), "\(row.trick): \(error.description)")
    }

    @Test(arguments: [2, UInt32(bitPattern: -1), 1 << 31]) func aGroupThatIsNotThereIsFoundBeforeAnyValue(_ group: UInt32) throws {
        var groups = [UInt32](repeating: 1, count: 32)
        groups[17] = group
        let error = try #require(throws: FileError.self) {
            try PackedCheckpoint(GPTQWeight(groups: groups).tensors(), config: Self.version1)
        }
        #expect(
            error.description.hasSuffix(
                "g_idx': says that input 17 is of group \(Int32(bitPattern: group)), but there are 2 groups"))
    }

    private static let llama =
        #""model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 8, "#
        + version1

    @Test func zeroBiasesThatTheModelDoesNotHaveStayBehind() throws {
        let weight = GPTQWeight().tensors()
        let model = try PackedCheckpoint(weight + [PackedCheckpoint.zeros(".bias", .f16, [8])], config: Self.llama)
        #expect(model.checkpoint.tensors.map(\.name) == [PackedCheckpoint.module + ".weight"])
        #expect(model.checkpoint.leftovers.map(\.name) == [PackedCheckpoint.module + ".bias"])
        // Of a model that is not known every bias may be meant.
        let other = try PackedCheckpoint(weight + [PackedCheckpoint.zeros(".bias", .f16, [8])], config: Self.version1)
        #expect(other.checkpoint.tensors.count == 2)
        let error = try #require(throws: FileError.self) {
            try PackedCheckpoint(weight + [PackedCheckpoint.halves(".bias", [8], [0, 0, 0, 0, 0, 0, 0, 1])], config: Self.llama)
        }
        #expect(error.description.hasSuffix("is a bias that is not zero, but a 'llama' of this config.json has none there"))
    }
}
