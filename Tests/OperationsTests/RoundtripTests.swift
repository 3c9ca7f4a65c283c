import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Comparison
@testable import Conversion
@testable import Streaming

/// How far a model is from its source is measured right, and nothing that differs is overlooked.
@Suite struct RoundtripTests {
    static func compare(
        _ source: String, _ model: String, checksBits: Bool = true, threadCount: Int = 2, chunkElementCount: Int = 1 << 19
    ) throws -> RoundtripReport {
        try Roundtrip(
            source: try Checkpoint.open(source), model: try Checkpoint.open(model), checksBits: checksBits,
            resources: Resources(threadCount: threadCount, chunkElementCount: chunkElementCount)
        ).run()
    }

    // MARK: - Numbers

    @Test(arguments: ["llama/dense-bf16", "llama/dense-f32", "gpt2/dense-f32"]) func reportsWhatADoubleLoopFinds(_ name: String) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint(name)
        try convert(source, to: folder.path("model.qnf"))
        let report = try Self.compare(source, folder.path("model.qnf"))
        let stored = try weights(at: folder.path("model.qnf"))
        let tensors = try Checkpoint.open(source).source.storedTensors()
        var quantizedCount = 0
        for tensor in tensors {
            let row = try #require(report.rows.first { $0.name == tensor.name })
            guard let state = stored[tensor.name + ".quant_state.bitsandbytes__nf4"] else {
                #expect(row.statistics.errorSquareSum == 0 && row.largestBoundShare == nil && !row.isQuantized)
                continue
            }
            quantizedCount += 1
            let isTransposed =
                String(decoding: state.bytes, as: UTF8.self).contains("\"shape\": [\(tensor.dimensions[1]), ")
                && tensor.dimensions[0] != tensor.dimensions[1] || tensor.name.contains("attn.c_proj")
            let reference = try Measured.elements(of: tensor, isTransposed: isTransposed)
            let expected = try Measured(reference: reference, weight: tensor.name, in: stored)
            let found = row.statistics
            #expect(found.elementCount == reference.count)
            #expect(expected.isClose(found.errorSquareSum, expected.errorSquares))
            #expect(expected.isClose(found.referenceSquareSum, expected.referenceSquares))
            #expect(expected.isClose(found.actualSquareSum, expected.actualSquares))
            #expect(expected.isClose(found.productSum, expected.products))
            #expect(found.largestError == expected.largestError)
            #expect(found.largestErrorIndex == expected.largestErrorIndex)
            #expect(expected.isClose(try #require(row.largestBoundShare), expected.largestShare))
            #expect(expected.isClose(row.relativeRMSE, (expected.errorSquares / expected.referenceSquares).squareRoot()))
        }
        #expect(quantizedCount == tensors.count { stored[$0.name + ".quant_map"] != nil } && quantizedCount >= 8)
        #expect(report.isComplete && report.isWithinBound && report.isBitExact)
        let rows = report.rows.filter(\.isQuantized)
        #expect(report.quantizedTotals?.elementCount == rows.reduce(0) { $0 + $1.statistics.elementCount })
        #expect(rows.map(\.relativeRMSE) == rows.map(\.relativeRMSE).sorted(by: >))
        #expect(report.rows.prefix(rows.count).map(\.name) == rows.map(\.name))
    }

    @Test func numbersDoNotDependOnThreads() throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("gpt2/dense-f32")
        try convert(source, to: folder.path("model.qnf"))
        func values(_ threadCount: Int, _ chunkElementCount: Int) throws -> [String] {
            let report = try Self.compare(
                source, folder.path("model.qnf"), threadCount: threadCount, chunkElementCount: chunkElementCount)
            return report.rows.map { "\($0)" } + ["\(String(describing: report.quantizedTotals))"]
        }
        for chunkElementCount in [64, 1000, 1 << 19] {
            let expected = try values(1, chunkElementCount)
            for threadCount in [2, 3, 8] { #expect(try values(threadCount, chunkElementCount) == expected) }
        }
    }

    static let everySetting: [QuantizationSettings] = [32, 64, 128, 256, 512, 1024, 2048, 4096].flatMap { blockSize in
        [QuantType.nf4, .fp4].flatMap { type in
            [true, false].compactMap { try? QuantizationSettings(quantType: type, blockSize: blockSize, isDoubleQuantized: $0) }
        }
    }

    /// Normal, uniform, very small, very large, constant, mostly zero, and blocks of very different magnitude.
    static let randomMatrices = makeRandomMatrices()

    private static func makeRandomMatrices() -> [StoredTensor] {
        var generator = SeededGenerator(seed: 11)
        let count = 37 * 131
        let sparse = (0..<count).map { $0 % 97 == 0 ? Float($0) : 0 }
        let steps = generator.normals(count: count).enumerated().map { $1 * Float(1 << ($0 / 64 % 20)) }
        let kinds: [[Float]] = [
            generator.normals(count: count), (0..<count).map { _ in Float.random(in: -1...1, using: &generator) },
            generator.normals(count: count, scale: 1e-36), generator.normals(count: count, scale: 1e30),
            generator.normals(count: count, scale: Float(bitPattern: 7)), Array(repeating: -0.3, count: count), sparse, steps,
        ]
        return kinds.enumerated().map { StoredTensor("layers.\($0).weight", [37, 131], $1) }
    }

    @Test(arguments: everySetting) func errorsStayWithinTheBound(_ settings: QuantizationSettings) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.randomMatrices.safetensors(), to: "source.safetensors")
        try convert(folder.path("source.safetensors"), to: folder.path("model.qnf"), settings: settings)
        let report = try Self.compare(folder.path("source.safetensors"), folder.path("model.qnf"))
        #expect(report.rows.count == 8)
        for row in report.rows { #expect(try #require(row.largestBoundShare) <= 1, "\(row.name)") }
        #expect(report.isWithinBound && report.isBitExact)
        // The bound is no wall far away.
        #expect(report.rows.contains { ($0.largestBoundShare ?? 0) > 0.9 })
    }

    @Test func sourceInAWiderTypeThanWasQuantizedIsWithinTheBound() throws {
        let report = try Self.compare(Fixture.checkpoint("llama/dense-f32"), Fixture.checkpoint("llama/nf4-bf16"))
        #expect(report.isComplete && report.isWithinBound)
        #expect(!report.isBitExact)
        #expect(report.rows.filter { !$0.isQuantized }.allSatisfy { $0.isBitExact == true })
    }

    // MARK: - Differences

    /// The tensors of gpt2/nf4-f32, some of them changed.
    static func changedModel(_ folder: TemporaryFolder, _ change: (inout [String: StoredTensor]) -> Void) throws -> String {
        var tensors = try storedTensors(at: Fixture.checkpoint("gpt2/nf4-f32/model.safetensors"))
        change(&tensors)
        try folder.makeFolder("model")
        try folder.write(tensors.values.sorted { $0.name < $1.name }.safetensors(), to: "model/model.safetensors")
        try folder.copy(Fixture.checkpoint("gpt2/nf4-f32/config.json"), as: "model/config.json")
        return folder.path("model")
    }

    static let weight = "transformer.h.1.mlp.c_fc.weight"

    @Test func unchangedModelIsBitExact() throws {
        let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), Fixture.checkpoint("gpt2/nf4-f32"))
        #expect(report.isBitExact && report.isWithinBound)
    }

    static let changes: [(name: String, offset: Int)] = [
        (weight, 0), (weight, 4607), ("\(weight).absmax", 143), ("\(weight).nested_absmax", 0), ("\(weight).quant_map", 60),
        ("\(weight).nested_quant_map", 4), ("\(weight).nested_quant_map", 1020), ("transformer.wte.weight", 5),
        ("transformer.h.0.ln_1.bias", 190),
    ]

    @Test(arguments: changes) func oneChangedBitIsNoLongerExact(_ change: (name: String, offset: Int)) throws {
        let (name, offset) = change
        let folder = try TemporaryFolder()
        let model = try Self.changedModel(folder) { $0[name]?.bytes[offset] ^= 1 }
        let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), model)
        #expect(!report.isBitExact)
        let owner = name.hasPrefix(Self.weight) ? Self.weight : name
        #expect(report.rows.filter { $0.isBitExact == false }.map(\.name) == [owner])
    }

    @Test func changedQuantStateIsNoLongerExact() throws {
        let folder = try TemporaryFolder()
        let name = Self.weight + ".quant_state.bitsandbytes__nf4"
        for (old, new) in [("float32\", \"shape", "float16\", \"shape"), ("\"nested_offset\": 0.", "\"nested_offset\": 1.")] {
            let model = try Self.changedModel(folder) { tensors in
                let text = String(decoding: tensors[name]?.bytes ?? [], as: UTF8.self)
                let parts = text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2 { tensors[name] = StoredTensor(name, text: parts[0] + new + parts[1]) }
            }
            #expect(
                try storedTensors(at: model + "/model.safetensors")
                    != storedTensors(at: Fixture.checkpoint("gpt2/nf4-f32/model.safetensors")))
            let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), model)
            #expect(report.rows.filter { $0.isBitExact == false }.map(\.name) == [Self.weight])
            folder.remove("model")
        }
    }

    @Test func wrongCodeIsBeyondTheBound() throws {
        let folder = try TemporaryFolder()
        let model = try Self.changedModel(folder) { $0[Self.weight]?.bytes[1000] ^= 0x88 }
        let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), model, checksBits: false)
        #expect(!report.isWithinBound)
        #expect(report.rows.filter { ($0.largestBoundShare ?? 0) > 1 }.map(\.name) == [Self.weight])
        #expect(report.rows.filter(\.isQuantized).allSatisfy { $0.isBitExact == nil })
    }

    /// Dense tensors are compared whether or not bits are asked for.
    @Test func changedDenseTensorIsFound() throws {
        let folder = try TemporaryFolder()
        let model = try Self.changedModel(folder) { $0["transformer.ln_f.weight"]?.bytes[3] ^= 0x80 }
        let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), model, checksBits: false)
        #expect(!report.isWithinBound)
        #expect(report.rows.filter(\.isChanged).map(\.name) == ["transformer.ln_f.weight"])
        let firstDense = try #require(report.rows.first { !$0.isQuantized })
        #expect(firstDense.isChanged)
    }

    @Test func changedIntegersAreFound() throws {
        let folder = try TemporaryFolder()
        func write(_ value: UInt8, _ type: ScalarType, to name: String) throws {
            let tensors = [
                StoredTensor("steps", type, [2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, value]),
                StoredTensor("flags", .bool, [3], [0, 1, 1]), StoredTensor("empty", .i32, [0, 4], []),
            ]
            try folder.write(tensors.safetensors(), to: name)
        }
        try write(16, .i64, to: "a.safetensors")
        try write(17, .i64, to: "b.safetensors")
        try write(16, .u64, to: "c.safetensors")
        let paths = ["a", "b", "c"].map { folder.path("\($0).safetensors") }
        let same = try Self.compare(paths[0], paths[0], checksBits: false)
        #expect(same.isWithinBound && same.isBitExact && same.rows.count == 3)
        for other in paths.dropFirst() {
            let report = try Self.compare(paths[0], other, checksBits: false)
            #expect(!report.isWithinBound)
            #expect(report.rows.filter(\.isChanged).map(\.name) == ["steps"])
        }
    }

    @Test func namesMissingExtraAndMismatchedTensors() throws {
        let folder = try TemporaryFolder()
        let model = try Self.changedModel(folder) { tensors in
            tensors["transformer.ln_f.bias"] = nil
            tensors["transformer.h.10.extra"] = StoredTensor("transformer.h.10.extra", [1], [1])
            tensors["transformer.h.9.extra"] = StoredTensor("transformer.h.9.extra", [1], [1])
            tensors["transformer.wpe.weight"]?.dimensions = [48, 64]
        }
        let report = try Self.compare(Fixture.checkpoint("gpt2/dense-f32"), model)
        #expect(report.missing == ["transformer.ln_f.bias"])
        #expect(report.extra == ["transformer.h.9.extra", "transformer.h.10.extra"])
        #expect(report.mismatched.map { "\($0.name) \($0.source) \($0.model)" } == ["transformer.wpe.weight [64, 48] [48, 64]"])
        #expect(!report.isComplete && !report.isBitExact)
        #expect(report.rows.allSatisfy { $0.isBitExact == true })
    }

    // MARK: - Kinds of models

    @Test(arguments: [ScalarType.f16, .bf16]) func castTensorsAreExact(_ type: ScalarType) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("gpt2/dense-f32")
        try convert(source, to: folder.path("model.qnf"), castingTo: type)
        let report = try Self.compare(source, folder.path("model.qnf"))
        #expect(report.isBitExact && report.isWithinBound)
        #expect(report.rows.contains { !$0.isQuantized && $0.statistics.errorSquareSum > 0 })
    }

    @Test func quantizedModelsAreComparedWithEachOther() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("gpt2/nf4-f32"), to: folder.path("model.qnf"))
        let same = try Self.compare(Fixture.checkpoint("gpt2/nf4-f32"), folder.path("model.qnf"))
        #expect(same.isBitExact && same.rows.allSatisfy { $0.statistics.errorSquareSum == 0 && $0.largestBoundShare == nil })
        let other = try Self.compare(Fixture.checkpoint("gpt2/nf4-bf16"), folder.path("model.qnf"))
        #expect(other.isComplete && other.rows.filter(\.isQuantized).allSatisfy { $0.isBitExact == false })
    }

    @Test func dequantizedModelIsWhatThe4BitOneHolds() throws {
        let folder = try TemporaryFolder()
        for name in ["gpt2/nf4-f32", "llama/fp4-plain-bf16"] {
            for type in [nil, ScalarType.bf16, .f16] {
                let plan = try ExportPlan(try Checkpoint.open(Fixture.checkpoint(name)), form: .dense(type))
                _ = try Export(plan, resources: Resources(threadCount: 2)).run(file: folder.path("dense.safetensors"), replaces: true)
                try folder.copy(Fixture.checkpoint(name + "/config.json"), as: "config.json")
                let report = try Self.compare(Fixture.checkpoint(name), folder.path("dense.safetensors"))
                #expect(report.isBitExact && report.isWithinBound && report.quantizedTotals == nil)
            }
        }
    }
}

