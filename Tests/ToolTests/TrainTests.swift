import Adapters
import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qtrain

/// `qtrain` from its command line to its files, on the sample Llama.
@Suite struct TrainTests {
    private static let model = Fixture.sample("llama-bnb4")

    /// Twenty short records.
    static func data(in folder: TemporaryFolder) throws -> String {
        let records = (1...20).map { number in
            JSONValue.object([
                "instruction": .string("Count to \(number)."), "output": .string(String(repeating: "one ", count: 1 + number % 4)),
            ])
        }
        let output = try AtomicOutput(destination: folder.path("data.json"), replaces: true)
        let file = try output.file()
        try file.write(Array(JSONValue.array(records).text(.indented).utf8), atOffset: 0)
        try output.commit([file])
        return folder.path("data.json")
    }

    static func line(_ folder: TemporaryFolder, output: String, _ options: [String]) throws -> [String] {
        [model, "--data", try data(in: folder), "-o", folder.path(output), "--batch-size", "2", "--rank", "4"] + options
    }

    @Test func trainsAnAdapter() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "6", "--lr", "0.01", "--json", "--plot", folder.path("loss.svg"), "--log", folder.path("log.jsonl")]
        let run = ToolRunner(qtrain, try Self.line(folder, output: "a.lora", options))
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()
        let before = try #require(document["validation_loss_before"]?.double), after = try #require(document["validation_loss"]?.double)
        #expect(after < before)
        let adapter = try Adapter.open(folder.path("a.lora"))
        #expect(adapter.modules.count == 28 && adapter.configuration.rank == 4)
        #expect(adapter.baseFingerprint != nil && adapter.tool?.hasPrefix("qtrain ") == true)
        #expect(
            adapter.configuration.targetModules.sorted() == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"])
        #expect(String(decoding: try Fixture.bytes(folder.path("loss.svg")), as: UTF8.self).hasPrefix("<svg "))
        #expect(
            String(decoding: try Fixture.bytes(folder.path("log.jsonl")), as: UTF8.self).split(separator: "\n").filter {
                $0.contains("\"loss\"")
            }.count == 6)
    }

    @Test func tunesOnlyItsTargets() throws {
        let folder = try TemporaryFolder()
        for (targets, count) in [("q_proj,v_proj", 8), ("layers\\.0\\.mlp", 3)] {
            let run = ToolRunner(qtrain, try Self.line(folder, output: "t.lora", ["--steps", "1", "--targets", targets, "--force"]))
            #expect(run.status == .done, "\(run.errors)")
            #expect(try Adapter.open(folder.path("t.lora")).modules.count == count)
        }
    }

    @Test("goes on bit for bit after it was killed", arguments: [SIGKILL, SIGTERM])
    func goesOnAfterBeingKilled(_ signal: Int32) throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "40", "--save-every", "1", "--dropout", "0.1", "--accumulate", "2"]
        let whole = ToolRunner(qtrain, try Self.line(folder, output: "whole.lora", options))
        #expect(whole.status == .done, "\(whole.errors)")
        let process = try ToolProcess("qtrain", try Self.line(folder, output: "part.lora", options))
        let checkpoints = folder.path("part.lora.checkpoints")
        for _ in 0..<20_000 where (try? FilePath.entries(of: checkpoints).contains { $0.hasSuffix(".qtrain") }) != true { usleep(500) }
        usleep(20_000)
        process.kill(signal)
        #expect(process.wait() == .signal(signal))
        #expect(FilePath.kind(of: folder.path("part.lora")) == .missing)
        let resumed = ToolRunner(qtrain, try Self.line(folder, output: "part.lora", options + ["--resume"]))
        #expect(resumed.status == .done, "\(resumed.errors)")
        let areEqual = try Fixture.bytes(folder.path("part.lora")) == Fixture.bytes(folder.path("whole.lora"))
        #expect(areEqual)
    }

    @Test func trainsAllWeights() throws {
        let folder = try TemporaryFolder()
        let line = [
            Fixture.sample("gpt2-tensorflow"), "--data", try Self.data(in: folder), "-o", folder.path("tuned"), "--full", "--steps", "2",
            "--batch-size", "2", "--lr", "1e-3",
        ]
        let run = ToolRunner(qtrain, line)
        #expect(run.status == .done, "\(run.errors)")
        let again = ToolRunner(
            qtrain, [folder.path("tuned"), "--data", folder.path("data.json"), "-o", folder.path("b.lora"), "--steps", "1"])
        #expect(again.status == .done, "\(again.errors)")
    }

    static let refusals: [(options: [String], status: ExitCode, error: String)] = [
        (["--full", "--rank", "4"], .usage, "--full trains all weights, so that --rank, which is for LoRA, has no meaning"),
        (["--steps", "1", "--epochs", "1"], .usage, "--steps and --epochs both say how long the run is"),
        (["--split", "0.5,0.6,0"], .usage, "--split '0.5,0.6,0' is not three shares that add up to 1"),
        (["--targets", "nothing"], .usage, "--targets 'nothing' selects no layer of this model"),
        (["--full"], .failed, "--full trains dense weights, but these are 4-bit"),
        (["--resume"], .failed, "there is no checkpoint to go on from"),
        (["--max-memory", "10M"], .failed, "of memory, but 10.5 MB are available"),
        (["--max-memory", "10M"], .failed, "hint: even with --checkpointing on --batch-size 1 --max-length 64 it needs "),
        (["--split", "0,0,1"], .failed, "none of its 20 records is left to learn from"),
        (["--steps", "2", "--warmup", "3"], .usage, "--warmup takes 3 steps, but the run has 2"),
        (["--plot", "same", "--log", "same"], .usage, "--plot and --log are both 'same'"),
        (["--max-length", "16"], .failed, "none of its 20 records is left to learn from"),
    ]

    @Test("says what cannot be done", arguments: refusals)
    func refuses(_ options: [String], _ status: ExitCode, _ error: String) throws {
        let folder = try TemporaryFolder()
        var line = try Self.line(folder, output: "x.lora", options)
        if options.contains("--full") { line.removeAll { $0 == "--rank" || $0 == "4" } }
        let run = ToolRunner(qtrain, options == ["--full", "--rank", "4"] ? line + ["--rank", "4"] : line)
        #expect(run.status == status)
        #expect(run.errors.contains(error), "\(run.errors)")
        #expect(FilePath.kind(of: folder.path("x.lora")) == .missing)
    }

    @Test func saysWhatARunWillTakeAndWritesNothing() throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(
            qtrain, try Self.line(folder, output: "x.lora", ["--dry-run", "--json", "--epochs", "2", "--save-every", "1"]))
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()
        #expect(document["samples"]?.integer == 17 && document["steps"]?.integer == 18)
        #expect(document["trained_parameters"]?.integer == 38_912)
        let memory = try #require(document["memory"]?.integer), seconds = try #require(document["seconds_per_step"]?.double)
        #expect(memory > 1_000_000 && seconds > 0)
        #expect(try folder.names() == ["data.json"])
    }

    @Test func logsEveryRecordThatIsCutOrLeftOut() throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log.jsonl")
        var line = try Self.line(folder, output: "a.lora", ["--steps", "3", "--split", "1,0,0", "--save-every", "2", "--log", log])
        for number in 1...8 {
            let question = String(repeating: "Count. ", count: 20) + "Count to \(number)."
            try Fixture.replace("Count to \(number).", with: question, in: folder.path("data.json"))
        }
        line += ["--max-length", "50"]
        let run = ToolRunner(qtrain, line)
        #expect(run.errors.contains("data.json: 8 of 20 train records are longer than 50 tokens and cut: record "), "\(run.errors)")
        let resumed = ToolRunner(qtrain, line + ["--resume", "--force"])
        #expect(resumed.status == .done, "\(resumed.errors)")
        let lines = try Fixture.bytes(log).split(separator: 0x0a).map { try JSONValue(parsing: Array($0)) }
        let expected = Set((1...8).map { "record \($0)" })
        #expect(lines.first?["split"]?.string == "train" && lines.first?["records"]?.integer == 20)
        #expect(Set(lines.first?["cut"]?.array?.compactMap(\.string) ?? []) == expected)
        #expect(Set(lines.first?["left_out"]?.array?.compactMap(\.string) ?? []) == expected)
        #expect(lines.compactMap { $0["step"]?.integer } == [1, 2, 3, 3])
        #expect(lines.compactMap { $0["resumed_after_step"]?.integer } == [2])
    }

    /// Each hint is followed: what it names is enough.
    @Test(
        "says which options would make a run fit",
        arguments: [
            ("90M", "--checkpointing on needs"), ("77M", "--checkpointing on --batch-size"),
        ])
    func saysWhatWouldFit(_ limit: String, _ hint: String) throws {
        let folder = try TemporaryFolder()
        let line = [
            Self.model, "--data", Fixture.sample("instructions.json"), "-o", folder.path("x.lora"), "--dry-run", "--max-memory", limit,
        ]
        let given = ["--batch-size", "16", "--checkpointing", "off"]
        let refused = ToolRunner(qtrain, line + given)
        #expect(refused.status == .failed)
        let said = try #require(refused.errors.split(separator: "\n").first { $0.hasPrefix("hint: ") }?.dropFirst(6))
        #expect(said.contains(hint) && said.contains(" needs "), "\(refused.errors)")
        let words = said.split(separator: " ").map(String.init)
        let options = Array(words.prefix { $0 != "needs" })
        let followed = ToolRunner(qtrain, line + options + (options.contains("--batch-size") ? [] : ["--batch-size", "16"]))
        #expect(followed.status == .done, "\(followed.errors)")
    }

    /// A question that fills the context has no answer, which is not a wrong one.
    @Test func evaluatesEveryRecordThatItCan() throws {
        let folder = try TemporaryFolder()
        _ = try Self.data(in: folder)
        try Fixture.replace("Count to 3.", with: String(repeating: "Count to 3. ", count: 200), in: folder.path("data.json"))
        let line = [
            "evaluate", Self.model, "--data", folder.path("data.json"), "--part", "train", "--split", "1,0,0", "--answer-length", "2",
            "--json",
        ]
        let run = ToolRunner(qtrain, line + ["-o", folder.path("answers.json")])
        let document = try run.document()
        #expect(document["answers"]?.integer == 19 && document["unanswerable"]?.integer == 1, "\(run.errors)")
        #expect(run.errors.contains("1 questions fill the context and leave no room for an answer, first record 3"), "\(run.errors)")
        let refused = ToolRunner(qtrain, line + ["-o", folder.path("data.json"), "--force"])
        #expect(refused.status == .failed && refused.errors.contains("data.json: is also an input ("), "\(refused.errors)")
    }

    @Test func evaluatesWithAndWithoutAnAdapter() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "30", "--lr", "0.01", "--dropout", "0", "--sample-prompt", "Count to 3."]
        let run = ToolRunner(qtrain, try Self.line(folder, output: "a.lora", options))
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.errors.contains("step 0: \"Count to 3.\" -> ") && run.errors.contains("step 30: \"Count to 3.\" -> "))
        let line = ["evaluate", Self.model, "--data", folder.path("data.json"), "--part", "train", "--answers", "4", "--json"]
        let base = try ToolRunner(qtrain, line).document()
        let tuned = try ToolRunner(qtrain, line + ["--adapter", folder.path("a.lora"), "-o", folder.path("answers.json")]).document()
        let before = try #require(base["loss"]?.double), after = try #require(tuned["loss"]?.double)
        #expect(after < before / 2)
        #expect(tuned["answers"]?.integer == 4)
        let answers = try JSONValue(parsing: Fixture.bytes(folder.path("answers.json")))
        #expect(answers.array?.count == 4 && answers.array?.allSatisfy { $0["expected"]?.string?.hasPrefix("one") == true } == true)
    }
}
