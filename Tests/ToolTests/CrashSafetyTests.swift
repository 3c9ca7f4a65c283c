import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// An output is complete or not there, whatever ends the run, and nothing else is touched. `make crash` tries much more.
@Suite struct CrashSafetyTests {
    /// Commands with an output, the name of their output, and what makes an old output of that name.
    struct Job: CustomTestStringConvertible, Sendable {
        let command: String
        let output: String

        var testDescription: String { command }

        static let all = [
            Job(command: "to-nf4", output: "out.qnf"), Job(command: "to-hf", output: "out"),
            Job(command: "to-safetensors", output: "out.safetensors"),
        ]

        func line(_ source: String, in folder: String) -> [String] {
            [command, source, "-o", FilePath.join(folder, output), "--force", "--quiet"]
        }
    }

    /// Every file below a path, with its checksum.
    private static func contents(_ path: String) throws -> [String: CRC32C] {
        guard FilePath.kind(of: path) == .folder else { return ["": CRC32C(of: try InputFile(path: path).allBytes(limit: 1 << 28))] }
        var contents: [String: CRC32C] = [:]
        for name in try FilePath.entries(of: path) {
            contents[name] = CRC32C(of: try InputFile(path: FilePath.join(path, name)).allBytes(limit: 1 << 28))
        }
        return contents
    }

    // MARK: - Signals

    @Test("a signal ends the run, and leaves the old output alone", arguments: Job.all, [SIGINT, SIGTERM, SIGHUP])
    func signalLeavesTheOldOutput(job: Job, signal: Int32) throws {
        let inputs = try TemporaryFolder()
        let folder = try TemporaryFolder()
        try LargeModel.write(to: inputs.path("large.safetensors"))
        #expect(ToolRunner(qconvert, job.line(Fixture.sample("llama-hf"), in: folder.path)).status == .done)
        let old = try Self.contents(folder.path(job.output))
        let run = try ToolProcess("qconvert", job.line(inputs.path("large.safetensors"), in: folder.path))
        #expect(run.waitUntilWriting(in: folder.path))
        usleep(UInt32(signal) * 1000)
        run.kill(signal)
        #expect(run.wait() == .signal(signal))
        #expect(run.errors == "" && run.output == "")
        #expect(try folder.names() == [job.output])
        #expect(try Self.contents(folder.path(job.output)) == old)
    }

    @Test("the next run removes what a killed one left", arguments: Job.all)
    func killedRunLeavesTheOldOutput(job: Job) throws {
        let inputs = try TemporaryFolder()
        let folder = try TemporaryFolder()
        try LargeModel.write(to: inputs.path("large.safetensors"))
        #expect(ToolRunner(qconvert, job.line(Fixture.sample("llama-hf"), in: folder.path)).status == .done)
        let old = try Self.contents(folder.path(job.output))
        let run = try ToolProcess("qconvert", job.line(inputs.path("large.safetensors"), in: folder.path))
        #expect(run.waitUntilWriting(in: folder.path))
        run.kill(SIGKILL)
        #expect(run.wait() == .signal(SIGKILL))
        #expect(try folder.names().count == 2 && folder.names().first?.hasPrefix(".\(job.output).partial-") == true)
        #expect(try Self.contents(folder.path(job.output)) == old)
        #expect(ToolRunner(qconvert, job.line(Fixture.sample("llama-hf"), in: folder.path)).status == .done)
        #expect(try folder.names() == [job.output])
        #expect(try Self.contents(folder.path(job.output)) == old)
    }

    // MARK: - No room

