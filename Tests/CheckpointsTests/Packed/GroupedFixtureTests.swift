import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Weights that MLX, compressed-tensors, modelopt, torchao and HQQ wrote, against what each of them makes of its own.
@Suite struct GroupedFixtureTests {
    /// Folder, weight, type, shape, SHA-256 of the decoded elements.
    static let digests = (try? Fixture.table("grouped/digests.tsv")) ?? []
    static let models = ["mlx-mixed-3-6-8", "ct-w4a16-asym", "modelopt-nvfp4"]

    private static func digest(_ tensor: LogicalTensor, _ checkpoint: Checkpoint, step: Int? = nil) throws -> String {
        let reader = try checkpoint.reader(of: tensor)
        var values: [Float] = []
        // In pieces that begin within rows, bands and groups.
        let step = step ?? tensor.elementCount
        for start in stride(from: 0, to: tensor.elementCount, by: step) {
            values += try reader.elements(start..<min(start + step, tensor.elementCount))
        }
        var bytes = [UInt8](repeating: 0, count: values.count * tensor.scalarType.bitCount / 8)
        var span = bytes.mutableSpan
        var destination = span.mutableBytes
        FloatConversion.narrow(values.span, to: tensor.scalarType, into: &destination)
        var digest = SHA256()
        digest.append(bytes)
        return digest.finish()
    }

    @Test(arguments: digests) func weightsAreThoseOfTheirLibrary(_ row: [String]) throws {
        let checkpoint = try Checkpoint.open(Fixture.path("grouped/\(row[0])"))
        #expect(checkpoint.foreignWeights == nil && checkpoint.tensors.count == 1)
        // How inputs are scaled is no part of the weight.
        #expect(checkpoint.leftovers.allSatisfy { $0.name.hasSuffix(".input_scale") })
        let tensor = try #require(checkpoint.tensors.first)
        #expect(tensor.name == row[1] && tensor.scalarType.torchName == row[2] && tensor.shape.description == row[3])
        #expect(try Self.digest(tensor, checkpoint) == row[4])
        for step in [1000, 32, 129] { #expect(try Self.digest(tensor, checkpoint, step: step) == row[4], "\(step)") }
    }

    @Test func thereAreAll() { #expect(Self.digests.count == 24) }

    @Test(arguments: models) func wholeModelsAreThoseOfTheirLibrary(_ name: String) throws {
        let checkpoint = try Checkpoint.open(Fixture.path("grouped/models/\(name)"))
        let rows = try Fixture.table("grouped/models/\(name)/digests.tsv")
        #expect(Set(checkpoint.tensors.map(\.name)) == Set(rows.map { $0[0] }))
        for row in rows {
            let tensor = try #require(checkpoint.tensors.first { $0.name == row[0] })
            #expect(tensor.scalarType.torchName == row[1] && tensor.shape.description == row[2])
            #expect(try Self.digest(tensor, checkpoint) == row[3], "\(row[0])")
        }
    }

    @Test(arguments: [
        ("mlx-4bit", "MLX/4/64"), ("mlx-8bit-f16", "MLX/8/64"), ("mlx-mxfp8", "MLX/MXFP8"), ("mlx-nvfp4", "MLX/NVFP4"),
        ("ct-w3a16-group", "INT3/64"), ("ct-w4a16-asym", "INT4/64+Z"), ("ct-w8a16-channel", "INT8/row"), ("ct-w8a8", "INT8/row"),
        ("ct-nvfp4", "NVFP4"), ("ct-mxfp4", "MXFP4"), ("modelopt-nvfp4", "NVFP4"), ("torchao-int8", "INT8 (torchao)"),
        ("hqq-3-axis0", "HQQ/3/64"),
    ])
    func listingsCallThemSo(_ name: String, _ typeName: String) throws {
        #expect(try Checkpoint.open(Fixture.path("grouped/\(name)")).tensors.first?.typeName == typeName)
    }
}
