import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qtrain

/// `--keep-best` and `--patience`, from the command line to the bytes of the output.
@Suite struct TrainBestTests {
    /// So fast that the loss falls for a while and then rises.
    private static let rough = [
        "--schedule", "constant", "--eval-every", "2", "--split", "0.5,0,0.5", "--targets", "q_proj,v_proj", "--dropout",
        "0.1",
    ]

    private static func line(_ folder: TemporaryFolder, output: String, rate: String = "0.2", _ options: [String]) throws
        -> [String]
    {
        try TrainTests.line(folder, output: output, ["--lr", rate] + rough + options)
    }

    private static func areEqual(_ folder: TemporaryFolder, _ first: String, _ second: String) throws -> Bool {
        try Fixture.bytes(folder.path(first)) == Fixture.bytes(folder.path(second))
    }

    @Test func writesWhatHadTheLowestLoss() throws {
        let folder = try TemporaryFolder()
        func line(_ output: String, _ options: String...) throws -> [String] {
            // Slow enough for the 14th step to be the best, and not the 16th, whatever the last digits are.
            try Self.line(folder, output: output, rate: "0.02", options + ["--json"])
        }
        let run = ToolRunner(qtrain, try line("best.lora", "--steps", "16", "--keep-best"))
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()
        let step = try #require(document["output_step"]?.integer)
        try #require((1..<16).contains(step), "the loss was lowest at an end of the run: \(run.errors)")
        #expect(document["ended_early"]?.bool == false && document["steps"]?.integer == 16)
        let short = ToolRunner(qtrain, try line("short.lora", "--steps", "\(step)"))
        #expect(try short.document()["validation_loss"] == document["validation_loss"])
        #expect(try Self.areEqual(folder, "best.lora", "short.lora"))
        let last = ToolRunner(qtrain, try line("last.lora", "--steps", "16"))
        #expect(try last.document()["output_step"]?.integer == 16)
        #expect(try !Self.areEqual(folder, "best.lora", "last.lora"))
    }

    @Test func endsEarlyAndSaysSo() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "60", "--keep-best", "--patience", "2", "--log", folder.path("log.jsonl")]
        let run = ToolRunner(qtrain, try Self.line(folder, output: "x.lora", options))
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.errors.contains(" of 60: the validation loss was lowest after step "), "\(run.errors)")
        #expect(run.errors.contains(" and not in the 2 evaluations since"))
        #expect(run.output.contains(", the lowest, which is written\n"), "\(run.output)")
        let log = String(decoding: try Fixture.bytes(folder.path("log.jsonl")), as: UTF8.self)
        #expect(log.contains("{\"ended_early_after_step\": "))
    }

    @Test("goes on bit for bit after it was killed", arguments: [SIGKILL, SIGTERM])
    func goesOn(_ signal: Int32) throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "60", "--save-every", "3", "--keep-best", "--patience", "4", "--accumulate", "4"]
        let whole = ToolRunner(qtrain, try Self.line(folder, output: "whole.lora", options))
        #expect(whole.status == .done, "\(whole.errors)")
        let process = try ToolProcess("qtrain", try Self.line(folder, output: "part.lora", options))
        let checkpoints = folder.path("part.lora.checkpoints")
        for _ in 0..<20_000 where (try? FilePath.entries(of: checkpoints).contains { $0.hasSuffix(".qtrain") }) != true { usleep(500) }
        process.kill(signal)
        #expect(process.wait() == .signal(signal))
        #expect(FilePath.kind(of: folder.path("part.lora")) == .missing)
        let other = ToolRunner(qtrain, try Self.line(folder, output: "part.lora", options + ["--resume", "--eval-every", "3"]))
        #expect(other.status != .done)
        let resumed = ToolRunner(qtrain, try Self.line(folder, output: "part.lora", options + ["--resume"]))
        #expect(resumed.status == .done, "\(resumed.errors)")
        #expect(try Self.areEqual(folder, "part.lora", "whole.lora"))
    }

    @Test func goesOnAsWhatItWas() throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(folder, output: "x.lora", ["--steps", "4", "--save-every", "2", "--keep-best", "--patience", "9"])
        #expect(ToolRunner(qtrain, line).status == .done)
        for (removed, error) in [
            ("--keep-best", "keep-best was true, but is not set"), ("--patience", "patience was 9, but is not set"),
        ] {
            var other = line
            if let place = other.firstIndex(of: removed) { other.removeSubrange(place...place + (removed == "--patience" ? 1 : 0)) }
            let run = ToolRunner(qtrain, other + ["--resume", "--force"])
            #expect(run.status == .failed && run.errors.contains("belongs to another run: \(error)"), "\(run.errors)")
        }
    }

    @Test func warnsWhereNothingWasLearned() throws {
        let folder = try TemporaryFolder()
        var line = try Self.line(folder, output: "x.lora", ["--steps", "2", "--keep-best"])
        if let place = line.firstIndex(of: "--lr") { line[place + 1] = "50" }
        let run = ToolRunner(qtrain, line)
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.errors.contains("the validation loss was never lower than before the first step: "), "\(run.errors)")
    }

    /// Weights that shrink by less and less, and then grow without end: what was best before is not lost with the run.
    @Test func writesTheBestOfARunThatFails() throws {
        let folder = try TemporaryFolder()
        let options = [
            "--steps", "2000", "--warmup", "2000", "--lr", "40", "--weight-decay", "10", "--eval-every", "1", "--split", "0.5,0,0.5",
            "--targets", "q_proj,v_proj", "--dropout", "0", "--keep-best", "--log", folder.path("log.jsonl"),
        ]
        let run = ToolRunner(qtrain, try TrainTests.line(folder, output: "x.lora", options))
        #expect(run.status == .failed)
        #expect(run.errors.contains("qtrain: error: ") && run.errors.contains(" is not finite"), "\(run.errors)")
        #expect(run.errors.contains("x.lora has the parameters after step "), "\(run.errors)")
        #expect(run.errors.hasSuffix(", whose validation loss was lowest\n"))
        let lines = try Fixture.bytes(folder.path("log.jsonl")).split(separator: 0x0a).map { try JSONValue(parsing: Array($0)) }
        let losses = lines.compactMap { $0["validation_loss"]?.double }
        let lowest = try #require(losses.min())
        #expect(try lowest < #require(losses.first) && lowest < #require(losses.last))
        let measured = ToolRunner(
            qtrain,
            [
                "evaluate", Fixture.sample("llama-bnb4"), "--adapter", folder.path("x.lora"), "--data", folder.path("data.json"), "--split",
                "0.5,0,0.5", "--part", "validation", "--json",
            ])
        #expect(measured.status == .done, "\(measured.errors)")
        #expect(abs(try #require(try measured.document()["loss"]?.double) - lowest) < 1e-3)
    }

    @Test(arguments: [["--keep-best"], ["--patience", "3"]])
    func needsAValidationSplit(_ option: [String]) throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qtrain, try TrainTests.line(folder, output: "x.lora", ["--steps", "2", "--split", "1,0,0"] + option))
        #expect(run.status == .usage)
        #expect(
            run.errors.contains("\(option[0]) goes by the validation loss, but no records are in the validation split"), "\(run.errors)")
    }
}