/// The same figures by one plain loop in double precision, from nothing but the stored bytes.
struct Measured {
    var errorSquares = 0.0, referenceSquares = 0.0, actualSquares = 0.0, products = 0.0
    var largestError = 0.0, largestErrorIndex = 0, largestShare = 0.0

    /// Elements as f32 in the order of [out, in].
    static func elements(of tensor: StoredTensor, isTransposed: Bool) throws -> [Float] {
        let values: [Float]
        switch tensor.scalarType {
        case .f32: values = tensor.floats
        case .bf16:
            values = (0..<tensor.bytes.count / 2).map {
                Float(bitPattern: UInt32(tensor.bytes[2 * $0]) << 16 | UInt32(tensor.bytes[2 * $0 + 1]) << 24)
            }
        default: throw SupportError("\(tensor) is of another type")
        }
        guard isTransposed else { return values }
        let (rows, columns) = (tensor.dimensions[0], tensor.dimensions[1])
        return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
    }

    init(reference: [Float], weight: String, in stored: [String: StoredTensor]) throws {
        guard let codes = stored[weight], let map = stored[weight + ".quant_map"]?.floats, let constants = stored[weight + ".absmax"],
            let nested = stored[weight + ".nested_absmax"]?.floats, let nestedMap = stored[weight + ".nested_quant_map"]?.floats,
            let state = stored[weight + ".quant_state.bitsandbytes__nf4"],
            let offset = Float(String(decoding: state.bytes, as: UTF8.self).split(separator: "\"nested_offset\": ")[1].dropLast())
        else { throw SupportError("'\(weight)' lacks a part") }
        let widestGap = zip(map, map.dropFirst()).map { Double($1) - Double($0) }.max() ?? 0
        for block in 0..<constants.bytes.count {
            let constant = nestedMap[Int(constants.bytes[block])] * nested[block / 256] + offset
            let range = 64 * block..<min(64 * block + 64, reference.count)
            let absmax = Double(range.map { reference[$0].magnitude }.max() ?? 0)
            let bound = widestGap / 2 * absmax + (absmax - Double(constant)).magnitude + 4 * 0x1p-23 * absmax + 1e-38
            for index in range {
                let code = index % 2 == 0 ? codes.bytes[index / 2] >> 4 : codes.bytes[index / 2] & 15
                let actual = Double(map[Int(code)] * constant), expected = Double(reference[index]), error = (actual - expected).magnitude
                errorSquares += error * error
                referenceSquares += expected * expected
                actualSquares += actual * actual
                products += expected * actual
                if error > largestError { (largestError, largestErrorIndex) = (error, index) }
                largestShare = max(largestShare, error / bound)
            }
        }
    }

    func isClose(_ a: Double, _ b: Double) -> Bool { (a - b).magnitude <= 1e-6 * max(a.magnitude, b.magnitude) }
}

extension RoundtripReport {
    fileprivate var isWithinBound: Bool { rows.allSatisfy { !$0.isBeyondBound && !$0.isChanged } }
}
