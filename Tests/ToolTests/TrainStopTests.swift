import ByteIO
import CommandLineKit
import Glibc
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import qtrain

/// Runs of `qtrain` that end before or at their last step, for whatever reason: no step that was taken is lost.
@Suite struct TrainStopTests {
    private static func line(_ folder: TemporaryFolder, output: String, _ options: [String]) throws -> [String] {
        try TrainTests.line(folder, output: output, options)
    }

    /// Waits until a running tool has said something.
    private static func wait(for text: String, from process: ToolProcess) -> Bool {
        for _ in 0..<60_000 {
            if process.errors.contains(text) { return true }
            usleep(1000)
        }
        return false
    }

    /// A run of one long step, which the signal finds in its middle: there is nothing left to go on with.
    @Test func writesItsOutputWhenStoppedInItsLastStep() throws {
        let folder = try TemporaryFolder()
        let text = folder.path("long.txt")
        let output = try AtomicOutput(destination: text, replaces: true)
        let file = try output.file()
        try file.write(Array(String(repeating: "the dog sleeps and the cat runs ", count: 3000).utf8), atOffset: 0)
        try output.commit([file])
        let options = [
            "--train-on", "all", "--split", "1,0,0", "--max-length", "100", "--accumulate", "60000", "--log", folder.path("log.jsonl"),
        ]
        var line = try Self.line(folder, output: "x.lora", options)
        if let place = line.firstIndex(of: "--data") { line[place + 1] = text }
        let process = try ToolProcess("qtrain", line)
        for _ in 0..<60_000 where FilePath.kind(of: folder.path("log.jsonl")) == .missing { usleep(500) }
        process.kill(SIGTERM)
        #expect(process.wait() == .signal(SIGTERM))
        #expect(process.errors.contains("stopping after this step"), "the run was over: \(process.errors)")
        #expect(process.errors.contains("x.lora is written, after all 1 steps"), "\(process.errors)")
        #expect(try folder.names() == ["data.json", "log.jsonl", "long.txt", "x.lora"])
    }