    /// Beyond such a limit the system ends a process by SIGXFSZ, unless that is ignored: then writing is an error.
    @Test("a limit of file sizes is one error, and leaves the old output alone", arguments: Job.all)
    func fileSizeLimitIsAnError(job: Job) throws {
        let folder = try TemporaryFolder()
        #expect(ToolRunner(qconvert, job.line(Fixture.sample("hostile/legal/shards"), in: folder.path)).status == .done)
        let old = try Self.contents(folder.path(job.output))
        let run = try ToolProcess("qconvert", job.line(Fixture.sample("llama-hf"), in: folder.path), limits: "ulimit -f 1000")
        #expect(run.wait() == .exit(2))
        let name = job.command == "to-hf" ? "\(job.output)/model.safetensors" : job.output
        #expect(run.errors.hasPrefix("qconvert: error: \(folder.path(name)): "))
        #expect(
            run.errors.hasSuffix(
                " bytes are needed, but the file system or a limit (ulimit -f) allows fewer in one file\n"
                    + "hint: choose a folder on another file system, or lift the limit\n"))
        #expect(try run.output == "" && folder.names() == [job.output])
        #expect(try Self.contents(folder.path(job.output)) == old)
    }

    @Test("nothing can be made in a folder of the system", arguments: Job.all)
    func unwritableFolderIsAnError(job: Job) {
        let run = ToolRunner(qconvert, [job.command, Fixture.sample("hostile/legal/shards"), "-o", "/proc/\(job.output)"])
        #expect(run.errors == "qconvert: error: /proc/\(job.output): cannot be created: no such file or directory\n")
        #expect(run.status == .failed && run.output.isEmpty)
    }

    // MARK: - What must stay

    /// Every file that is read, and every way to name it.
    @Test(
        "an input is never replaced",
        arguments: [
            "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "config.json",
        ])
    func inputIsNeverReplaced(name: String) throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model"), path = "\(model)/\(name)"
        mkdir(model, 0o700)
        let sample = Fixture.sample("hostile/legal/shards")
        for name in try FilePath.entries(of: sample) {
            try LargeModel.write(InputFile(path: "\(sample)/\(name)").allBytes(limit: 1 << 20), to: "\(model)/\(name)")
        }
        #expect(symlink(path, folder.path("link")) == 0 && link(path, folder.path("twin")) == 0)
        #expect(symlink("link", folder.path("linked")) == 0)
        let old = try Self.contents(model)
        for output in [path, "\(folder.path)/./model/../model/\(name)", folder.path("link"), folder.path("linked"), folder.path("twin")] {
            for command in ["to-nf4", "to-safetensors"] {
                let run = ToolRunner(qconvert, [command, model, "-o", output, "--force"])
                #expect(run.errors == "qconvert: error: \(output): is also an input (\(path))\nhint: choose another output\n")
                #expect(run.status == .failed)
            }
        }
        #expect(ToolRunner(qconvert, ["to-hf", model, "-o", model, "--force"]).status == .failed)
        #expect(try Self.contents(model) == old)
        #expect(try folder.names() == ["link", "linked", "model", "twin"])
    }

    @Test(
        "every file of a GPT-2 is an input",
        arguments: [
            "hparams.json", "encoder.json", "model.ckpt.index", "model.ckpt.data-00000-of-00001",
        ])
    func filesOfGPT2AreInputs(name: String) throws {
        let path = Fixture.sample("gpt2-tensorflow/\(name)")
        let run = ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", path, "--force"])
        #expect(run.errors == "qconvert: error: \(path): is also an input (\(path))\nhint: choose another output\n")
    }

    @Test("an existing output stays unless it is to be replaced", arguments: Job.all)
    func existingOutputStays(job: Job) throws {
        let folder = try TemporaryFolder()
        let line = [job.command, Fixture.sample("hostile/legal/shards"), "-o", folder.path(job.output)]
        #expect(ToolRunner(qconvert, line).status == .done)
        let old = try Self.contents(folder.path(job.output))
        let again = ToolRunner(qconvert, line)
        #expect(again.status == .failed && again.output.isEmpty)
        #expect(again.errors == "qconvert: error: \(folder.path(job.output)): exists already\nhint: --force replaces it\n")
        #expect(symlink(job.output, folder.path("link")) == 0)
        #expect(ToolRunner(qconvert, line.dropLast() + [folder.path("link")]).status == .failed)
        #expect(try Self.contents(folder.path(job.output)) == old)
        // Through a link what it leads to is replaced, and the link stays.
        #expect(ToolRunner(qconvert, line.dropLast() + [folder.path("link"), "--force"]).status == .done)
        #expect(try folder.names() == ["link", job.output])
        #expect(try Self.contents(folder.path(job.output)) == old)
    }

    @Test func aLinkThatLeadsNowhereIsFoundBeforeTheWork() throws {
        let folder = try TemporaryFolder()
        #expect(symlink("nowhere", folder.path("link")) == 0)
        let run = ToolRunner(qconvert, ["to-nf4", Fixture.sample("hostile/legal/shards"), "-o", folder.path("link"), "--force"])
        #expect(run.errors.hasPrefix("qconvert: error: \(folder.path("link")): is a link that leads nowhere\n"))
        #expect(try run.status == .failed && folder.names() == ["link"])
    }

    // MARK: - Memory

    /// The tools tell what the system counts; `wait4` would count the tests, which a process begins as a copy of.
    @Test(.disabled(if: ToolProcess.isSanitized, "a sanitizer takes memory of its own"))
    func memoryLimitIsKept() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("large.safetensors"), output = folder.path("out.qnf")
        try LargeModel.write(to: model, tensorCount: 2)
        let lines = [
            ("qconvert", ["to-nf4", model, "-o", output]), ("qinspect", ["check", model]), ("qverify", ["roundtrip", model, output]),
        ]
        for (tool, line) in lines {
            let run = try ToolProcess(tool, line + ["--max-memory", "48M", "--json"])
            #expect(run.wait() == .exit(0))
            let peak = try #require(try JSONValue(parsing: Array(run.output.utf8))["peak_memory"]?.integer)
            #expect((1 << 20...48 << 20).contains(peak), "\(tool) took \(peak) bytes")
        }
    }
}
