import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Models in Mistral's own files whose matrices are 8-bit floats.
@Suite struct OwnFloat8Tests {
    /// A model of Mistral's whose matrices are F8_E4M3, with a scale for each.
    private static func float8(scaleDimensions: [Int] = []) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        var tensors: [StoredTensor] = []
        for tensor in try storedTensors(at: Fixture.path("layouts/mistral/consolidated.safetensors")).values.sorted(by: {
            $0.name < $1.name
        }) {
            guard tensor.dimensions.count == 2, tensor.name.hasPrefix("layers.") else {
                tensors.append(tensor)
                continue
            }
            let count = tensor.dimensions.reduce(1, *)
            let codes = (0..<count).map { UInt8($0 % 251) & 0x77 }
            tensors.append(StoredTensor(tensor.name, .f8e4m3, tensor.dimensions, codes))
            let base = tensor.name.dropLast("weight".count)
            tensors.append(
                StoredTensor(base + "qscale_weight", scaleDimensions, [Float](repeating: 0.5, count: scaleDimensions.reduce(1, *))))
            tensors.append(StoredTensor(base + "qscale_act", [], [3]))
        }
        try folder.write(tensors.safetensors(), to: "consolidated.safetensors")
        let parameters = try Fixture.text(at: Fixture.path("layouts/mistral/params.json"))
        try folder.write(
            parameters.replacing(
                "\"vocab_size\"", with: #""quantization": {"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"}, "vocab_size""#),
            to: "params.json")
        return folder
    }

    @Test func float8OfMistralIsMultiplied() throws {
        let folder = try Self.float8(), checkpoint = try Checkpoint.open(folder.path)
        try checkpoint.requireReadableWeights()
        let original = try Checkpoint.open(Fixture.path("layouts/mistral"))
        #expect(checkpoint.tensors.map(\.name) == original.tensors.map(\.name) && checkpoint.leftovers.isEmpty)
        func numbers(_ count: Int) -> [Float] {
            let codes = (0..<count).map { UInt8($0 % 251) & 0x77 }
            var values = [Float](repeating: 0, count: count)
            var span = values.mutableSpan
            codes.withUnsafeBytes { FloatConversion.widen(RawSpan(_unsafeBytes: $0), of: .f8e4m3, into: &span) }
            return values.map { 0.5 * $0 }
        }
        let output = try #require(checkpoint.tensors.first { $0.name == "model.layers.1.self_attn.o_proj.weight" })
        #expect(output.typeName == "FP8" && output.scalarType == .bf16)
        #expect(try checkpoint.reader(of: output).allElements() == numbers(128 * 64))
        // Heads of 32 rows, which lie in pairs.
        let query = try #require(checkpoint.tensors.first { $0.name == "model.layers.1.self_attn.q_proj.weight" })
        let stored = numbers(128 * 64)
        let expected = (0..<128).flatMap { row in
            let place = row / 32 * 32 + row % 16 * 2 + row % 32 / 16
            return stored[place * 64..<(place + 1) * 64]
        }
        #expect(try checkpoint.reader(of: query).allElements() == expected)
    }

    @Test func scalesOfRowsAreRefused() throws {
        let folder = try Self.float8(scaleDimensions: [2])
        #expect(
            OpeningTests.refusal(in: folder).hasPrefix(
                "FOLDER/consolidated.safetensors: tensor 'layers.0.attention.wq.qscale_weight': has shape [2], but of such files"))
    }
}
