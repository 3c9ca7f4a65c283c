import ByteIO
import Checkpoints
import Comparison
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// Experts on their way into a .qnf and out of it.
@Suite struct ExpertTests {
    private static let settings = try? QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false)

    /// A model whose only tensor holds matrices [experts, rows, columns].
    private static func folder(_ modelType: String, _ name: String, _ dimensions: [Int]) throws -> (TemporaryFolder, [Float]) {
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: 11)
        let values = random.normals(count: dimensions.reduce(1, *))
        try folder.write("{\"model_type\":\"\(modelType)\"}", to: "config.json")
        try folder.write([StoredTensor(name, dimensions, values)].safetensors(), to: "model.safetensors")
        return (folder, values)
    }

    private static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
        (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } }
    }

    /// Each expert's matrix [out, in] by itself, and one after the other.
    @Test(
        arguments: [
            ("granitemoe", "model.layers.0.block_sparse_moe.input_linear.weight", false),
            ("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj", true),
            ("llama4_text", "model.layers.0.feed_forward.experts.down_proj", true),
        ], [1 << 19, 96])
    func expertsAreQuantizedOneByOne(_ model: (type: String, name: String, isTurned: Bool), _ chunk: Int) throws {
        let (count, rows, columns) = (3, 8, 24)
        let (folder, values) = try Self.folder(model.type, model.name, [count, rows, columns])
        try convert(folder.path, to: folder.path("model.qnf"), settings: Self.settings, chunkElementCount: chunk)
        let stored = try weights(at: folder.path("model.qnf"))
        let size = rows * columns, shape = model.isTurned ? "[3, 24, 8]" : "[3, 8, 24]"
        for expert in 0..<count {
            var matrix = Array(values[expert * size..<(expert + 1) * size])
            if model.isTurned { matrix = Self.transposed(matrix, rows: rows, columns: columns) }
            var packed = [UInt8](repeating: 0, count: size / 2), absmax = [Float](repeating: 0, count: size / 64)
            packed.withUnsafeMutableBytes { bytes in
                var codes = MutableRawSpan(_unsafeBytes: bytes), constants = absmax.mutableSpan
                matrix.withUnsafeBytes {
                    _ = BlockQuantizer.quantize(
                        RawSpan(_unsafeBytes: $0), of: .f32, as: .nf4, blockSize: 64, packed: &codes, absmax: &constants)
                }
            }
            #expect(stored[model.name]?.bytes[expert * size / 2..<(expert + 1) * size / 2] == packed[...])
            #expect(stored[model.name + ".absmax"]?.floats[expert * size / 64..<(expert + 1) * size / 64] == absmax[...])
        }
        let state = String(decoding: try #require(stored[model.name + ".quant_state.bitsandbytes__nf4"]).bytes, as: UTF8.self)
        #expect(state.contains("\"shape\": \(shape)"))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        #expect(checkpoint.tensors.map(\.shape.dimensions) == [[count, rows, columns]])
        let report = try Roundtrip(
            source: Checkpoint.open(folder.path), model: checkpoint, checksBits: true,
            resources: Resources(threadCount: 2, chunkElementCount: chunk)
        ).run()
        #expect(report.isBitExact && report.rows.allSatisfy(\.isQuantized))
        // For transformers they leave dense, in the order in which they came.
        try ExportTests.export(
            folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max, chunkElementCount: chunk)
        try ExportTests.export(folder.path("model.qnf"), form: .dense(nil), to: folder.path("dense.safetensors"))
        let dense = try #require(try storedTensors(at: folder.path("hf/model.safetensors"))[model.name])
        #expect(dense.dimensions == [count, rows, columns] && dense.scalarType == .f32)
        #expect(try storedTensors(at: folder.path("dense.safetensors"))[model.name] == dense)
        #expect(zip(dense.floats, values).allSatisfy { abs($0 - $1) < 0.4 })
        #expect(Set(dense.floats[..<64].map(\.bitPattern)).count > 8)
    }

    @Test func aBlockBelongsToOneExpert() throws {
        let name = "model.layers.0.block_sparse_moe.output_linear.weight"
        let (folder, _) = try Self.folder("granitemoe", name, [2, 8, 12])
        let checkpoint = try Checkpoint.open(folder.path)
        func plan(_ settings: QuantizationSettings?) throws -> ConversionPlan {
            try ConversionPlan(checkpoint, settings: settings, rules: ConversionRules(), castingTo: nil, toolVersion: "1", options: [])
        }
        let whole = try plan(QuantizationSettings(quantType: .nf4, blockSize: 32, isDoubleQuantized: true))
        #expect(whole.onlyHere.map(\.tensor.name) == [name] && whole.fusedExperts.isEmpty)
        let cut = try plan(nil)
        #expect(cut.onlyHere.isEmpty && cut.fusedExperts.map(\.tensor.name) == [name])
        #expect(
            cut.remarks.map(\.text) == [
                "the tensor '\(name)' is kept dense, 100.0% of the bytes: the matrix of an expert is no whole blocks of 64"
            ])
    }

    /// As transformers and bitsandbytes make it.
    @Test(arguments: ["mixtral", "qwen2_moe", "granitemoe"])
    func whatTransformersQuantizesIsTheTwin(_ name: String) throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.mixture(name), to: folder.path("model.qnf"), rules: ConversionRules(matchesTransformers: true))
        try ExportTests.export(folder.path("model.qnf"), form: .quantized, to: folder.path("hf"), shardByteCount: .max)
        let twin = try storedTensors(at: Fixture.mixture(name + "/nf4/model.safetensors"))
        #expect(try storedTensors(at: folder.path("hf/model.safetensors")) == twin)
        // The experts that are 4-bit here leave dense: the same names and shapes.
        try convert(Fixture.mixture(name), to: folder.path("all.qnf"))
        try ExportTests.export(folder.path("all.qnf"), form: .quantized, to: folder.path("all"), shardByteCount: .max)
        let all = try storedTensors(at: folder.path("all/model.safetensors"))
        #expect(all.mapValues(\.dimensions) == twin.mapValues(\.dimensions))
    }

    /// Codes of 4-bit floats become what they stand for, or 4-bit again.
    @Test func experts16BitsLeaveTheirBlocks() throws {
        let folder = try TemporaryFolder(), source = Fixture.mixture("gpt_oss-mxfp4")
        try ExportTests.export(source, form: .dense(nil), to: folder.path("dense"), shardByteCount: .max)
        let dense = try storedTensors(at: folder.path("dense/model.safetensors")),
            stored = try storedTensors(at: source + "/model.safetensors")
        let name = "model.layers.1.mlp.experts.gate_up_proj"
        let weight = try #require(dense[name]), blocks = try #require(stored[name + "_blocks"]),
            scales = try #require(stored[name + "_scales"])
        #expect(weight.scalarType == .bf16 && weight.dimensions == [4, 32, 64])
        #expect(try ExportTests.config(folder.path("dense"))["quantization_config"] == nil)
        let values = weight.bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 2).map { Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16) }
        }
        let codes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        for (expert, output, input) in [(0, 0, 0), (0, 0, 1), (1, 5, 31), (3, 63, 17)] {
            let place = (expert * 64 + output) * 32 + input, byte = blocks.bytes[place / 2],
                code = Int(input % 2 == 0 ? byte & 15 : byte >> 4)
            var expected = codes[code % 8] * (code < 8 ? 1 : -1)
            for _ in 0..<127 - Int(scales.bytes[place / 32]) { expected /= 2 }
            #expect(values[(expert * 32 + input) * 64 + output] == expected)
        }
        try convert(source, to: folder.path("model.qnf"))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        #expect(checkpoint.tensors.first { $0.name == name }?.quantized?.state.shape.dimensions == [4, 64, 32])
        #expect(checkpoint.foreignWeights == nil)
    }
}
