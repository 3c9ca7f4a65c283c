import Adapters
import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge
@testable import qtrain
@testable import qverify

/// `qtrain --merge-into` and `--calibration-sample` on the sample Llama in 4 bits.
@Suite struct TrainMergeTests {
    private static let records = Fixture.sample("instructions.json")

    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", folder.path("base.qnf")]).status == .done)
        return folder
    }

    private static func line(_ folder: TemporaryFolder, _ options: [String]) -> [String] {
        [
            folder.path("base.qnf"), "--data", records, "-o", folder.path("a.lora"), "--batch-size", "2", "--steps", "2", "--rank", "2",
            "--targets", "q_proj,down_proj",
        ] + options
    }

    /// One file in one go: the bytes of training and merging one after the other.
    @Test func isWhatMergingAfterwardsGives() throws {
        let folder = try Self.makeFolder(), (merged, again) = (folder.path("m.qnf"), folder.path("n.qnf"))
        let run = ToolRunner(qtrain, Self.line(folder, ["--merge-into", merged, "--json"]))
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()["merged"]
        #expect(document?["flipped"]?.integer == 8 && (document?["activation_survival"]?.double ?? 0) > 0.7, "\(run.output)")
        let merge = ToolRunner(
            qmerge, [folder.path("base.qnf"), folder.path("a.lora"), "-o", again, "--calibrate", Self.records, "--calibrate", "default"])
        #expect(merge.status == .done, "\(merge.errors)")
        #expect(try Fixture.bytes(merged) == Fixture.bytes(again))
        let back = folder.path("back.qnf")
        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", back]).status == .done)
        #expect(try Fixture.bytes(back) == Fixture.bytes(folder.path("base.qnf")))
    }

    /// Samples are what the model read in training, special tokens and all; merging finds them, and so does who checks it.
    @Test func samplesGoAlong() throws {
        let folder = try Self.makeFolder(), (merged, again) = (folder.path("m.qnf"), folder.path("n.qnf"))
        let (base, lora) = (folder.path("base.qnf"), folder.path("a.lora"))
        let run = ToolRunner(
            qtrain, Self.line(folder, ["--template", "alpaca", "--calibration-sample", "30", "--merge-into", merged]))
        #expect(run.status == .done && run.output.contains("of the adapter's effect is kept in 8 weights"), "\(run.output) \(run.errors)")
        #expect(run.errors.contains("will hold 30 of ") && run.errors.contains("whoever gets it can read them"), "\(run.errors)")
        let texts = try Adapter.open(lora).sample
        #expect(texts.count == 30)
        #expect(texts.allSatisfy { $0.contains("### Instruction:") && $0.hasSuffix("<|endoftext|>") }, "\(texts)")
        #expect(ToolRunner(qinspect, ["adapter", lora]).output.contains("30 training samples as text, "))
        let merge = ToolRunner(qmerge, [base, lora, "-o", again])
        #expect(merge.status == .done && merge.errors.contains("their codes are flipped instead"), "\(merge.errors)")
        #expect(try Fixture.bytes(merged) == Fixture.bytes(again))
        #expect(ToolRunner(qverify, ["merge", base, lora, merged]).status == .done)
        // Without them nothing but the adapter's own numbers is merged, and what was flipped cannot be flipped again.
        let plain = ToolRunner(qmerge, [base, lora, "-o", folder.path("p.qnf"), "--method", "requantize"])
        #expect(plain.status == .done && !plain.errors.contains("flipped"), "\(plain.errors)")
        let other = ToolRunner(qtrain, Self.line(folder, ["--template", "alpaca", "--force"]))
        #expect(other.status == .done, "\(other.errors)")
        #expect(try Adapter.open(lora).sample.isEmpty)
        let check = ToolRunner(qverify, ["merge", base, lora, merged])
        #expect(check.status == .failed && check.errors.contains("were flipped on 'a.lora', 'default', without which"), "\(check.errors)")
    }

    @Test func refusesBeforeTheFirstStep() throws {
        let folder = try Self.makeFolder()
        try folder.write("x", to: "there.qnf")
        for (options, model, status, message) in [
            (
                ["--full"], Fixture.sample("llama-hf"), ExitCode.usage,
                "--merge-into merges an adapter, but --full trains the weights themselves"
            ),
            ([], Fixture.sample("llama-hf"), .usage, "--merge-into makes a .qnf of a .qnf, but "),
            (["--merge-into", folder.path("there.qnf")], folder.path("base.qnf"), .failed, "there.qnf: exists already"),
            (["--merge-into", folder.path("none/m.qnf")], folder.path("base.qnf"), .failed, "there is no folder"),
            (["--merge-into", folder.path("a.lora")], folder.path("base.qnf"), .usage, "--output and --merge-into are both"),
            (
                ["--full", "--calibration-sample", "3"], Fixture.sample("llama-hf"), .usage,
                "--full trains all weights, so that --calibration-sample, which is for LoRA, has no meaning"
            ),
        ] {
            let line = [model, "--data", Self.records, "-o", folder.path("a.lora"), "--steps", "1"]
            let isGiven = options.contains("--merge-into")
            let run = ToolRunner(qtrain, line + (isGiven ? [] : ["--merge-into", folder.path("m.qnf")]) + options)
            #expect(run.status == status && run.errors.contains(message), "\(options): \(run.errors)")
        }
        #expect(try folder.names() == ["base.qnf", "there.qnf"])
    }
}
