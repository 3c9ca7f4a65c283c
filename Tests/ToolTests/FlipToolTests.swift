import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qmerge
@testable import qverify

/// `qmerge --calibrate` on the sample Llama and its held-out text.
struct FlipToolTests {
    private static let adapter = "\(Fixture.sample("adapters/llama-instructions"))@0.05"
    private static let text = Fixture.sample("text/heldout.txt")

    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", folder.path("base.qnf")]).status == .done)
        return folder
    }

    /// Everything but what a .qnf says of itself.
    private static func weights(at path: String) throws -> [String: StoredTensor] {
        try storedTensors(at: path).filter { !$0.key.hasPrefix(QNFMetadata.filePrefix) }
    }

    @Test func keepsTheEffectVerifiesAndUndoes() throws {
        let folder = try Self.makeFolder()
        let (base, merged, again) = (folder.path("base.qnf"), folder.path("merged.qnf"), folder.path("again.qnf"))
        let run = ToolRunner(qmerge, [base, Self.adapter, "-o", merged, "--calibrate", Self.text, "--tokens", "2048", "--json"])
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.errors.contains("quantized again, 28 of 28 weights would keep 1.8% of their deltas"))
        #expect(run.errors.contains("2,048 tokens that the base reads, which takes about 1 s; --method requantize does without"))
        let document = try run.document(), total = try #require(document["total"])
        #expect(total["flipped"]?.integer == 28 && document["below_min_survival"]?.integer == 0)
        #expect((total["activation_survival"]?.double ?? 0) > 0.97 && (total["requantized_survival"]?.double ?? 1) < 0.05)
        #expect((total["least_activation_survival"]?.double ?? 0) > 0.9)
        let rows = try #require(document["tensors"]?.array)
        #expect(rows.allSatisfy { (1...2).contains($0["aim"]?.double ?? 0) && ($0["changed_share"]?.double ?? 1) < 0.1 })

        let without = ToolRunner(qverify, ["merge", base, Self.adapter, merged])
        #expect(
            without.status == .failed && without.errors.contains("the codes of 28 weights were flipped on 'heldout.txt', without which"))
        #expect(ToolRunner(qverify, ["merge", base, Self.adapter, merged, "--calibrate", Self.text]).status == .done)
        let other = ToolRunner(qverify, ["merge", base, Self.adapter, merged, "--calibrate", Self.text, "--tokens", "1536"])
        #expect(other.status == .failed && other.errors.contains("its codes were flipped on tokens with the digest sha256:"))

        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", again]).status == .done)
        #expect(try Fixture.bytes(again) == Fixture.bytes(base))
    }

    /// A merge by flips is far nearer to the adapter beside the base than one that quantizes again, and the numbers are those of `compare`.
    @Test func predictionsAreMeasuredAgainstTheAdapterBesideTheBase() throws {
        let folder = try Self.makeFolder(), base = folder.path("base.qnf")
        let all = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.sample("instructions.json"))).array)
        let text = try folder.write(JSONValue.array(Array(all.suffix(60))).text(.compact), to: "text.json")
        let calibration = ["--calibrate", Fixture.sample("instructions.json"), "--tokens", "2048"]
        var found: [String: JSONValue] = [:]
        for (name, options) in [("flips", calibration), ("again", ["--method", "requantize"])] {
            let merged = folder.path("\(name).qnf")
            let run = ToolRunner(qmerge, [base, Self.adapter, "-o", merged, "--text", text, "--json", "--quiet"] + options)
            #expect(run.status == .done, "\(run.errors)")
            let predictions = try #require(try run.document()["predictions"])
            found[name] = predictions
            let compared = ToolRunner(
                qverify, ["compare", base, merged, "--adapter-a", Self.adapter, "--data", text, "--json", "--quiet"])
            let mean = try compared.document()["predictions"]?["kl_mean"]?.double
            #expect(abs((predictions["kl_mean"]?.double ?? 0) / (mean ?? 1) - 1) < 1e-6)
        }
        let flips = try #require(found["flips"]), again = try #require(found["again"])
        #expect(flips["kl_mean_without"]?.double == again["kl_mean_without"]?.double)
        let unmerged = flips["kl_mean_without"]?.double ?? 0
        #expect((flips["kl_mean"]?.double ?? 1) < 0.15 * unmerged && (again["kl_mean"]?.double ?? 0) > 0.9 * unmerged)
        let (beside, without) = (flips["loss_beside"]?.double ?? 0, flips["loss_without"]?.double ?? 0)
        let kept = flips["loss_gain_kept"]?.double
        #expect(abs((kept ?? 0) - (without - (flips["loss"]?.double ?? 0)) / (without - beside)) < 1e-9 && (kept ?? 0) > 0.85)

        let told = ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("a.qnf"), "--text", text, "--method", "requantize"])
        #expect(
            told.output.contains("KL divergence from \(base) with \(Self.adapter) is ")
                && told.output.contains(" with them beside the model, "))
        let file = ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("a.safetensors"), "--to", "bf16", "--text", text])
        #expect(file.status == .usage && file.errors.contains("a .safetensors file alone is none that can be run"))
        let missing = ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("b.qnf"), "--text", folder.path("none.txt")])
        #expect(missing.status == .failed && missing.errors.contains("no such file"))
        #expect(try folder.names().sorted() == ["a.qnf", "again.qnf", "base.qnf", "flips.qnf", "text.json"])
    }

    /// Nothing has to be asked for: a small delta is flipped on the text of the tools, and checked without naming it.
    @Test func smallDeltasAreFlippedUnlessAskedOtherwise() throws {
        let folder = try Self.makeFolder(), base = folder.path("base.qnf")
        let (merged, again, named) = (folder.path("merged.qnf"), folder.path("again.qnf"), folder.path("named.qnf"))
        let run = ToolRunner(qmerge, [base, Self.adapter, "-o", merged])
        #expect(run.status == .done && run.errors.contains("28 of 28 weights would keep 1.8% of their deltas"), "\(run.errors)")
        #expect(run.errors.contains("on 4,096 tokens that the base reads") && run.errors.contains("the text is a general one"))
        #expect(run.output.contains("of the effect is kept in 28 flipped ones"))
        #expect(ToolRunner(qmerge, [base, Self.adapter, "-o", named, "--method", "flips", "--calibrate", "default"]).status == .done)
        #expect(try Self.weights(at: merged) == Self.weights(at: named))
        let check = ToolRunner(qverify, ["merge", base, Self.adapter, merged])
        #expect(check.status == .done, "\(check.output) \(check.errors)")
        let requantized = ToolRunner(qmerge, [base, Self.adapter, "-o", again, "--method", "requantize"])
        #expect(
            requantized.status == .done && !requantized.output.contains("flipped") && requantized.errors.contains("hint: --method flips"))
        for option in [["--tokens", "600"], ["--calibrate", "default"]] {
            let refused = ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("x.qnf"), "--method", "requantize"] + option)
            #expect(refused.status == .usage && refused.errors.contains("\(option[0]) is for flips"))
        }
    }

    /// What cannot be run, or not in the memory that there is, is quantized again, and the reason is told.
    @Test func aBaseThatCannotBeRunIsQuantizedAgain() throws {
        let folder = try Self.makeFolder(), base = folder.path("base.qnf")
        let narrow = ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("narrow.qnf"), "--max-memory", "60M"])
        #expect(narrow.status == .done && narrow.errors.contains("--max-memory allows 62.9 MB, but running the base and flipping codes"))
        #expect(narrow.errors.contains("note: ") && narrow.errors.contains("and weights are quantized again"))
        #expect(ToolRunner(qmerge, [base, Self.adapter, "-o", folder.path("again.qnf"), "--method", "requantize"]).status == .done)
        #expect(try Self.weights(at: folder.path("narrow.qnf")) == Self.weights(at: folder.path("again.qnf")))
        // A base without a tokenizer.
        let model = try folder.makeFolder("model")
        for name in try FilePath.entries(of: Fixture.sample("llama-hf")) where !name.contains("token") && !name.contains("template") {
            try folder.write(Fixture.bytes("\(Fixture.sample("llama-hf"))/\(name)"), to: "model/\(name)")
        }
        let bare = folder.path("bare.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", model, "-o", bare]).status == .done)
        let run = ToolRunner(qmerge, [bare, Self.adapter, "-o", folder.path("bare-merged.qnf")])
        #expect(
            run.status == .done && run.errors.contains("the base cannot be run on a text, and weights are quantized again"), "\(run.errors)"
        )
        let asked = ToolRunner(qmerge, [bare, Self.adapter, "-o", folder.path("x.qnf"), "--method", "flips"])
        #expect(asked.status == .failed && asked.errors.contains("tokenizer"))
    }

    @Test func recordsAreReadBesideTexts() throws {
        let folder = try Self.makeFolder()
        let (base, merged) = (folder.path("base.qnf"), folder.path("merged.qnf"))
        let texts = ["--calibrate", Fixture.sample("instructions.json"), "--calibrate", "default"]
        let run = ToolRunner(qmerge, [base, Self.adapter, "-o", merged, "--tokens", "2100", "--method", "flips"] + texts)
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.output.contains("effect") && run.output.contains("of the effect is kept in 28 flipped ones"))
        #expect(ToolRunner(qverify, ["merge", base, Self.adapter, merged] + texts).status == .done)
        let turned = ToolRunner(qverify, ["merge", base, Self.adapter, merged] + texts[2...] + texts[..<2])
        #expect(turned.status == .failed && turned.errors.contains("give the same files in the same order"))
    }

    @Test func aLargeDeltaIsQuantizedAgain() throws {
        let folder = try Self.makeFolder()
        let (base, first, second) = (folder.path("base.qnf"), folder.path("first.qnf"), folder.path("second.qnf"))
        let adapter = Fixture.sample("adapters/llama-instructions")
        let run = ToolRunner(qmerge, [base, adapter, "-o", first, "--calibrate", Self.text, "--tokens", "1024"])
        #expect(run.status == .done && run.errors.contains("at least 90.0% of every delta survives quantizing again: nothing is flipped"))
        #expect(ToolRunner(qmerge, [base, adapter, "-o", second, "--method", "requantize"]).status == .done)
        #expect(ToolRunner(qverify, ["merge", base, adapter, first]).status == .done)
        let named = ToolRunner(qverify, ["merge", base, adapter, first, "--calibrate", Self.text])
        #expect(named.status == .usage && named.errors.contains("says nothing of flips, so there is nothing to --calibrate for"))
    }

    @Test func theWeightsOfAReferenceGetTheCodesThatItsInputsAskFor() throws {
        let folder = try Self.makeFolder()
        let (base, merged, again) = (folder.path("base.qnf"), folder.path("merged.qnf"), folder.path("again.qnf"))
        let adapter = Fixture.sample("adapters/llama-instructions"), reference = ["--reference", Fixture.sample("llama-hf")]
        let text = ["--calibrate", Self.text, "--tokens", "2048"]
        let run = ToolRunner(qmerge, [base, adapter, "-o", merged, "--json"] + reference + text)
        #expect(run.status == .done, "\(run.errors)")
        #expect(run.errors.contains("codes and scales of 28 weights are chosen by what the layers of"))
        let document = try run.document(), total = try #require(document["total"])
        #expect(total["calibrated"]?.integer == 28 && total["flipped"] == nil)
        #expect((total["activation_error_ratio"]?.double ?? 1) < 0.8)
        let rows = try #require(document["tensors"]?.array)
        #expect(rows.allSatisfy { ($0["activation_error"]?.double ?? 1) <= $0["nearest_activation_error"]?.double ?? 0 })

        let verification = ["merge", base, adapter, merged] + reference
        #expect(ToolRunner(qverify, verification + ["--calibrate", Self.text]).status == .done)
        let without = ToolRunner(qverify, verification)
        #expect(without.status == .failed && without.errors.contains("its codes were chosen by 'heldout.txt', without which"))
        let bare = ToolRunner(qverify, ["merge", base, adapter, merged, "--calibrate", Self.text])
        #expect(bare.status == .usage && bare.errors.contains("--reference SOURCE names them"))
        let nearest = ToolRunner(qmerge, [base, adapter, "-o", folder.path("nearest.qnf"), "--json"] + reference)
        #expect(nearest.status == .done)
        #expect(try nearest.document()["total"]?["calibrated"] == nil)

        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", again]).status == .done)
        #expect(try Fixture.bytes(again) == Fixture.bytes(base))
        let flips = ToolRunner(qmerge, [base, adapter, "-o", merged, "-f", "--method", "flips"] + reference + text)
        #expect(flips.status == .usage && flips.errors.contains("so --method flips is none"))
    }

    @Test func refusesWhatIsTooLittle() throws {
        let folder = try Self.makeFolder()
        try folder.write("A short text.", to: "short.txt")
        let line = [folder.path("base.qnf"), Self.adapter, "-o", folder.path("out.qnf")]
        let short = ToolRunner(qmerge, line + ["--calibrate", folder.path("short.txt")])
        #expect(short.status == .failed && short.errors.contains("but calibrating takes two windows of 256 at least"), "\(short.errors)")
        let narrow = ToolRunner(qmerge, line + ["--calibrate", Self.text, "--max-memory", "60M"])
        #expect(narrow.status == .failed && narrow.errors.contains("--max-memory allows 62.9 MB, but running the base and flipping codes"))
        let dense = ToolRunner(
            qmerge, [folder.path("base.qnf"), Self.adapter, "-o", folder.path("out"), "--to", "bf16", "--calibrate", Self.text])
        #expect(dense.status == .usage && dense.errors.contains("but the output is dense and takes the deltas as they are"))
        for name in ["out.qnf", "out"] { #expect(FilePath.kind(of: folder.path(name)) == .missing) }
    }
}
