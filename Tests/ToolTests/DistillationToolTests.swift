import ByteIO
import Calibration
import Checkpoints
import CommandLineKit
import Distillation
import Glibc
import JSONText
import ModelLoading
import Quantization
import TestSupport
import Testing
import Transformer

@testable import qconvert
@testable import qinspect
@testable import qverify

/// `to-nf4 --distill` on the sample models.
@Suite struct DistillationToolTests {
    private static let llama = Fixture.sample("llama-hf")

    private static func line(_ output: String, _ options: [String] = []) -> [String] {
        ["to-nf4", llama, "-o", output, "--calibrate", "default", "--tokens", "4096"] + options
    }

    private static func divergence(_ model: String, _ text: String) throws -> Double {
        let run = ToolRunner(qverify, ["compare", llama, model, "--text", text, "--max-tokens", "1500", "--json"])
        return try #require(try run.document()["predictions"]?["kl_mean"]?.double, "\(run.errors)")
    }

    /// The file is as large, nearer to the model on other text, says what was done, and leaves no folder.
    @Test func divergenceOnOtherTextIsLess() throws {
        let folder = try TemporaryFolder(), (calibrated, distilled) = (folder.path("a.qnf"), folder.path("b.qnf"))
        let judged = Fixture.sample("text/heldout.txt"), line = ["to-nf4", Self.llama, "--calibrate", "default", "--tokens", "16384"]
        #expect(ToolRunner(qconvert, line + ["-o", calibrated]).status == .done)
        let run = ToolRunner(qconvert, line + ["-o", distilled, "--distill"])
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.output.contains("constants of 28 weights and 9 norms are tuned"), "\(run.output)")
        #expect(run.errors.contains("distilling: ") && run.errors.contains("step 0: divergence on held-out tokens "))
        #expect(try Self.divergence(distilled, judged) < 0.995 * Self.divergence(calibrated, judged))
        #expect(try folder.names() == ["a.qnf", "b.qnf"])
        let (before, after) = (try Fixture.bytes(calibrated), try Fixture.bytes(distilled))
        // As large, but for what the lineage says.
        #expect((after.count - before.count).magnitude < 2048)

