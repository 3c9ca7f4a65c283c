import ByteIO
import JSONText
import ModelLoading
import Quantization
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints
@testable import Comparison
@testable import Conversion
@testable import Inspection
@testable import Merging
@testable import Streaming

/// Models as GPTQModel, AutoAWQ, bitsandbytes and transformers wrote them, beside what their own programs make of them.
@Suite struct PackedModelTests {
    static let names = ["fp8-block", "gptq-4bit-128g-sym", "gptq-4bit-32g-actorder", "gptq-3bit-64g-asym", "awq-gemm", "bnb-int8"]
    private static let withLogits = ["fp8-block", "gptq-4bit-128g-sym", "awq-gemm", "bnb-int8"]
    private static let types = [
        "fp8-block": "FP8/128x128", "gptq-4bit-128g-sym": "GPTQ/4/128", "gptq-4bit-32g-actorder": "GPTQ/4/32",
        "gptq-3bit-64g-asym": "GPTQ/3/64", "awq-gemm": "AWQ/4/128", "bnb-int8": "INT8/row",
    ]

    private static func path(_ name: String) -> String { Fixture.path("quantized/\(name)") }

    /// Name, type, shape and digest of every dense tensor.
    static func expected(_ name: String) throws -> [String] {
        try Fixture.text(at: path("\(name).sha256")).split(separator: "\n").map(String.init)
    }

    static func lines(_ tensors: some Collection<StoredTensor>) -> [String] {
        tensors.sorted { $0.name < $1.name }.map { tensor in
            var digest = SHA256()
            digest.append(tensor.bytes)
            let shape = tensor.dimensions.map(String.init).joined(separator: "x")
            return "\(tensor.name) \(tensor.scalarType.rawValue) \(shape) \(digest.finish())"
        }
    }

    private static func resources(_ chunk: Int = 1 << 12) -> Resources { Resources(threadCount: 2, chunkElementCount: chunk) }

    @Test(arguments: names) func becomesTheTensorsOfItsOwnProgram(_ name: String) throws {
        let folder = try TemporaryFolder(), checkpoint = try Checkpoint.open(Self.path(name))
        #expect(checkpoint.foreignWeights == nil && checkpoint.warnings == [])
        #expect(checkpoint.tensors.filter(\.isEncoded).map(\.typeName).allSatisfy { $0 == Self.types[name] })
        let plan = try ExportPlan(checkpoint, form: .dense(nil))
        _ = try Export(plan, resources: Self.resources()).run(file: folder.path("m.safetensors"), replaces: false)
        #expect(Self.lines(try storedTensors(at: folder.path("m.safetensors")).values) == (try Self.expected(name)))
    }

    /// 1e-4 is what is promised; in float32 throughout less is enough.
    @Test(arguments: withLogits) func computesWhatItsOwnProgramDoes(_ name: String) throws {
        let reference = try SafetensorsFile(path: Self.path("\(name).logits.safetensors"))
        let ids = try reference.bytes(ofTensor: 0).withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        let logits = try reference.floats(ofTensor: 1, 0..<reference.tensors[1].elementCount)
        let model = try LoadedModel.open(Self.path(name))
        #expect(model.warnings.isEmpty, "\(model.warnings)")
        #expect(relativeDifference(try model.exactSession().allLogits(ids), logits) < 2e-5)
    }

    @Test(arguments: names) func aDenseFolderSaysNothingOfIt(_ name: String) throws {
        let folder = try TemporaryFolder(), checkpoint = try Checkpoint.open(Self.path(name))
        let plan = try ExportPlan(checkpoint, form: .dense(nil))
        _ = try Export(plan, resources: Self.resources())
            .run(folder: folder.path("out"), maximumShardByteCount: .max, replaces: false)
        #expect(try folder.names("out") == ["config.json", "model.safetensors"])
        let config = try JSONValue(parsing: folder.bytes("out/config.json"))
        #expect(config["quantization_config"] == nil && config["rope_theta"]?.double == 10000 && config["rope_parameters"] != nil)
        let type = ["fp8-block": "bfloat16", "bnb-int8": "float32"][name] ?? "float16"
        #expect((config["dtype"] ?? config["torch_dtype"])?.string == type)
        let dense = try Checkpoint.open(folder.path("out"))
        #expect(dense.foreignWeights == nil && dense.tensors.allSatisfy { $0.plainIndex != nil })
        let report = try ModelDiff(checkpoint, dense, resources: Self.resources()).run()
        #expect(report.rows.count == dense.tensors.count && report.rows.allSatisfy(\.hasEqualValues))
    }

