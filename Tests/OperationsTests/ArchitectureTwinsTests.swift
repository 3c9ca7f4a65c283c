import ByteIO
import Checkpoints
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// Models of many families, which are not part of the project, each with a twin that transformers and bitsandbytes made 4-bit.
///
/// Skipped unless the environment variable QNF_ARCHITECTURES names a folder of `NAME/full` and `NAME/bnb4-f32`.
@Suite struct ArchitectureTwinsTests {
    private static let root = ExternalFolder(in: "QNF_ARCHITECTURES")

    private static func names() throws -> [String] {
        let root = try root.required()
        return try FilePath.entries(of: root).filter { FilePath.kind(of: "\(root)/\($0)/bnb4-f32") == .folder }
    }

    @Test(.enabled(if: root.isPresent, "\(root.absence)")) func exportsAreTheTwins() throws {
        let root = try Self.root.required()
        var count = 0
        for name in try Self.names() {
            let folder = try TemporaryFolder()
            let twin = try storedTensors(at: "\(root)/\(name)/bnb4-f32/model.safetensors")
            for matches in [true, false] {
                let model = folder.path("\(matches).qnf"), output = folder.path("\(matches)")
                try convert("\(root)/\(name)/full", to: model, rules: ConversionRules(matchesTransformers: matches))
                let plan = try ExportPlan(try Checkpoint.open(model), form: .quantized)
                _ = try Export(plan, resources: Resources(threadCount: 2)).run(
                    folder: output, maximumShardByteCount: .max, replaces: false)
                let tensors = try storedTensors(at: output + "/model.safetensors")
                #expect(tensors.keys.sorted() == twin.keys.sorted(), "\(name)")
                // Experts that were 4-bit on the way are not what they were; without a way round all bytes are.
                let expanded = Set(plan.expanded)
                #expect(
                    expanded.allSatisfy { $0.contains(".experts.") || $0.contains(".block_sparse_moe.") } && (!matches || expanded.isEmpty),
                    "\(name): \(expanded)")
                for (tensor, expected) in twin where !expanded.contains(tensor) {
                    #expect(tensors[tensor] == expected, "\(name): \(tensor)")
                }
            }
            count += 1
        }
        #expect(count > 30)
    }
}
