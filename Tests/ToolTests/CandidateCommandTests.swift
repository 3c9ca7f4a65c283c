import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qverify

/// `qverify compare A B --fresh SOURCE`: three models in one pass.
@Suite struct CandidateCommandTests {
    private static let source = Fixture.sample("llama-hf")
    private static let text = ["--text", Fixture.sample("text/heldout.txt"), "--max-tokens", "1500"]

    /// As each by itself, and which of them is better is told both ways round.
    @Test func nearerOneIsTold() throws {
        let folder = try TemporaryFolder(), (nf4, fp4) = (folder.path("nf4.qnf"), folder.path("fp4.qnf"))
        #expect(ToolRunner(qconvert, ["to-nf4", Self.source, "-o", nf4]).status == .done)
        #expect(ToolRunner(qconvert, ["to-nf4", Self.source, "-o", fp4, "--quant-type", "fp4"]).status == .done)
        let run = ToolRunner(qverify, ["compare", fp4, nf4, "--fresh", Self.source, "--json"] + Self.text)
        #expect(run.status == .done, "\(run.errors)")
        let found = try run.document()
        for (key, model, perplexity) in [("candidate_a", fp4, "perplexity_b"), ("candidate_b", nf4, "perplexity_b")] {
            let alone = try #require(
                try ToolRunner(qverify, ["compare", Self.source, model, "--json"] + Self.text).document()["predictions"])
            #expect(found[key]?["kl_mean"] == alone["kl_mean"] && found[key]?["kl_error"] == alone["kl_error"])
            #expect(found[key]?["same_top"] == alone["same_top"])
            #expect(found[key]?["perplexity"]?["perplexity"] == alone[perplexity]?["perplexity"])
            #expect(found["perplexity_reference"]?["perplexity"] == alone["perplexity_a"]?["perplexity"])
        }
        #expect(found["better"]?.string == "b" && (found["kl_increase"]?.double ?? 0) < 0)
        let error = found["kl_increase_error"]?.double ?? 0
        // Paired: less than the errors of both would make.
        let errors = ["candidate_a", "candidate_b"].compactMap { found[$0]?["kl_error"]?.double }
        #expect(error > 0 && error < (errors[0] * errors[0] + errors[1] * errors[1]).squareRoot())
        let turned = ToolRunner(qverify, ["compare", nf4, fp4, "--fresh", Self.source] + Self.text)
        #expect(turned.status == .done && turned.output.contains("A is nearer to the reference: its divergence is 0."))
    }

    @Test func equalOnesAreToldEqual() throws {
        let folder = try TemporaryFolder(), nf4 = folder.path("nf4.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.source, "-o", nf4]).status == .done)
        let run = ToolRunner(qverify, ["compare", nf4, nf4, "--fresh", Self.source] + Self.text)
        #expect(run.status == .done && run.output.contains("neither is nearer to the reference: the difference of 0"), "\(run.output)")
    }

    @Test func limitsAreForTwo() throws {
        let run = ToolRunner(
            qverify, ["compare", Self.source, Self.source, "--fresh", Self.source, "--max-kl", "1"] + Self.text)
        #expect(run.status == .usage && run.errors.contains("--max-kl is for A and B beside each other"))
    }
}
