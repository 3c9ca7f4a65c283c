import CKernels
import Quantization
import TensorCore
import TestSupport
import Testing

/// Against what bitsandbytes 0.50.2 itself computed (Tests/Fixtures/nf4), bit for bit.
struct BitsandbytesTests {
    struct Run: CustomTestStringConvertible {
        let inputs: String
        let quantType: QuantType
        let blockSize: Int
        let isDoubleQuantized: Bool

        init(_ inputs: String, _ quantType: QuantType, _ blockSize: Int, doubleQuantized: Bool = false) {
            self.inputs = inputs
            self.quantType = quantType
            self.blockSize = blockSize
            isDoubleQuantized = doubleQuantized
        }

        var outputName: String {
            "out_\(inputs)_\(quantType.rawValue)_bs\(blockSize)_\(isDoubleQuantized ? "dq" : "plain").safetensors"
        }

        var testDescription: String { outputName }
    }

    static let runs = [
        Run("f32", .nf4, 32), Run("f32", .nf4, 64), Run("f32", .nf4, 128), Run("f32", .nf4, 4096), Run("bf16", .nf4, 64),
        Run("bf16", .fp4, 64),
        Run("f32", .nf4, 64, doubleQuantized: true), Run("f32", .nf4, 256, doubleQuantized: true),
        Run("f32", .fp4, 64, doubleQuantized: true), Run("f32", .fp4, 128, doubleQuantized: true),
        Run("bf16", .nf4, 64, doubleQuantized: true), Run("f16", .nf4, 64, doubleQuantized: true),
    ]

    @Test(arguments: runs)
    func givesTheSameBits(_ run: Run) throws {
        let inputs = try FixtureFile("input_\(run.inputs).safetensors"), outputs = try FixtureFile(run.outputName)
        #expect(inputs.tensors.count >= 27)
        #expect(try outputs.bytes("quant_map") == run.quantType.quantMap.bytes)
        if run.isDoubleQuantized { #expect(try difference(outputs.floats("nested_quant_map"), DynamicMap.values) == nil) }
        for (name, input) in inputs.tensors {
            let quantized = Quantized(input.bytes, of: input.scalarType, as: run.quantType, blockSize: run.blockSize)
            #expect(quantized.firstNonFinite == nil, "\(name)")
            #expect(try difference(quantized.packed, outputs.bytes("\(name).packed")) == nil, "\(name)")
            guard let absmax = try absmaxToDequantize(quantized, name, run, outputs) else { continue }
            // Rows of odd length take bitsandbytes' fallback path, which does not make FP4's code 8 a -0.
            let isFallback = input.shape.last.map { $0 % 2 == 1 } ?? false
            let quantMap = run.quantType.quantMap
            for (suffix, scalarType) in outputTypes(of: input.scalarType) {
                guard let expected = outputs.tensors["\(name).dequant\(suffix).crc32c"] else { continue }
                let dequantized = quantized.dequantized(
                    input.shape.reduce(1, *), quantMap: isFallback ? quantMap : quantMap.decodingMap(for: run.quantType),
                    blockSize: run.blockSize, to: scalarType, absmax: absmax)
                let checksum = qk_crc32c(0, dequantized, dequantized.count)
                #expect(checksum == expected.bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }, "\(name).dequant\(suffix)")
            }
        }
        // Nothing of the fixture went unused.
        let others: Set = ["quant_map", "nested_quant_map"]
        let used = Set(outputs.tensors.keys.filter { !others.contains($0) }.compactMap { $0.split(separator: ".").first })
        #expect(used == Set(inputs.tensors.keys.map { Substring($0) }))
    }

    /// Compares the absmax values and returns those to dequantize with; nil where their mean overflows.
    private func absmaxToDequantize(
        _ quantized: Quantized, _ name: String, _ run: Run, _ outputs: FixtureFile
    ) throws -> [Float]? {
        guard run.isDoubleQuantized else {
            #expect(try difference(bytes(of: quantized.absmax), outputs.bytes("\(name).absmax")) == nil, "\(name)")
            return quantized.absmax
        }
        let nested = DoubleQuantization.quantize(quantized.absmax.span)
        #expect(try difference(nested.codes, outputs.bytes("\(name).absmax")) == nil, "\(name)")
        #expect(try bytes(of: nested.nestedAbsmax) == outputs.bytes("\(name).nested_absmax"), "\(name)")
        #expect(try bytes(of: [nested.offset]) == outputs.bytes("\(name).nested_offset"), "\(name)")
        if nested.offset.isFinite { return try nested.restored() }
        // Values near the largest float32: bitsandbytes goes on and restores NaNs.
        #expect(["max_200", "big_recip_denormal_130"].contains(name))
        #expect(throws: QuantizationError("nested offset inf is not finite")) { try nested.restored() }
        return nil
    }

    private func outputTypes(of input: ScalarType) -> [(suffix: String, scalarType: ScalarType)] {
        [("", input), ("_bf16", .bf16), ("_f16", .f16)]
    }

    @Test(arguments: ["nan", "inf", "ninf"])
    func codesNonFiniteValuesAlike(_ name: String) throws {
        let file = try FixtureFile("nonfinite_f32_nf4_bs64.safetensors")
        let input = try file.entry("\(name).input")
        let quantized = Quantized(input.bytes, of: .f32, as: .nf4, blockSize: 64)
        #expect(quantized.firstNonFinite == 70)
        #expect(try difference(quantized.packed, file.bytes("\(name).packed")) == nil)
        let expected = try file.floats("\(name).absmax")
        #expect(zip(quantized.absmax, expected).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN })
        #expect(quantized.absmax.count == expected.count)
    }

    @Test(arguments: ["randn_1000", "logu_2000", "zeros_300", "one_nonzero_512", "ramp_4096"])
    func quantizesToEightBitsAlike(_ name: String) throws {
        let file = try FixtureFile("blockwise8_bs256_f32.safetensors")
        let values = try file.floats("\(name).input")
        var bins = [UInt8](repeating: 0, count: Int(QK_BIN_COUNT))
        qk_quantize8_fillBins(DynamicMap.values, &bins)
        var codes = [UInt8](repeating: 0, count: values.count)
        var absmax = [Float](repeating: 0, count: (values.count + 255) / 256)
        qk_quantize8(values, 0, values.count, 256, bins, &codes, &absmax)
        #expect(try difference(codes, file.bytes("\(name).q")) == nil)
        #expect(try bytes(of: absmax) == file.bytes("\(name).absmax"))
        var restored = [Float](repeating: 0, count: values.count)
        qk_dequantize8(DynamicMap.values, codes, absmax, 0, 0, values.count, 256, &restored)
        // With an offset of 0 the sum turns -0 into 0; no other bit changes.
        #expect(try difference(restored, file.floats("\(name).dequant")) == nil)
    }
}

extension QuantMap {
    var bytes: [UInt8] { values.indices.flatMap { index in withUnsafeBytes(of: values[index]) { Array($0) } } }
}