    @Test(arguments: names) func becomesAQNFWithOneWordOfWarning(_ name: String) throws {
        let folder = try TemporaryFolder(), checkpoint = try Checkpoint.open(Self.path(name))
        let plan = try ConversionPlan(
            checkpoint, settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "0.1.0", options: [])
        let words = [
            "fp8-block": "FP8, 8 bits", "awq-gemm": "AWQ, 4 bits", "bnb-int8": "INT8, 8 bits", "gptq-3bit-64g-asym": "GPTQ, 3 bits",
        ]
        #expect(plan.remarks.map(\.text) == ["these weights are \(words[name] ?? "GPTQ, 4 bits"); NF4 rounds them a second time"])
        let path = folder.path("m.qnf")
        _ = try Conversion(plan, resources: Self.resources(), allowsNonfinite: false).run(path: path, replaces: false)
        let model = try Checkpoint.open(path)
        #expect(model.foreignWeights == nil && model.config?["quantization_config"] == nil)
        #expect(model.files.map(\.name) == ["config.json"])
        #expect(model.tensors.map(\.name).sorted() == checkpoint.tensors.map(\.name).sorted())
        let report = try Roundtrip(source: checkpoint, model: model, checksBits: true, resources: Self.resources()).run()
        #expect(report.isBitExact && report.rows.contains(where: \.isQuantized))
    }

    @Test(arguments: names) func sliceAndStatisticsAreOfTheValues(_ name: String) throws {
        let checkpoint = try Checkpoint.open(Self.path(name))
        let report = try Statistics(checkpoint, bins: nil, resources: Self.resources()).run()
        let tensor = try #require(checkpoint.tensors.first { $0.name.hasSuffix("mlp.down_proj.weight") })
        let rounded = try checkpoint.reader(of: tensor).allElements()
        let found = try #require(report.tensors.first { $0.row.name == tensor.name }?.reals)
        #expect(found.summary.minimum == rounded.min().map(Double.init) && found.summary.maximum == rounded.max().map(Double.init))
        let slice = try TensorSlice(of: tensor, in: checkpoint, .init(rows: IndexRange(3, 5), columns: IndexRange(250, 256)))
        let values = try checkpoint.reader(of: tensor, rounding: .none).allElements()
        guard case .real(let shown) = slice.values else { throw SupportError("no numbers") }
        #expect(shown == (3..<5).flatMap { row in (250..<256).map { Double(values[row * 256 + $0]) } })
    }

    /// Of one type with the decoded weights, and yet no files of the same form.
    @Test func whatIsMergedOfItIsAnExport() throws {
        let folder = try TemporaryFolder(), checkpoint = try Checkpoint.open(Self.path("fp8-block"))
        let plan = try ExportPlan(checkpoint, form: .dense(.bf16))
        _ = try Export(plan, resources: Self.resources()).run(folder: folder.path("out"), maximumShardByteCount: .max, replaces: false)
        guard case .export(.bf16)? = MergeVerification.form(of: try Checkpoint.open(folder.path("out")), base: checkpoint) else {
            throw SupportError("another form")
        }
    }

    /// What lies beside the weights is shown, and stays behind.
    @Test func leftoversAreListed() throws {
        let int8 = LayerListing(try Checkpoint.open(Self.path("bnb-int8")), matching: nil)
        #expect(int8.leftovers.isEmpty == false && int8.leftovers.allSatisfy { $0.name.hasSuffix(".weight_format") })
        let gptq = LayerListing(try Checkpoint.open(Self.path("gptq-4bit-128g-sym")), matching: nil)
        #expect(gptq.leftovers.map(\.name) == ["model.layers.0.self_attn.o_proj.bias"])
    }
}