    @Test(.disabled(if: ToolProcess.isSanitized, "a sanitizer has large files of its own"))
    func savesItsStepsWhenItsLogCannotBeWritten() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "200", "--split", "1,0,0", "--targets", "layers.0.self_attn.q_proj", "--rank", "1"]
        func line(_ output: String) throws -> [String] {
            var line = try Self.line(folder, output: output, options)
            line.removeSubrange(line.firstIndex(of: "--rank").map { $0..<$0 + 2 } ?? 0..<0)
            return line
        }
        let whole = ToolRunner(qtrain, try line("whole.lora"))
        #expect(whole.status == .done, "\(whole.errors)")
        // A file may have 25,600 bytes: the log of fewer than 200 steps.
        let log = folder.path("log.jsonl")
        let part = try ToolProcess("qtrain", try line("part.lora") + ["--log", log], limits: "ulimit -f 50")
        #expect(part.wait() == .exit(2))
        #expect(part.errors.contains("log.jsonl: cannot be written: File too large"), "\(part.errors)")
        #expect(part.errors.contains("part.lora.checkpoints/step-00000") && part.errors.contains("the same command with --resume goes on"))
        let resumed = ToolRunner(qtrain, try line("part.lora") + ["--log", log, "--resume"])
        #expect(resumed.status == .done, "\(resumed.errors)")
        let areEqual = try Fixture.bytes(folder.path("part.lora")) == Fixture.bytes(folder.path("whole.lora"))
        #expect(areEqual)
    }

    @Test func savesItsStepsWhenItsOutputCannotBePutInPlace() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "30", "--accumulate", "4"]
        let whole = ToolRunner(qtrain, try Self.line(folder, output: "whole.lora", options))
        #expect(whole.status == .done, "\(whole.errors)")
        let process = try ToolProcess("qtrain", try Self.line(folder, output: "x.lora", options))
        #expect(Self.wait(for: "step 0: validation loss", from: process))
        #expect(mkdir(folder.path("x.lora"), 0o700) == 0, "somebody is in the way")
        #expect(process.wait() == .exit(2))
        #expect(process.errors.contains("x.lora: is a folder; a file is to be written"), "\(process.errors)")
        #expect(process.errors.contains("all 30 steps are saved as "), "\(process.errors)")
        rmdir(folder.path("x.lora"))
        let resumed = ToolRunner(qtrain, try Self.line(folder, output: "x.lora", options + ["--resume"]))
        #expect(resumed.status == .done, "\(resumed.errors)")
        let areEqual = try Fixture.bytes(folder.path("x.lora")) == Fixture.bytes(folder.path("whole.lora"))
        #expect(areEqual)
    }

    /// Weights that grow a thousandfold with each step.
    @Test func stopsWhereNumbersAreNoLongerFinite() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "40", "--lr", "100", "--weight-decay", "10", "--eval-every", "40", "--save-every", "1"]
        let run = ToolRunner(qtrain, try Self.line(folder, output: "x.lora", options))
        #expect(run.status == .failed)
        #expect(run.errors.contains(": the loss of batch 1 is not finite, beginning with the output of layer 1; its records are record "))
        #expect(run.errors.contains("qtrain: error: step 4: ") && run.errors.contains("\nhint: a lower --lr"), "\(run.errors)")
        #expect(run.errors.contains("; the checkpoint after step 3 is still good, and --init-from begins with it\n"))
        #expect(FilePath.kind(of: folder.path("x.lora")) == .missing)
        let names = try FilePath.entries(of: folder.path("x.lora.checkpoints"))
        #expect(names.count == 2)
        for name in names {
            let path = FilePath.join(folder.path("x.lora.checkpoints"), name)
            #expect(try Self.isFinite(SafetensorsFile(path: path)), "\(name)")
        }
    }

    private static func isFinite(_ file: SafetensorsFile) throws -> Bool {
        try file.tensors.indices.allSatisfy { index in
            guard file.tensors[index].scalarType == .f32 else { return true }
            var values = [Float](repeating: 0, count: file.tensors[index].elementCount)
            try values.withUnsafeMutableBytes { try file.read(tensor: index, atByteOffset: 0, into: $0) }
            return values.allSatisfy(\.isFinite)
        }
    }

    // MARK: --resume

    static let changes: [(options: [String], error: String)] = [
        (["--lr", "0.5"], "lr was 0.0002, but is 0.5"), (["--rank", "8"], "rank was 4, but is 8"),
        (["--batch-size", "4"], "batch-size was 2, but is 4"), (["--seed", "9"], "seed was 1, but is 9"),
        (["--pack"], "pack was false, but is true"), (["--steps", "5"], "steps was 4, but is 5"),
        (["--template", "chatml"], "template was \"of the model, 88ca656276d733c2, 2024-07-26\", but is \"chatml\""),
    ]

    /// A finished run of four steps with a checkpoint after the second.
    private static func run(in folder: TemporaryFolder, _ options: [String] = []) throws -> [String] {
        let line = try line(folder, output: "x.lora", ["--save-every", "2"] + options)
        let run = ToolRunner(qtrain, line + ["--steps", "4"])
        #expect(run.status == .done, "\(run.errors)")
        return line + ["--resume", "--force"]
    }

    @Test("goes on with nothing but what it began with", arguments: changes)
    func refusesOtherOptions(_ options: [String], _ error: String) throws {
        let folder = try TemporaryFolder()
        var line = try Self.run(in: folder)
        if let place = line.firstIndex(of: options[0]) { line.removeSubrange(place..<place + 2) }
        let run = ToolRunner(qtrain, line + options + (options[0] == "--steps" ? [] : ["--steps", "4"]))
        #expect(run.status == .failed)
        #expect(run.errors.contains("step-00000002.qtrain: belongs to another run: \(error)\n"), "\(run.errors)")
    }

    @Test func refusesOtherDataAndOtherWeights() throws {
        let folder = try TemporaryFolder()
        let line = try Self.run(in: folder) + ["--steps", "4"]
        let before = try Fixture.bytes(folder.path("x.lora"))
        // The same model, but its dense weights.
        let dense = ToolRunner(qtrain, [Fixture.sample("llama-hf")] + line.dropFirst())
        #expect(dense.status == .failed)
        #expect(dense.errors.contains("belongs to another run: model was \""), "\(dense.errors)")
        try Fixture.replace("Count to 3.", with: "Count to 33.", in: folder.path("data.json"))
        let changed = ToolRunner(qtrain, line)
        #expect(changed.status == .failed)
        #expect(changed.errors.contains("belongs to another run: data was \""), "\(changed.errors)")
        #expect(try Fixture.bytes(folder.path("x.lora")) == before)
    }

    @Test func goesOnAfterInitFromWithThatAdapterAlone() throws {
        let folder = try TemporaryFolder()
        let first = ToolRunner(qtrain, try Self.line(folder, output: "first.lora", ["--steps", "3"]))
        #expect(first.status == .done, "\(first.errors)")
        let line = try Self.run(in: folder, ["--init-from", folder.path("first.lora")]) + ["--steps", "4"]
        let whole = try Fixture.bytes(folder.path("x.lora"))
        let resumed = ToolRunner(qtrain, line)
        #expect(resumed.status == .done, "\(resumed.errors)")
        #expect(resumed.errors.contains("going on after step 2 of 4"), "\(resumed.errors)")
        let areEqual = try Fixture.bytes(folder.path("x.lora")) == whole
        #expect(areEqual)
        let without = ToolRunner(qtrain, line.filter { $0 != "--init-from" && $0 != folder.path("first.lora") })
        #expect(without.status == .failed)
        #expect(without.errors.contains("belongs to another run: init-from was \""), "\(without.errors)")
    }

    /// With other options than those of its run, but those that make the factors what they are.
    @Test func beginsWithTheFactorsOfACheckpoint() throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(folder, output: "x.lora", ["--save-every", "2", "--dropout", "0", "--eval-every", "2", "--json"])
        let first = ToolRunner(qtrain, line + ["--steps", "4", "--lr", "0.01", "--log", folder.path("log.jsonl")])
        #expect(first.status == .done, "\(first.errors)")
        let lines = try Fixture.bytes(folder.path("log.jsonl")).split(separator: 0x0a).map { try JSONValue(parsing: Array($0)) }
        let second = lines.first { $0["step"]?.integer == 2 && $0["validation_loss"] != nil }
        let checkpoint = folder.path("x.lora.checkpoints/step-00000002.qtrain")
        let other = try Self.line(folder, output: "y.lora", ["--init-from", checkpoint, "--steps", "3", "--lr", "0.001", "--json"])
        let run = ToolRunner(qtrain, other)
        #expect(run.status == .done, "\(run.errors)")
        let before = try #require(second?["validation_loss"]?.double)
        #expect(try run.document()["validation_loss_before"]?.double == before)
        let refused = ToolRunner(qtrain, other + ["--alpha", "7", "--force"])
        #expect(refused.status == .failed)
        #expect(
            refused.errors.contains("step-00000002.qtrain: has factors of another kind: alpha was 32.0, but is 7.0\n"), "\(refused.errors)")
    }

    static let ways: [(model: String, options: [String])] = [
        ("gpt2-tensorflow", ["--full"]), ("llama-bnb4", ["--optimizer", "paged-adamw"]), ("llama-bnb4", ["--optimizer", "adamw8bit"]),
        ("llama-bnb4", ["--pack", "--max-length", "40", "--optimizer", "sgd"]),
    ]

    /// And however it is computed: threads and recomputing are no part of what a run is.
    @Test("goes on bit for bit however it trains", arguments: ways)
    func goesOn(_ model: String, _ options: [String]) throws {
        let folder = try TemporaryFolder()
        let line =
            [Fixture.sample(model), "--data", try TrainTests.data(in: folder), "-o", folder.path("x"), "--save-every", "3"]
            + ["--steps", "4", "--batch-size", "2"] + options
        let whole = ToolRunner(qtrain, line + ["--threads", "2"])
        #expect(whole.status == .done, "\(whole.errors)")
        let file = folder.path(options == ["--full"] ? "x/model.safetensors" : "x")
        let bytes = try Fixture.bytes(file)
        let resumed = ToolRunner(qtrain, line + ["--threads", "3", "--checkpointing", "on", "--resume", "--force"])
        #expect(resumed.status == .done, "\(resumed.errors)")
        #expect(resumed.errors.contains("going on after step 3 of 4"), "\(resumed.errors)")
        let areEqual = try Fixture.bytes(file) == bytes
        #expect(areEqual)
    }

    /// Checkpoints of an earlier, longer run would hide those of the new one.
    @Test func beginsAnewWithForce() throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(folder, output: "x.lora", ["--save-every", "1"])
        #expect(ToolRunner(qtrain, line + ["--steps", "6"]).status == .done)
        let refused = ToolRunner(qtrain, try Self.line(folder, output: "x.lora", ["--steps", "3", "--save-every", "1"]))
        #expect(refused.status == .failed)
        let again = ToolRunner(qtrain, line + ["--steps", "3", "--force"])
        #expect(again.status == .done, "\(again.errors)")
        #expect(try FilePath.entries(of: folder.path("x.lora.checkpoints")) == ["step-00000001.qtrain", "step-00000002.qtrain"])
        let resumed = ToolRunner(qtrain, line + ["--steps", "3", "--force", "--resume"])
        #expect(resumed.status == .done, "\(resumed.errors)")
    }
}
