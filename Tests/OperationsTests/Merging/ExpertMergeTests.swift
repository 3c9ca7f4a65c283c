import Adapters
import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Merging
@testable import Streaming

/// Merging into tensors that hold the matrices of all experts of a layer.
@Suite struct ExpertMergeTests {
    private static let families = ["granitemoe", "gpt_oss", "llama4"]

    private static func adapter(_ name: String) -> String { Fixture.path("experts/\(name)") }

    private static func verify(_ base: String, _ adapter: String, _ merged: String) throws -> MergeVerification.Report {
        let base = try Checkpoint.open(base), merged = try Checkpoint.open(merged)
        let form = try #require(MergeVerification.form(of: merged, base: base))
        let plan = try MergePlan(base: base, adapters: [WeightedAdapter(try Adapter.open(adapter), weight: 1)], form: form)
        return try MergeVerification(plan, merged: merged, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19)).run()
    }

    private static func isOfExperts(_ name: String) -> Bool { name.contains("experts") || name.contains("put_linear") }

    @Test(arguments: families)
    func aDenseModelIsVerifiedAndLeadsBack(_ name: String) throws {
        let folder = try TemporaryFolder(), base = Fixture.mixture(name)
        let outcome = try merge(base, Self.adapter(name), to: folder.path("merged"))
        let rows = outcome.report.rows.filter { Self.isOfExperts($0.name) }
        #expect(rows.count == 4 && rows.allSatisfy { $0.change == "LoRA of 4 experts, rank 2" && $0.measures.survival > 0.999 })
        let report = try Self.verify(base, Self.adapter(name), folder.path("merged"))
        #expect(report.isEqual, "\(report.differing) \(report.missing) \(report.extra)")
        let other = try Self.verify(base, Self.adapter(name), base)
        #expect(other.differing.count { Self.isOfExperts($0.name) } == 4)
        // What undoes it is the factors, not the weights.
        #expect(try #require(outcome.undoByteCount) < 40_000)
        try unmerge(folder.path("merged"), to: folder.path("again"))
        #expect(try modelFiles(folder.path("again"))["model.safetensors"] == Fixture.bytes(base + "/model.safetensors"))
    }

    /// The sums are those of the decoded model, quantized with the same settings.
    @Test(arguments: families, [false, true])
    func a4BitModelStaysOne(_ name: String, _ isDoubleQuantized: Bool) throws {
        let folder = try TemporaryFolder(), base = folder.path("base.qnf"), merged = folder.path("merged.qnf")
        let settings = try QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: isDoubleQuantized)
        try convert(Fixture.mixture(name), to: base, settings: settings)
        let outcome = try merge(base, Self.adapter(name), to: merged)
        #expect(outcome.report.rows.count { Self.isOfExperts($0.name) && $0.typeName == "NF4" } == 4)
        try ExportTests.export(base, form: .dense(nil), to: folder.path("dense"), shardByteCount: .max)
        try merge(folder.path("dense"), Self.adapter(name), to: folder.path("sums"))
        try convert(folder.path("sums"), to: folder.path("wanted.qnf"), settings: settings)
        let found = try weights(at: merged), wanted = try weights(at: folder.path("wanted.qnf"))
        let names = outcome.report.rows.map(\.name)
        #expect(!names.isEmpty)
        for (part, tensor) in wanted where names.contains(where: { part == $0 || part.hasPrefix($0 + ".") }) {
            #expect(found[part] == tensor, "\(part)")
        }
        let report = try Self.verify(base, Self.adapter(name), merged)
        #expect(report.isEqual, "\(report.differing) \(report.missing) \(report.extra)")
        try unmerge(merged, to: folder.path("again.qnf"))
        #expect(try Fixture.bytes(folder.path("again.qnf")) == Fixture.bytes(base))
    }

    /// Each matrix leaves as it lies in the family's own files.
    @Test(arguments: families)
    func a4BitModelBecomesADenseOne(_ name: String) throws {
        let folder = try TemporaryFolder(), base = folder.path("base.qnf")
        try convert(Fixture.mixture(name), to: base)
        try merge(base, Self.adapter(name), to: folder.path("found"), form: .export(.f32))
        try ExportTests.export(base, form: .dense(.f32), to: folder.path("dense"), shardByteCount: .max)
        try merge(folder.path("dense"), Self.adapter(name), to: folder.path("wanted"))
        #expect(try storedWeights(folder.path("found")) == storedWeights(folder.path("wanted")))
    }

    /// Experts in 4-bit floats cannot hold sums: the model becomes one of 16 bits, as transformers decodes it.
    @Test func experts4BitFloatsLeaveTheirBlocks() throws {
        let folder = try TemporaryFolder(), base = Fixture.mixture("gpt_oss-mxfp4")
        let adapter = try Self.adapter(ofExperts: "model.layers.1.mlp.experts", count: 4, outputs: 64, inputs: 32)
        let error = try #require(throws: OperationError.self) { try merge(base, adapter.path, to: folder.path("merged")) }
        #expect(error.message.contains("as MXFP4, which merged weights are not written in"))
        #expect(error.hint == "`outputType` f32 writes a dense model")
        try merge(base, adapter.path, to: folder.path("found"), form: .export(.bf16))
        try ExportTests.export(base, form: .dense(.bf16), to: folder.path("dense"), shardByteCount: .max)
        try merge(folder.path("dense"), adapter.path, to: folder.path("wanted"))
        let found = try storedWeights(folder.path("found"))
        #expect(try found == storedWeights(folder.path("wanted")))
        #expect(found["model.layers.1.mlp.experts.gate_up_proj"]?.dimensions == [4, 32, 64])
        #expect(try modelFiles(folder.path("found"))["config.json"].map { String(decoding: $0, as: UTF8.self).contains("mxfp4") } == false)
    }

    /// An adapter of `gate_up_proj` alone, as PEFT has it; expert 2 was never asked, and has no delta.
    private static func adapter(
        ofExperts module: String, count: Int, outputs: Int, inputs: Int, rank: Int = 2, seed: UInt64 = 7
    ) throws -> TemporaryFolder {
        var random = SeededGenerator(seed: seed)
        let a = random.normals(count: count * rank * inputs, scale: 0.3)
        var b = random.normals(count: outputs * count * rank, scale: 0.3)
        for index in b.indices where index % count == 2 { b[index] = 0 }
        let name = "base_model.model.\(module)", folder = try TemporaryFolder()
        try folder.write(
            [
                StoredTensor("\(name).lora_A.weight", [count * rank, inputs], a),
                StoredTensor("\(name).lora_B.weight", [outputs, rank * count], b),
            ].safetensors(), to: "adapter_model.safetensors")
        try folder.write(
            #"{"peft_type": "LORA", "r": \#(rank), "lora_alpha": 3, "target_parameters": ["experts.gate_up_proj"]}"#,
            to: "adapter_config.json")
        return folder
    }

    /// Of several adapters with factors of several ranks, by a loop over all elements.
    @Test func severalAdaptersAddUp() throws {
        let folder = try TemporaryFolder(), base = Fixture.mixture("granitemoe"),
            name = "model.layers.0.block_sparse_moe.input_linear.weight"
        let (count, outputs, inputs) = (4, 48, 32), ranks = [2, 3], weights = [1.0, -0.5]
        let adapters = try ranks.enumerated().map { number, rank in
            try Self.adapter(
                ofExperts: "model.layers.0.block_sparse_moe.experts", count: count, outputs: outputs, inputs: inputs, rank: rank,
                seed: UInt64(number))
        }
        let outcome = try merge(base, zip(adapters, weights).map { ($0.path, $1) }, to: folder.path("merged"))
        #expect(outcome.report.rows.map(\.change) == ["LoRA of 3 experts, rank 2 + 3"])
        let before = try #require(try storedWeights(base)[name]).floats,
            after = try #require(try storedWeights(folder.path("merged"))[name]).floats
        let size = outputs * inputs
        #expect(Array(after[2 * size..<3 * size]) == Array(before[2 * size..<3 * size]))
        let factors = try adapters.map { adapter in
            try ["A", "B"].map { part in
                try #require(
                    try storedTensors(at: adapter.path("adapter_model.safetensors"))[
                        "base_model.model.model.layers.0.block_sparse_moe.experts.lora_\(part).weight"]
                ).floats
            }
        }
        var worst = 0.0
        for element in 0..<count * size {
            let (expert, output, input) = (element / size, element % size / inputs, element % inputs)
            var wanted = Double(before[element])
            for (number, rank) in ranks.enumerated() {
                for factor in 0..<rank {
                    wanted +=
                        weights[number] * 3 / Double(rank) * Double(factors[number][0][(expert * rank + factor) * inputs + input])
                        * Double(factors[number][1][output * count * rank + factor * count + expert])
                }
            }
            worst = max(worst, abs(Double(after[element]) - wanted))
        }
        #expect(worst < 1e-6)
        try unmerge(folder.path("merged"), to: folder.path("again"))
        #expect(try modelFiles(folder.path("again"))["model.safetensors"] == Fixture.bytes(base + "/model.safetensors"))
    }

    /// The delta of several matrices is that of each, wherever it is cut.
    @Test func deltasOfSeveralMatricesAreThoseOfEach() {
        let (count, rows, columns, rank) = (3, 5, 4, 2)
        var random = SeededGenerator(seed: 3)
        let left = random.normals(count: count * rows * rank), right = random.normals(count: count * rank * columns)
        func filled(_ factors: DeltaFactors, _ range: Range<Int>) -> [Float] {
            [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
                if let start = buffer.baseAddress { factors.fill(range, into: start) }
                initialized = range.count
            }
        }
        let terms = [DeltaFactors.Term(left: left, right: right, rank: rank, scale: 0.5)]
        let all = DeltaFactors(columns: columns, rows: count * rows, matrixCount: count, terms: terms + terms)
        let wanted = (0..<count).flatMap { number in
            let own = DeltaFactors.Term(
                left: Array(left[number * rows * rank..<(number + 1) * rows * rank]),
                right: Array(right[number * rank * columns..<(number + 1) * rank * columns]), rank: rank, scale: 0.5)
            return filled(DeltaFactors(columns: columns, rows: rows, terms: [own, own]), 0..<rows * columns)
        }
        #expect(filled(all, 0..<count * rows * columns) == wanted)
        for range in [3..<57, 19..<21, 20..<40, 39..<60, 7..<8] { #expect(filled(all, range) == Array(wanted[range])) }
        let empty = DeltaFactors(columns: columns, rows: rows, terms: [DeltaFactors.Term(left: [], right: [], rank: 0, scale: 1)])
        #expect(filled(empty, 2..<9) == [Float](repeating: 0, count: 7))
    }

    // MARK: - What is refused

    @Test func anExpertAmongOthersTakesFactorsAlone() throws {
        let folder = try TemporaryFolder(), module = "model.layers.0.block_sparse_moe.input_linear.1"
        let name = "base_model.model.\(module)", base = Fixture.mixture("granitemoe")
        func refusal(_ member: String, _ part: String, _ values: [Float]) throws -> FileError {
            let adapter = try RandomAdapter([(module, 48, 32)], seed: 1, members: [member: .bool(true)])
            let factors = try storedTensors(at: adapter.path + "/adapter_model.safetensors").values.sorted { $0.name < $1.name }
            try adapter.folder.write(
                (factors + [StoredTensor("\(name).\(part)", [48], values)]).safetensors(), to: "adapter_model.safetensors")
            return try #require(throws: FileError.self) { try merge(base, adapter.path, to: folder.path("merged")) }
        }
        let end =
            ", but 'model.layers.0.block_sparse_moe.input_linear.weight' of \(base), which holds it with the other experts of its layer, "
            + "takes low-rank factors alone"
        let length = try refusal("use_dora", "lora_magnitude_vector", Array(repeating: 1, count: 48))
        #expect(length.message == "changes '\(module).weight' by more than low-rank factors (DoRA, rank 4)" + end)
        let bias = try refusal("lora_bias", "lora_B.bias", Array(repeating: 1, count: 48))
        #expect(bias.message == "changes '\(module).weight' by 'lora_bias'" + end)
        #expect(bias.hint == "use the adapter beside the base")
    }

    @Test func factorsOfAnotherNumberOfExpertsDoNotFit() throws {
        let folder = try TemporaryFolder()
        let adapter = try Self.adapter(ofExperts: "model.layers.0.block_sparse_moe.experts", count: 5, outputs: 48, inputs: 32)
        let error = try #require(throws: FileError.self) {
            try merge(Fixture.mixture("granitemoe"), adapter.path, to: folder.path("merged"))
        }
        #expect(
            error.message
                == "has factors [10, 32] and [48, 10] of 'model.layers.0.block_sparse_moe.experts.gate_up_proj', but for 4 experts with rank 2 in "
                + "\(Fixture.mixture("granitemoe")) they are [8, 32] and [48, 8]")
    }
}
