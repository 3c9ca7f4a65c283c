import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// `to-mlx` and `to-mlx-adapter`: what they take, say and refuse.
@Suite struct MLXCommandTests {
    private static let model = Fixture.path("grouped/models/modelopt-nvfp4")
    private static let adapter = Fixture.path("grouped/mlx-adapters/lora")

    @Test func writesFoldersOfCodesAndDenseOnes() throws {
        let folder = try TemporaryFolder(), coded = folder.path("coded"), dense = folder.path("dense")
        let run = ToolRunner(qconvert, ["to-mlx", Self.model, "-o", coded, "--bits", "8", "--group-size", "32", "--json"])
        #expect(run.status == .done)
        let document = try JSONValue(parsing: Array(run.output.utf8))
        #expect(document["schema"]?.integer == 1 && document["written"]?.bool == true && document["bytes"]?.integer ?? 0 > 0)
        #expect(ToolRunner(qinspect, ["layers", coded]).output.contains("MLX/8/32"))
        #expect(ToolRunner(qconvert, ["to-mlx", Self.model, "-o", coded, "--bits", "4"]).errors.contains("exists already"))
        #expect(ToolRunner(qconvert, ["to-mlx", Self.model, "-o", dense]).status == .done)
        #expect(!ToolRunner(qinspect, ["layers", dense]).output.contains("MLX/"))
        // What it would be, and nothing written.
        let dry = ToolRunner(qconvert, ["to-mlx", Self.model, "-o", folder.path("dry"), "--bits", "4", "--dry-run"])
        #expect(
            dry.status == .done && dry.output.contains("would be a folder for MLX") && FilePath.kind(of: folder.path("dry")) == .missing)
        #expect(ToolRunner(qconvert, ["to-mlx", Self.model, "-o", dense, "--group-size", "64"]).status == .usage)
    }

    @Test func adaptersGoThereAndBack() throws {
        let folder = try TemporaryFolder(), path = folder.path("mlx")
        let run = ToolRunner(qconvert, ["to-mlx-adapter", Self.adapter, "-o", path])
        #expect(run.status == .done && run.output.hasPrefix("\(path): MLX adapter, 3 modules, "))
        #expect(ToolRunner(qinspect, ["adapter", path]).output.contains("MLX adapter"))
        #expect(ToolRunner(qconvert, ["to-peft", path, "-o", folder.path("peft")]).status == .done)
        let tensors = try storedTensors(at: folder.path("peft/adapter_model.safetensors"))
        #expect(tensors == (try storedTensors(at: Fixture.path("grouped/mlx-adapters/lora-as-peft/adapter_model.safetensors"))))
    }
}
