import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qmerge

/// Merges and their undoing are complete or not there, whatever ends the run, and stay under the memory that they are given.
@Suite struct MergeSafetyTests {
    private static let tensorCount = 4

    /// With `base.safetensors` and `adapter`.
    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try LargeModel.write(to: folder.path("base.safetensors"), tensorCount: tensorCount)
        try LargeModel.writeAdapter(to: folder.path("adapter"), tensorCount: tensorCount)
        return folder
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGKILL])
    func anEndedMergeLeavesTheOldOutput(signal: Int32) throws {
        let inputs = try Self.makeFolder()
        let outputs = try TemporaryFolder()
        let path = outputs.path("merged.safetensors"), old = Array("the old output".utf8)
        try LargeModel.write(old, to: path)
        let line = [inputs.path("base.safetensors"), inputs.path("adapter"), "-o", path, "--force", "--quiet"]
        let run = try ToolProcess("qmerge", line)
        #expect(run.waitUntilWriting(in: outputs.path))
        run.kill(signal)
        #expect(run.wait() == .signal(signal))
        #expect(run.errors.isEmpty && run.output.isEmpty)
        #expect(try outputs.names().count == (signal == SIGKILL ? 2 : 1))
        #expect(try Fixture.bytes(path) == old)
        // The next run removes what a killed one could not.
        let next = ToolRunner(
            qmerge, [Fixture.sample("llama-bnb4"), Fixture.sample("adapters/llama-instructions"), "--to", "f16", "-o", path, "--force"])
        #expect(try next.status == .done && outputs.names() == ["merged.safetensors"])
    }

    @Test(.disabled(if: ToolProcess.isSanitized, "a sanitizer takes memory of its own"))
    func mergingAndUndoingKeepTheMemoryLimit() throws {
        let folder = try Self.makeFolder()
        let (base, merged, again) = (folder.path("base.safetensors"), folder.path("m.safetensors"), folder.path("again.safetensors"))
        for line in [[base, folder.path("adapter"), "-o", merged], ["--unmerge", merged, "-o", again]] {
            let run = try ToolProcess("qmerge", line + ["--max-memory", "64M", "--json"])
            #expect(run.wait() == .exit(0), "\(run.errors)")
            let peak = try #require(try JSONValue(parsing: Array(run.output.utf8))["peak_memory"]?.integer)
            #expect((1 << 20...64 << 20).contains(peak), "\(line) took \(peak) bytes")
        }
        let (first, second) = (try InputFile(path: base), try InputFile(path: again))
        #expect(first.byteCount == second.byteCount)
        #expect(try CRC32C(of: first.allBytes(limit: 1 << 29)) == CRC32C(of: second.allBytes(limit: 1 << 29)))
    }
}
