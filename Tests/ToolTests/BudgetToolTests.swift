import ByteIO
import Calibration
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qverify

/// `to-nf4 --budget` on the sample Llama.
@Suite struct BudgetToolTests {
    private static let llama = Fixture.sample("llama-hf")

    private static func divergence(_ model: String, on text: String = Fixture.sample("text/heldout.txt")) throws -> Double {
        let run = ToolRunner(qverify, ["compare", llama, model, "--text", text, "--max-tokens", "2048", "--json"])
        return try #require(try run.document()["predictions"]?["kl_mean"]?.double, "\(run.errors)")
    }

    private static func types(_ model: String) throws -> [String: String] {
        let rows = try ToolRunner(qinspect, ["layers", model, "--json"]).document()["tensors"]?.array ?? []
        return Dictionary(rows.map { ($0["name"]?.string ?? "", $0["type"]?.string ?? "") }) { first, _ in first }
    }

    @Test func whatMattersMostStaysAndIsMeasuredOnce() throws {
        let folder = try TemporaryFolder(), file = folder.path("s.json")
        let (plain, model, again) = (folder.path("plain.qnf"), folder.path("a.qnf"), folder.path("b.qnf"))
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", plain]).status == .done)
        let line = ["to-nf4", Self.llama, "--budget", "6", "--sensitivity", file]
        let run = ToolRunner(qconvert, line + ["-o", model, "--json"])
        #expect(run.status == .done && run.errors.contains("measuring what quantizing each of 28 weights does"), "\(run.errors)")
        let budget = try #require(try run.document()["budget"])
        let kept = (budget["tensors"]?.array ?? []).compactMap { $0["name"]?.string }
        #expect(budget["bits"]?.double == 6 && !kept.isEmpty && kept.count < 28)
        let reached = budget["reached_bits"]?.double ?? 0
        #expect(reached <= 6 && reached > 5.5)
        let types = try Self.types(model)
        for (name, type) in types where name.contains("proj") { #expect(type.contains("NF4") != kept.contains(name), "\(name) \(type)") }
        #expect(kept.allSatisfy { ["BF16", "F16"].contains(types[$0]) })
        let lineage = try ToolRunner(qinspect, ["metadata", model, "--json"]).document()["lineage"]?.array?.last
        #expect(lineage?["budget"] == budget)
        #expect(try Self.divergence(model) < 0.8 * Self.divergence(plain))

        // What the single weights do, added up, is near to what all of them do.
        let rows = try JSONValue(parsing: folder.bytes("s.json"))["sensitivity"]?["tensors"]?.array ?? []
        let sum = rows.reduce(0) { $0 + ($1["measured"]?.double ?? 0) }
        #expect(rows.count == 28)
        let whole = try Self.divergence(plain, on: folder.write(DefaultText.text, to: "default.txt"))
        #expect(sum > whole / 2 && sum < 2 * whole, "\(sum), \(whole)")

        let reused = ToolRunner(qconvert, line + ["-o", again])
        #expect(reused.status == .done && !reused.errors.contains("measuring"))
        #expect(reused.output.contains("\(kept.count) weights stay in 16 bits, which spares "))
        #expect(try Fixture.bytes(again) == Fixture.bytes(model))
        #expect(ToolRunner(qverify, ["roundtrip", Self.llama, model]).status == .done)
        let other = ToolRunner(qconvert, line + ["-o", folder.path("c.qnf"), "--block-size", "128"])
        #expect(other.status == .failed && other.errors.contains("is of another model or another way to quantize"), "\(other.errors)")
    }

    /// Sensitivities are those of the calibrated codes, and rules come first.
    @Test func besideCalibration() throws {
        let folder = try TemporaryFolder(), model = folder.path("a.qnf"), calibrated = folder.path("b.qnf")
        let line = ["to-nf4", Self.llama, "--calibrate", "default", "--tokens", "1024", "--keep", #"layers\.0\..*q_proj"#]
        #expect(ToolRunner(qconvert, line + ["-o", calibrated]).status == .done)
        let run = ToolRunner(
            qconvert, line + ["-o", model, "--budget", "6", "--json", "--checkpoints", folder.path("layers")])
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()
        let kept = (document["budget"]?["tensors"]?.array ?? []).compactMap { $0["name"]?.string }
        #expect(!kept.isEmpty && !kept.contains { $0.contains("layers.0.self_attn.q_proj") })
        #expect(document["calibration"]?["calibrated"]?.integer == 27 - kept.count)
        let types = try Self.types(model)
        #expect(types["model.layers.0.self_attn.q_proj.weight"]?.contains("NF4") == false)
        #expect(try Self.divergence(model) < Self.divergence(calibrated))
        #expect(try !folder.names().contains("layers"))
        let exact = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"])
        #expect(exact.status == .done, "\(exact.output) \(exact.errors)")
    }

    @Test(arguments: [
        (["--sensitivity", "s.json"], ExitCode.usage, "--sensitivity is for --budget BITS, which is not given"),
        (["--budget", "4"], .failed, "a budget of 4.0 bits for each weight is too small: with none of them in 16 bits there are 4.1"),
        (["--budget", "20"], .failed, "leaves nothing to quantize: in 16 bits there are 16.0"),
        (["--budget", "0.5"], .usage, "--budget"), (["--budget", "5", "--keep", "proj"], .failed, "there is nothing to choose from"),
        (["--budget", "5", "--allow-nonfinite", "--no-double-quant"], .usage, "exclude each other"),
    ])
    func refusesBeforeTheWorkBegins(options: [String], status: ExitCode, message: String) throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("a.qnf")] + options)
        #expect(run.status == status && run.errors.contains(message), "\(run.errors)")
        #expect(try folder.names().isEmpty)
    }
}
