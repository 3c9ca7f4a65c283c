import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// The same input gives the same bytes, whatever the machine's threads and the size of chunks.
@Suite struct DeterminismTests {
    static let sources = ["gpt2/dense-f32", "llama/dense-bf16", "llama/nf4-bf16"]

    @Test(arguments: sources) func bytesDoNotDependOnThreadsOrChunks(_ name: String) throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint(name), to: folder.path("expected.qnf"), threadCount: 1)
        let expected = try folder.bytes("expected.qnf")
        for (threadCount, chunkElementCount) in [(1, 192), (2, 64), (3, 1000), (8, 5000), (3, 1 << 19), (8, 1 << 19), (2, 1 << 19)] {
            try convert(
                Fixture.checkpoint(name), to: folder.path("again.qnf"), threadCount: threadCount, chunkElementCount: chunkElementCount,
                replaces: true)
            #expect(try folder.bytes("again.qnf") == expected, "\(threadCount) threads, chunks of \(chunkElementCount)")
        }
    }

    /// Rows and columns that no block, chunk or tile divides, in every setting.
    @Test(arguments: RoundtripTests.everySetting) func oddShapesDoNotDependOnChunks(_ settings: QuantizationSettings) throws {
        let folder = try TemporaryFolder()
        var generator = SeededGenerator(seed: 5)
        let tensors = [(1, 1), (1, 70), (70, 1), (17, 129), (33, 37)].enumerated().map { number, shape in
            StoredTensor("h.\(number).mlp.c_fc.weight", [shape.0, shape.1], generator.normals(count: shape.0 * shape.1))
        }
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        try folder.write("{\"model_type\": \"gpt2\"}", to: "config.json")
        let source = folder.path("model.safetensors")
        try convert(source, to: folder.path("a.qnf"), settings: settings, threadCount: 1)
        try convert(source, to: folder.path("b.qnf"), settings: settings, threadCount: 2, chunkElementCount: 1)
        #expect(try folder.bytes("a.qnf") == folder.bytes("b.qnf"))
        // Transposed in memory first, it is the same weight.
        let stored = try weights(at: folder.path("a.qnf"))
        try folder.makeFolder("plain")
        let turned = tensors.map { tensor in
            let (rows, columns, values) = (tensor.dimensions[0], tensor.dimensions[1], tensor.floats)
            return StoredTensor(tensor.name, [columns, rows], values.indices.map { values[$0 % rows * columns + $0 / rows] })
        }
        try folder.write(turned.safetensors(), to: "plain/model.safetensors")
        try convert(folder.path("plain/model.safetensors"), to: folder.path("plain.qnf"), settings: settings)
        #expect(try weights(at: folder.path("plain.qnf")) == stored)
    }

    @Test(arguments: sources) func announcedSizeIsTheSize(_ name: String) throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Checkpoint.open(Fixture.checkpoint(name))
        let plan = try ConversionPlan(checkpoint, settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "1", options: [])
        let announced = try plan.outputByteCount()
        let counter = Counter()
        let resources = Resources(threadCount: 2, chunkElementCount: 1000) { counter.add($0) }
        let report = try Conversion(plan, resources: resources, allowsNonfinite: false).run(path: folder.path("m.qnf"), replaces: false)
        #expect(report.outputByteCount == (try folder.bytes("m.qnf").count))
        // Each quant state holds one decimal number whose length is known only at the end.
        let slack = announced - report.outputByteCount
        #expect((0...26 * report.quantizedCount).contains(slack), "\(slack) bytes")
        #expect(counter.value == plan.inputByteCount)
        #expect(report.keptCount + report.quantizedCount == checkpoint.tensors.count)
    }

    @Test func announcedSizeIsExactWithoutDoubleQuantization() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("gpt2/dense-bf16"))
        let settings = try QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false)
        let plan = try ConversionPlan(
            checkpoint, settings: settings, rules: ConversionRules(), castingTo: nil, toolVersion: "1", options: [])
        let report = try Conversion(plan, resources: Resources(threadCount: 1), allowsNonfinite: false)
            .run(path: folder.path("m.qnf"), replaces: false)
        #expect(try plan.outputByteCount() - report.outputByteCount == 2 * report.quantizedCount)
        // What is announced of each tensor is what it takes.
        let stored = try weights(at: folder.path("m.qnf"))
        for item in plan.items {
            let parts = stored.filter { $0.key == item.tensor.name || $0.key.hasPrefix(item.tensor.name + ".") }
            #expect(parts.values.reduce(0) { $0 + $1.bytes.count } == item.outputByteCount)
        }
    }

    /// Every tensor lies at a multiple of its own alignment, those of whole cache lines at a multiple of 64.
    @Test func tensorsAreAligned() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("m.qnf"))
        let file = try folder.bytes("m.qnf")
        let dataStart = 8 + file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(dataStart % 64 == 0)
        var offset = dataStart
        let tensors = try Checkpoint.open(folder.path("m.qnf")).source.tensors
        for info in tensors {
            if !info.name.contains(".quant_state.") {
                #expect(offset % 64 == 0 || info.byteCount % 64 != 0)
                #expect(offset % max(1, info.scalarType.bitCount / 8) == 0)
            }
            offset += info.byteCount
        }
        let states = tensors.suffix(while: { $0.name.contains(".quant_state.") })
        #expect(states.count == 8 && states.map(\.name) == states.map(\.name).sorted(by: NaturalOrder.precedes))
    }
}

extension Array {
    /// The longest end of which every element satisfies a condition.
    func suffix(while condition: (Element) -> Bool) -> ArraySlice<Element> {
        self[(lastIndex { !condition($0) }.map { $0 + 1 } ?? startIndex)...]
    }
}
