import Quantization
import TensorCore
import Testing

struct QuantStateTests {
    @Test func countsWhatIsStored() throws {
        let state = try QuantState(
            quantType: .nf4, blockSize: 64, scalarType: .bf16, shape: [333, 77], nested: .init(offset: 0.25))
        #expect(state.elementCount == 25_641)
        #expect(state.packedByteCount == 12_821)
        #expect(state.blockCount == 401)
        #expect(state.nestedBlockCount == 2)
        #expect(state.isDoubleQuantized)
    }

    @Test func countsTheLargestTensorWithoutOverflow() throws {
        let state = try QuantState(quantType: .nf4, blockSize: 32, scalarType: .f32, shape: [1, .max], nested: nil)
        #expect(state.elementCount == .max)
        #expect(state.packedByteCount == 1 << 62)
        #expect(state.blockCount == 1 << 58)
        #expect(state.nestedBlockCount == 0)
        #expect(!state.isDoubleQuantized)
    }

    struct Refusal {
        var blockSize = 64
        var scalarType = ScalarType.f32
        var shape = [2, 3]
        let message: String
    }

    @Test(arguments: [
        Refusal(blockSize: 48, message: "block size 48 is not a power of two from 32 to 4096"),
        Refusal(blockSize: 0, message: "block size 0 is not a power of two from 32 to 4096"),
        Refusal(blockSize: .min, message: "block size -9223372036854775808 is not a power of two from 32 to 4096"),
        Refusal(scalarType: .f64, message: "scalar type F64 is not F32, F16 or BF16"),
        Refusal(shape: [6], message: "shape [6] has 1 dimensions, not 2"),
        Refusal(
            shape: [1, 2, 3], message: "matrices of 6 elements are no whole blocks of 64: a block would belong to two of them"),
        Refusal(shape: [1, 2, 3, 64], message: "shape [1, 2, 3, 64] has 4 dimensions, not 2"),
        Refusal(shape: [0, 2, 64], message: "shape [0, 2, 64] is empty, negative or too large"),
        Refusal(shape: [0, 3], message: "shape [0, 3] is empty, negative or too large"),
        Refusal(shape: [-2, -3], message: "shape [-2, -3] is empty, negative or too large"),
        Refusal(shape: [.max, 2], message: "shape [9223372036854775807, 2] is empty, negative or too large"),
    ])
    func refusesWhatCannotBe(_ refusal: Refusal) {
        #expect(throws: QuantizationError(refusal.message)) {
            try QuantState(
                quantType: .nf4, blockSize: refusal.blockSize, scalarType: refusal.scalarType, shape: refusal.shape,
                nested: nil)
        }
    }

    @Test(arguments: [
        (0, Float(1), "nested block size 0 is not positive"), (256, .infinity, "nested offset inf is not finite"),
        (256, .nan, "nested offset nan is not finite"),
    ])
    func refusesNestedValuesThatCannotBe(_ blockSize: Int, _ offset: Float, _ message: String) {
        #expect(throws: QuantizationError(message)) { try QuantState.Nested(blockSize: blockSize, offset: offset) }
    }

    struct Blob {
        let quantType: QuantType
        let scalarType: ScalarType
        let shape: [Int]
        var offset: Float?
        let text: String
    }

    /// As found in checkpoints that transformers 5.23 wrote.
    @Test(arguments: [
        Blob(
            quantType: .nf4, scalarType: .bf16, shape: [64, 112], offset: 0.21141707,
            text: """
                {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 112], "nested_blocksize": 256, \
                "nested_dtype": "float32", "nested_offset": 0.2114170640707016}
                """),
        Blob(
            quantType: .nf4, scalarType: .bf16, shape: [144, 48], offset: 0.2099609375,
            text: """
                {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [144, 48], "nested_blocksize": 256, \
                "nested_dtype": "float32", "nested_offset": 0.2099609375}
                """),
        Blob(
            quantType: .nf4, scalarType: .f32, shape: [64, 112], offset: 0.21145324,
            text: """
                {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [64, 112], "nested_blocksize": 256, \
                "nested_dtype": "float32", "nested_offset": 0.21145324409008026}
                """),
        Blob(
            quantType: .fp4, scalarType: .bf16, shape: [112, 64],
            text: """
                {"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [112, 64]}
                """),
        Blob(
            quantType: .fp4, scalarType: .f16, shape: [1, 2],
            text: """
                {"quant_type": "fp4", "blocksize": 64, "dtype": "float16", "shape": [1, 2]}
                """),
    ])
    func writesTheTextOfTransformers(_ blob: Blob) throws {
        let nested = try blob.offset.map { offset throws(QuantizationError) in try QuantState.Nested(offset: offset) }
        let state = try QuantState(
            quantType: blob.quantType, blockSize: 64, scalarType: blob.scalarType, shape: blob.shape, nested: nested)
        #expect(state.jsonText == blob.text)
    }

    @Test func namesScalarTypesAsTorchDoes() {
        #expect(QuantState.scalarType(dtype: "float32") == .f32)
        #expect(QuantState.scalarType(dtype: "float16") == .f16)
        #expect(QuantState.scalarType(dtype: "bfloat16") == .bf16)
        #expect(QuantState.scalarType(dtype: "float64") == nil)
        #expect(QuantState.scalarType(dtype: "F32") == nil)
    }
}
