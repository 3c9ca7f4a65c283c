import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// A 4-bit weight is read only where every part is there, of the right type and length.
@Suite struct BitsandbytesLayoutTests {
    static let plainState = #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 65]}"#
    static let nestedState = #"""
        {"quant_type": "fp4", "blocksize": 64, "dtype": "float32", "shape": [3, 65], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25}
        """#

    /// A weight `w` of shape [3, 65]: 195 elements, 98 bytes of codes, 4 blocks, the last of 3 elements.
    static func plain(state: String = plainState, type: String = "nf4") -> [StoredTensor] {
        [
            StoredTensor("w", .u8, [98, 1], Array(repeating: 0x7f, count: 98)), StoredTensor("w.absmax", [4], [1, 2, 3, 4]),
            StoredTensor("w.quant_map", [16], (0..<16).map { Float($0) / 15 }),
            StoredTensor("w.quant_state.bitsandbytes__\(type)", text: state),
        ]
    }

    static func nested(state: String = nestedState, type: String = "fp4") -> [StoredTensor] {
        [
            StoredTensor("w", .u8, [98, 1], Array(repeating: 0x7f, count: 98)), StoredTensor("w.absmax", .u8, [4], [0, 1, 2, 255]),
            StoredTensor("w.quant_map", [16], (0..<16).map { Float($0) / 15 }), StoredTensor("w.nested_absmax", [1], [2]),
            StoredTensor("w.nested_quant_map", [256], (0..<256).map { Float($0) / 255 }),
            StoredTensor("w.quant_state.bitsandbytes__\(type)", text: state),
        ]
    }

    private static func refusal(_ tensors: [StoredTensor]) throws -> String {
        let folder = try TemporaryFolder()
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        return OpeningTests.refusal("m.safetensors", in: folder).replacing("FOLDER/m.safetensors: ", with: "")
    }

    private static let kind = "opened as bitsandbytes 4-bit checkpoint"

    // MARK: - Reading

    @Test func readsAPlainWeight() throws {
        let folder = try TemporaryFolder()
        try folder.write((Self.plain() + [StoredTensor("b", [1], [9])]).safetensors(), to: "m.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
        #expect(checkpoint.tensors.map(\.name) == ["w", "b"])
        let weight = checkpoint.tensors[0]
        #expect(weight.shape.dimensions == [3, 65] && weight.scalarType == .bf16 && weight.orientation == .outputsByInputs)
        let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(weight.quantized))
        #expect(try reader.absmax(ofBlocks: 1..<4) == [2, 3, 4])
        #expect(!reader.hasStandardMaps)
        var values = [Float](repeating: .nan, count: 67)
        var codes = [UInt8](repeating: 0, count: 34)
        try values.withUnsafeMutableBytes { values in
            try codes.withUnsafeMutableBytes { try reader.dequantize(128..<195, as: .f32, codes: $0, into: values) }
        }
        #expect(values == (0..<67).map { Float($0 % 2 == 0 ? 7 : 15) / 15 * ($0 < 64 ? 3 : 4) })
    }

    @Test func readsANestedWeight() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.nested().safetensors(), to: "m.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
        let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(checkpoint.tensors.first?.quantized))
        #expect(try reader.absmax(ofBlocks: 0..<4) == [0.25, 1 / Float(255) * 2 + 0.25, 2 / Float(255) * 2 + 0.25, 2.25])
        #expect(try reader.absmax(ofBlocks: 3..<4) == [2.25])
    }

    /// The nested block size of a file is its own: 2 blocks share a constant here.
    @Test func readsOtherNestedBlockSizes() throws {
        var tensors = Self.nested(state: Self.nestedState.replacing(#""nested_blocksize": 256"#, with: #""nested_blocksize": 2"#))
        tensors[3] = StoredTensor("w.nested_absmax", [2], [2, 10])
        let folder = try TemporaryFolder()
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
        let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(checkpoint.tensors.first?.quantized))
        #expect(try reader.absmax(ofBlocks: 0..<4) == [0.25, 1 / Float(255) * 2 + 0.25, 2 / Float(255) * 10 + 0.25, 10.25])
        #expect(try reader.absmax(ofBlocks: 1..<3) == [1 / Float(255) * 2 + 0.25, 2 / Float(255) * 10 + 0.25])
        #expect(reader.state.settings == nil)
    }

    /// The stored map of FP4 has +0 twice. The kernels of bitsandbytes decode code 8 as -0, its fallback for odd rows as +0.
    @Test func secondZeroOfFP4IsNegativeButInOddRows() throws {
        for (columns, sign) in [(65, FloatingPointSign.plus), (64, .minus)] {
            var tensors = Self.nested(state: Self.nestedState.replacing("[3, 65]", with: "[3, \(columns)]"))
            let packedCount = (3 * columns + 1) / 2, blockCount = (3 * columns + 63) / 64
            tensors[0] = StoredTensor("w", .u8, [packedCount, 1], Array(repeating: 0x88, count: packedCount))
            tensors[1] = StoredTensor("w.absmax", .u8, [blockCount], Array(repeating: 255, count: blockCount))
            let map = QuantType.fp4.quantMap
            tensors[2] = StoredTensor("w.quant_map", [16], map.values.indices.map { map.values[$0] })
            let folder = try TemporaryFolder()
            try folder.write(tensors.safetensors(), to: "m.safetensors")
            let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
            let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(checkpoint.tensors.first?.quantized))
            #expect(reader.quantMap.values[8] == 0 && reader.quantMap.values[8].sign == sign)
        }
    }

    /// Whatever type the codes are stored under, they are the same bytes.
    @Test(arguments: [(ScalarType.bf16, 49), (.i8, 98), (.f16, 49)]) func acceptsAnyStorageOfCodes(_ type: ScalarType, _ count: Int) throws
    {
        var tensors = Self.plain()
        tensors[0] = StoredTensor("w", type, [count, 1], tensors[0].bytes)
        #expect(try Self.refusal(tensors) == Self.kind)
        tensors[0].dimensions = [count]
        #expect(try Self.refusal(tensors) == Self.kind)
    }

    @Test func conv1DWeightsAreTransposed() throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("gpt2/nf4-f32"))
        let weight = try #require(checkpoint.tensors.first { $0.name == "transformer.h.0.mlp.c_proj.weight" })
        #expect(
            weight.orientation == .inputsByOutputs && weight.shape.dimensions == [192, 48]
                && weight.quantized?.state.shape.dimensions == [48, 192])
        let embedding = try #require(checkpoint.tensors.first { $0.name == "transformer.wte.weight" })
        #expect(embedding.orientation == .outputsByInputs)
    }

    // MARK: - Refusing states

    static let states: [(old: String, new: String, refusal: String)] = [
        (#""blocksize": 64"#, #""blocksize": 48"#, "block size 48 is not a power of two from 32 to 4096"),
        (#""blocksize": 64"#, #""blocksize": 8192"#, "block size 8192 is not a power of two from 32 to 4096"),
        (#""blocksize": 64"#, #""blocksize": 0"#, "block size 0 is not a power of two from 32 to 4096"),
        (#""blocksize": 64"#, #""blocksize": -64"#, "block size -64 is not a power of two from 32 to 4096"),
        (#""blocksize": 64"#, #""blocksize": 64.0"#, "blocksize 64.0 is no whole number"),
        (#""blocksize": 64, "#, "", "the quant state has no 'blocksize'"),
        (#""quant_type": "nf4", "#, "", "the quant state has no 'quant_type'"),
        (#""dtype": "bfloat16", "#, "", "the quant state has no 'dtype'"),
        (#", "shape": [3, 65]"#, "", "the quant state has no 'shape'"),
        (#""nf4""#, #""nf8""#, "quant_type \"nf8\" is unknown; known are nf4 and fp4"),
        (#""nf4""#, #""fp4""#, "quant_type is 'fp4', but the tensor's name says 'nf4'"),
        (#""nf4""#, "4", "quant_type 4 is unknown; known are nf4 and fp4"),
        ("bfloat16", "float64", "dtype \"float64\" is unknown; known are float32, float16 and bfloat16"),
        (#""bfloat16""#, "null", "dtype null is unknown; known are float32, float16 and bfloat16"),
        ("[3, 65]", "[195]", "shape [195] has 1 dimensions, not 2"),
        ("[3, 65]", "[]", "shape [] has 0 dimensions, not 2"),
        ("[3, 65]", "[1, 3, 65]", "matrices of 195 elements are no whole blocks of 64: a block would belong to two of them"),
        ("[3, 65]", "[-3, -65]", "shape [-3, -65] is empty, negative or too large"),
        ("[3, 65]", "[0, 65]", "shape [0, 65] is empty, negative or too large"),
        ("[3, 65]", "[4611686018427387904, 4]", "shape [4611686018427387904, 4] is empty, negative or too large"),
        ("[3, 65]", "[3, 1e2]", "shape [3,1e2] is no list of whole numbers"),
        ("[3, 65]", "\"3x65\"", "shape \"3x65\" is no list of whole numbers"),
        (#"{"quant_type""#, #"{"blocksize": 64, "quant_type""#, "is no JSON: byte 39: key 'blocksize' stands here for the second time"),
        ("]}", "]", "is no JSON: byte 76: ',' or '}' is expected here, but the text ends"),
        ("]}", "]}\u{0}", "is no JSON: byte 77: the end of the text is expected here, but there is byte 0"),
    ]

    @Test(arguments: states) func refusesAWrongState(_ state: (old: String, new: String, refusal: String)) throws {
        let text = Self.plainState.replacing(state.old, with: state.new, maxReplacements: 1)
        #expect(text != Self.plainState)
        let refusal = try Self.refusal(Self.plain(state: text))
        #expect(refusal == "tensor 'w.quant_state.bitsandbytes__nf4': \(state.refusal)")
    }

    static let nestedStates: [(old: String, new: String, refusal: String)] = [
        (#""nested_offset": 0.25"#, #""nested_offset": "0.25""#, "nested_offset \"0.25\" is no number"),
        (#""nested_offset": 0.25"#, #""nested_offset": 1e39"#, "nested offset inf is not finite"),
        (#""nested_offset": 0.25"#, #""nested_offset": NaN"#, "is no JSON: byte 146: a value is expected here, but there is 'N'"),
        (#", "nested_dtype": "float32""#, "", "nested_dtype is missing, but only \"float32\" is known"),
        (#""nested_dtype": "float32""#, #""nested_dtype": "float16""#, "nested_dtype is \"float16\", but only \"float32\" is known"),
        (#", "nested_blocksize": 256"#, "", "nested_blocksize is missing, no whole number"),
        (#""nested_blocksize": 256"#, #""nested_blocksize": 0"#, "nested block size 0 is not positive"),
        (#""nested_blocksize": 256"#, #""nested_blocksize": 2.5"#, "nested_blocksize is 2.5, no whole number"),
    ]

    @Test(arguments: nestedStates) func refusesAWrongNestedState(_ state: (old: String, new: String, refusal: String)) throws {
        let text = Self.nestedState.replacing(state.old, with: state.new, maxReplacements: 1)
        #expect(text != Self.nestedState)
        let refusal = try Self.refusal(Self.nested(state: text))
        #expect(refusal == "tensor 'w.quant_state.bitsandbytes__fp4': \(state.refusal)")
    }

    @Test func refusesAnUnknownType() throws {
        let text = Self.plainState.replacing("nf4", with: "int4")
        #expect(
            try Self.refusal(Self.plain(state: text, type: "int4"))
                == "tensor 'w.quant_state.bitsandbytes__int4': quant_type \"int4\" is unknown; known are nf4 and fp4")
    }

    @Test func refusesAStateThatIsNone() throws {
        var tensors = Self.plain()
        tensors[3] = StoredTensor(tensors[3].name, .u8, [4097], Array(repeating: 32, count: 4097))
        #expect(
            try Self.refusal(tensors)
                == "tensor 'w.quant_state.bitsandbytes__nf4': is U8 with 4097 bytes, but a quant state is U8 with at most 4096")
        tensors[3] = StoredTensor(tensors[3].name, .i8, [1], [32])
        #expect(
            try Self.refusal(tensors)
                == "tensor 'w.quant_state.bitsandbytes__nf4': is I8 with 1 bytes, but a quant state is U8 with at most 4096")
    }

    // MARK: - Refusing parts

    @Test func refusesMissingParts() throws {
        for (tensors, range) in [(Self.plain(), 0..<3), (Self.nested(), 0..<5)] {
            for index in range {
                var incomplete = tensors
                let name = incomplete.remove(at: index).name
                #expect(try Self.refusal(incomplete) == "tensor 'w': has a quant state, but '\(name)' is missing")
            }
        }
    }

    static let parts: [(index: Int, part: StoredTensor, refusal: String)] = [
        (
            0, StoredTensor("w", .u8, [97, 1], Array(repeating: 0, count: 97)),
            "tensor 'w': has 97 bytes, but a weight of shape [3, 65] with blocks of 64 needs 98"
        ),
        (
            0, StoredTensor("w", [3, 65], Array(repeating: 0, count: 195)),
            "tensor 'w': has 780 bytes, but a weight of shape [3, 65] with blocks of 64 needs 98"
        ),
        (
            1, StoredTensor("w.absmax", [3], [1, 2, 3]),
            "tensor 'w.absmax': has 3 elements, but a weight of shape [3, 65] with blocks of 64 needs 4"
        ),
        (
            1, StoredTensor("w.absmax", [5], [1, 2, 3, 4, 5]),
            "tensor 'w.absmax': has 5 elements, but a weight of shape [3, 65] with blocks of 64 needs 4"
        ),
        (1, StoredTensor("w.absmax", .u8, [4], [1, 2, 3, 4]), "tensor 'w.absmax': is U8, but F32 is expected"),
        (1, StoredTensor("w.absmax", .f16, [4], [1, 2, 3, 4, 5, 6, 7, 8]), "tensor 'w.absmax': is F16, but F32 is expected"),
        (
            2, StoredTensor("w.quant_map", [15], Array(repeating: 0, count: 15)),
            "tensor 'w.quant_map': has 15 elements, but a codebook has 16"
        ),
    ]

    @Test(arguments: parts) func refusesAWrongPart(_ change: (index: Int, part: StoredTensor, refusal: String)) throws {
        var tensors = Self.plain()
        tensors[change.index] = change.part
        #expect(try Self.refusal(tensors) == change.refusal)
    }

    static let nestedParts: [(index: Int, part: StoredTensor, refusal: String)] = [
        (1, StoredTensor("w.absmax", [4], [1, 2, 3, 4]), "tensor 'w.absmax': is F32, but U8 is expected"),
        (
            3, StoredTensor("w.nested_absmax", [2], [1, 2]),
            "tensor 'w.nested_absmax': has 2 elements, but a weight of shape [3, 65] with blocks of 64 needs 1"
        ),
        (3, StoredTensor("w.nested_absmax", .u8, [1], [1]), "tensor 'w.nested_absmax': is U8, but F32 is expected"),
        (
            4, StoredTensor("w.nested_quant_map", [16], Array(repeating: 0, count: 16)),
            "tensor 'w.nested_quant_map': has 16 elements, but a codebook of constants has 256"
        ),
    ]

    @Test(arguments: nestedParts) func refusesAWrongNestedPart(_ change: (index: Int, part: StoredTensor, refusal: String)) throws {
        var tensors = Self.nested()
        tensors[change.index] = change.part
        #expect(try Self.refusal(tensors) == change.refusal)
    }

    @Test(arguments: [
        "w.bitsandbytes__nf4", "quant_state.bitsandbytes__nf4", "w.quant_state.bitsandbytes__nf4.x", "w.quant_state.bitsandbytes_nf4",
    ])
    func otherNamesAreNoStates(_ name: String) throws {
        #expect(try Self.refusal([StoredTensor(name, text: "x")]) == "opened as safetensors")
    }

    @Test func refusesAStateOfNothing() throws {
        let refusal = try Self.refusal([StoredTensor(".quant_state.bitsandbytes__nf4", text: Self.plainState)])
        #expect(refusal == "tensor '': has a quant state, but '' is missing")
    }

    @Test func refusesTwoStatesOfOneWeight() throws {
        let second = StoredTensor("w.quant_state.bitsandbytes__fp4", text: Self.plainState.replacing("nf4", with: "fp4"))
        #expect(try Self.refusal(Self.plain() + [second]) == "tensor 'w.quant_state.bitsandbytes__fp4': is a second quant state of 'w'")
    }

    /// A weight whose codes are a part of another weight would vanish from the model.
    @Test func refusesWeightsThatShareParts() throws {
        var tensors = Self.nested()
        tensors += [
            StoredTensor("w.absmax.absmax", [1], [1]), StoredTensor("w.absmax.quant_map", [16], Array(repeating: 0, count: 16)),
            StoredTensor(
                "w.absmax.quant_state.bitsandbytes__nf4",
                text: #"{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [2, 4]}"#),
        ]
        #expect(try Self.refusal(tensors) == "tensor 'w.absmax': is a part of two 4-bit weights, 'w' and 'w.absmax'")
    }

    @Test func refusesCodebooksThatAreNotFinite() throws {
        for (index, name) in [(2, "w.quant_map"), (4, "w.nested_quant_map")] {
            var tensors = Self.nested()
            tensors[index].bytes.replaceSubrange(12..<16, with: [0, 0, 0x80, 0x7f])
            let folder = try TemporaryFolder()
            try folder.write(tensors.safetensors(), to: "m.safetensors")
            let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
            let weight = try #require(checkpoint.tensors.first?.quantized)
            let text = "\(folder.path)/m.safetensors: tensor '\(name)': element 3 is inf, not a finite number"
            #expect { try QuantizedReader(source: checkpoint.source, tensor: weight) } throws: { "\($0)" == text }
        }
    }
}