        let metadata = try ToolRunner(qinspect, ["metadata", distilled, "--json"]).document()
        #expect(metadata["settings"]?["quantizer"]?.string == "calibrated-nf4 1" && metadata["lineage"]?.array?.count == 1)
        let note = try #require(metadata["lineage"]?.array?.last?["distillation"])
        #expect(note["weights"]?.integer == 28 && note["vectors"]?.array?.count == 9 && (note["taken_after_step"]?.integer ?? 0) > 0)
        #expect((note["divergence"]?.double ?? 1) < 0.97 * (note["divergence_before"]?.double ?? 0))
        #expect(ToolRunner(qinspect, ["check", distilled]).status == .done)
    }

    /// What was tuned is no rounding of the source: it is said, and only the codes are computed again.
    @Test func roundtripSaysWhatWasTuned() throws {
        let folder = try TemporaryFolder(), model = folder.path("a.qnf")
        let run = ToolRunner(qconvert, Self.line(model, ["--distill", "--json", "--quiet"]))
        #expect(run.status == .done && run.errors.isEmpty, "\(run.errors)")
        let document = try run.document()
        #expect(document["distillation"]?["weights"]?.integer == 28 && document["calibration"]?["calibrated"]?.integer == 28)
        #expect(document["bytes"]?.integer == (try Fixture.bytes(model).count))
        let plain = ToolRunner(qverify, ["roundtrip", Self.llama, model])
        #expect(plain.status == .done, "\(plain.output)")
        #expect(plain.output.contains("constants of 28 weights and 9 norms were tuned by distillation, norms by up to "), "\(plain.output)")
        let exact = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"])
        #expect(exact.status == .no && exact.output.contains("which is not computed again; codes of 28 weights are those that"))
        #expect(exact.output.split(separator: "\n").count { $0.hasPrefix("NOT OK") } == 1, "\(exact.output)")
    }

    @Test(arguments: [["--threads", "1"], ["--threads", "3", "--checkpoints", "CK"]])
    func isTheSameForAnyThreads(options: [String]) throws {
        let folder = try TemporaryFolder(), (one, other) = (folder.path("a.qnf"), folder.path("b.qnf"))
        #expect(ToolRunner(qconvert, Self.line(one, ["--distill"])).status == .done)
        let run = ToolRunner(qconvert, Self.line(other, ["--distill"] + options.map { $0 == "CK" ? folder.path("ck") : $0 }))
        #expect(run.status == .done, "\(run.errors)")
        #expect(try Fixture.bytes(one) == Fixture.bytes(other))
        #expect(try folder.names() == ["a.qnf", "b.qnf"])
    }

    /// Whatever ends a run, the same command goes on from the last checkpoint to the same bytes.
    @Test("goes on to the same bytes after it was killed", arguments: [SIGKILL, SIGTERM])
    func goesOn(signal: Int32) throws {
        let folder = try TemporaryFolder(), (whole, output) = (folder.path("a.qnf"), folder.path("b.qnf"))
        #expect(ToolRunner(qconvert, Self.line(whole, ["--distill"])).status == .done)
        let process = try ToolProcess("qconvert", Self.line(output, ["--distill"]))
        let checkpoints = output + ".checkpoints"
        for _ in 0..<60_000 {
            if FilePath.kind(of: checkpoints) == .folder, try folder.names("b.qnf.checkpoints").contains(where: { $0.hasSuffix(".qtrain") })
            {
                break
            }
            usleep(1000)
        }
        process.kill(signal)
        guard process.wait() == .signal(signal) else { return }
        #expect(FilePath.kind(of: output) == .missing)
        if signal == SIGTERM { #expect(process.errors.contains("stopped, saved as "), "\(process.errors)") }
        let other = ToolRunner(qconvert, Self.line(output, ["--distill", "--block-size", "128"]))
        #expect(other.status == .failed && other.errors.contains("is of another run: model, text, options or tool differ"))
        let rest = ToolRunner(qconvert, Self.line(output, ["--distill"]))
        #expect(rest.status == .done && rest.errors.contains("goes on with what was calibrated before"), "\(rest.errors)")
        #expect(try Fixture.bytes(output) == Fixture.bytes(whole))
        #expect(try folder.names() == ["a.qnf", "b.qnf"])
    }

    /// Other layouts and families, and weights that a budget keeps.
    @Test func tunesWhatThereIs() throws {
        let folder = try TemporaryFolder()
        let gpt2 = ToolRunner(
            qconvert,
            [
                "to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", folder.path("a.qnf"), "--calibrate", "default", "--tokens", "1024",
                "--distill", "--no-double-quant", "--json",
            ])
        #expect(gpt2.status == .done, "\(gpt2.errors)")
        #expect(ToolRunner(qverify, ["roundtrip", Fixture.sample("gpt2-tensorflow"), folder.path("a.qnf")]).status == .done)
        let budget = ToolRunner(
            qconvert, Self.line(folder.path("b.qnf"), ["--distill", "--budget", "6", "--sensitivity", folder.path("s.json"), "--json"]))
        #expect(budget.status == .done, "\(budget.errors)")
        let document = try budget.document(), kept = document["budget"]?["tensors"]?.array?.count ?? 0
        #expect(kept > 0 && document["distillation"]?["weights"]?.integer == 28 - kept)
        #expect(ToolRunner(qverify, ["roundtrip", Self.llama, folder.path("b.qnf")]).status == .done)
    }

    @Test(arguments: [
        (["--distill"], ExitCode.usage, "--distill goes on where --calibrate ends, which is not given"),
        (["--distill", "--calibrate", "default", "--max-memory", "80M"], .failed, "calibrating "),
        (["--distill", "--part", "1/2"], .usage, "--distill"),
    ])
    func refusesBeforeTheWorkBegins(options: [String], status: ExitCode, message: String) throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("a.qnf")] + options)
        #expect(run.status == status && run.errors.contains(message), "\(run.errors)")
        #expect(try folder.names().isEmpty)
    }

    /// Less memory is enough where activations are made again; where it is not, that is said before the work begins.
    @Test func refusesWhatThereIsNoMemoryFor() throws {
        let samples = CalibrationSamples((0..<4).map { .init(ids: (0..<200).map { Int32($0 + 1) }, isHeldOut: $0 == 3) })
        let distillation = try Distillation(on: samples), model = try LoadedModel(Checkpoint.open(Self.llama))
        func cost(_ limit: Int) throws -> DistillationCost {
            try distillation.cost(
                of: model, QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: true), studentByteCount: 1 << 20,
                limit: limit, threadCount: 2)
        }
        let whole = try cost(.max), less = try cost(whole.training + whole.activations - 1)
        #expect(!whole.recomputes && less.recomputes && less.total < whole.total && less.operationCount > whole.operationCount)
        try DistillationSetup.check(less, "m", limit: less.total)
        let failure = #expect(throws: Failure.self) { try DistillationSetup.check(less, "m", limit: less.total - 1) }
        #expect(failure?.message.hasPrefix("distilling m takes about ") == true && failure?.hint?.contains("without --distill") == true)
    }

    @Test func saysBeforehandWhatItTakes() throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qconvert, Self.line(folder.path("a.qnf"), ["--distill", "--dry-run"]))
        #expect(run.status == .done && run.errors.contains("would distill: 3,584 tokens in 7 steps, 512 held out; about "), "\(run.errors)")
        #expect(try folder.names().isEmpty)
    }
}
