import ByteIO
import CommandLineKit
import Glibc
import TestSupport
import Testing

@testable import qconvert

/// Runs that are killed at random moments and made again write, in the end, the bytes of a run that nobody killed. Many more kills are
/// those of `Tests/Interop/killed_parts.py`.
@Suite struct KilledRunsTests {
    /// Ends wherever it is after at most so many microseconds.
    private static func kill(_ line: [String], after delay: UInt32) throws {
        let run = try ToolProcess("qconvert", line)
        usleep(delay)
        run.kill(SIGKILL)
        let ending = run.wait()
        #expect(ending == .signal(SIGKILL) || ending == .exit(0))
    }

    private static func contents(_ path: String) throws -> [String: [UInt8]] {
        guard FilePath.kind(of: path) == .folder else { return ["": try Fixture.bytes(path)] }
        return Dictionary(
            uniqueKeysWithValues: try FilePath.entries(of: path).map { ($0, try Fixture.bytes(FilePath.join(path, $0))) })
    }

    @Test(arguments: [["to-nf4"], ["to-gguf", "--type", "q8_0"], ["to-hf"]]) func resumeToTheBytesOfOneRun(_ command: [String]) throws {
        let inputs = try TemporaryFolder(), folder = try TemporaryFolder()
        let source = Fixture.sample("llama-hf"), output = folder.path("out")
        try #require(ToolRunner(qconvert, command + [source, "-o", inputs.path("out"), "-q"]).status == .done)
        let expected = try Self.contents(inputs.path("out"))
        var chance = SeededGenerator(seed: 19)
        func part(_ number: Int) -> [String] { command + [source, "-o", output, "--part", "\(number)/3", "-q"] }
        for _ in 0..<5 {
            try Self.kill(command + [source, "-o", output, "--resume", "-f", "-q"], after: .random(in: 0...200_000, using: &chance))
            for number in 1...3 { try Self.kill(part(number), after: .random(in: 0...100_000, using: &chance)) }
        }
        try #require(ToolRunner(qconvert, command + [source, "-o", output, "--resume", "-f", "-q"]).status == .done)
        #expect(try Self.contents(output) == expected)
        for number in 1...3 { try #require(ToolRunner(qconvert, part(number)).status == .done) }
        let parts = (1...3).map { "\(output).part-\($0)-of-3" }
        try #require(ToolRunner(qconvert, ["join", "-o", output, "-f", "-q"] + parts).status == .done)
        #expect(try Self.contents(output) == expected)
        #expect(try folder.names() == ["out"] + (1...3).map { "out.part-\($0)-of-3" })
    }
}
