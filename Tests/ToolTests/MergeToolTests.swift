import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge
@testable import qverify

struct MergeToolTests {
    private static let plain = "\(Fixture.repository)/Tests/Fixtures/adapters/llama-plain"

    private static let dense = "\(Fixture.repository)/Tests/Fixtures/checkpoints/llama/dense-bf16"

    /// A folder with `base.qnf`.
    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let run = ToolRunner(
            qconvert, ["to-nf4", Self.dense, "-o", folder.path("base.qnf")])
        #expect(run.status == .done)
        return folder
    }

    @Test func mergesVerifiesAndUndoes() throws {
        let folder = try Self.makeFolder()
        let (base, merged, again) = (folder.path("base.qnf"), folder.path("merged.qnf"), folder.path("again.qnf"))
        let run = ToolRunner(qmerge, [base, Self.plain, "-o", merged, "--json"])
        #expect(run.status == .done)
        let document = try run.document()
        #expect(document["tensors"]?.array?.count == 14)
        #expect((document["total"]?["survival"]?.double ?? 0) > 0.9)
        #expect(document["below_min_survival"]?.integer == 0)
        #expect(ToolRunner(qverify, ["merge", base, Self.plain, merged]).status == .done)
        #expect(ToolRunner(qverify, ["merge", base, Self.plain + "@0.5", merged]).status == .no)
        let undone = ToolRunner(qmerge, ["--unmerge", merged, "-o", again])
        #expect(undone.status == .done && undone.output.contains("the base again, every checksum is right"))
        #expect(try Fixture.bytes(again) == Fixture.bytes(base))
        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", again]).status == .failed)
        #expect(ToolRunner(qmerge, [merged, Self.plain, "-o", merged, "-f"]).errors.contains("is also an input"))
    }

    @Test func saysWhatWasLostAndWhatToDo() throws {
        let folder = try Self.makeFolder()
        let run = ToolRunner(qmerge, [folder.path("base.qnf"), Self.plain + "@0.01", "-o", folder.path("m.qnf"), "--strict"])
        #expect(run.status == .no)
        #expect(run.errors.contains("warning: less than 50% of the delta survived in 14 of 14 tensors"))
        #expect(
            run.errors.contains(
                "\nhint: --method flips, best with --calibrate FILE of its training data and --calibrate default, flips codes until nearly all of its effect is there; or keep the adapter beside the base and apply it at run time, or write a dense model with --to bf16; --reference"
            ))
        let lenient = ToolRunner(
            qmerge, [folder.path("base.qnf"), Self.plain + "@0.01", "-o", folder.path("m.qnf"), "-f", "--min-survival", "0"])
        #expect(lenient.status == .done)
    }

    @Test(arguments: [
        (["base.qnf"], "a base and at least one adapter are needed"),
        (["base.qnf", "A", "--unmerge", "--extract"], "--unmerge and --extract are two different things"),
        (["base.qnf", "A", "--rank", "4"], "--rank means nothing in a merge"),
        (["--unmerge", "base.qnf", "--strict"], "--strict means nothing with --unmerge"),
        (["--unmerge", "base.qnf", "A"], "--unmerge takes one model, but 2 are named"),
        (["--combine", "svd", "A"], "--combine svd needs a --rank"),
        (["--combine", "cat", "A", "--rank", "3"], "--rank is for --combine svd; cat has the rank of its adapters"),
        (["--extract", "base.qnf", "base.qnf"], "--extract needs a --rank"),
        (
            ["base.qnf", "A", "--method", "requantize", "--tokens", "2048"], "--tokens is for flips, and --method requantize does without"
        ),
        (
            ["base.qnf", "A", "--method", "requantize", "--calibrate", "x"],
            "--calibrate is for flips, and --method requantize does without"
        ),
        (["--unmerge", "base.qnf", "--calibrate", "x"], "--calibrate means nothing with --unmerge"),
        (["base.qnf", "A@inf"], "@inf: 'inf' is no weight"),
        (["base.qnf", "A", "--to", "bf16"], "--to bf16 writes a dense model, but"),
        (["DENSE", "A"], "the base is no .qnf, and neither is what a merge makes of it, but"),
    ])
    func refusesWhatCannotBeMeant(_ words: [String], _ message: String) throws {
        let folder = try Self.makeFolder()
        // Whole words: the name of the folder is drawn by chance, and may hold an A.
        let line = words.map { word in
            switch word {
            case "base.qnf": folder.path("base.qnf")
            case "DENSE": Self.dense
            default: word.hasPrefix("A") ? Self.plain + word.dropFirst() : word
            }
        }
        let run = ToolRunner(qmerge, line + ["-o", folder.path("out.qnf")])
        #expect(run.status == .usage && run.errors.contains(message), "\(run.errors)")
        #expect(FilePath.kind(of: folder.path("out.qnf")) == .missing)
    }

    @Test func aDryRunWritesNothing() throws {
        let folder = try Self.makeFolder()
        let run = ToolRunner(qmerge, [folder.path("base.qnf"), Self.plain, "-o", folder.path("m.qnf"), "--dry-run"])
        #expect(run.status == .done && run.output.contains("LoRA, rank 8") && run.output.contains("14 of them change"))
        #expect(FilePath.kind(of: folder.path("m.qnf")) == .missing)
    }

    @Test func whatIsNoDenseModelIsNotCalledOne() throws {
        let folder = try Self.makeFolder()
        let run = ToolRunner(qmerge, [folder.path("base.qnf"), Self.plain, "-o", folder.path("m.safetensors")])
        #expect(run.status == .usage)
        #expect(run.errors.contains("the base is a .qnf, and so is what a merge makes of it, but"))
        #expect(run.errors.contains("\nhint: --to bf16 writes one\n"))
    }

    @Test func anAdapterOfWeightZeroChangesNothing() throws {
        let folder = try Self.makeFolder()
        let (base, merged) = (folder.path("base.qnf"), folder.path("m.qnf"))
        let run = ToolRunner(qmerge, [base, Self.plain + "@0", "-o", merged])
        #expect(run.status == .done)
        #expect(run.errors.contains("warning: the adapters add nothing: all of their deltas are zero"))
        #expect(ToolRunner(qinspect, ["diff", base, merged, "--tolerance", "0"]).status == .done)
        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", folder.path("again.qnf")]).status == .done)
        #expect(try Fixture.bytes(folder.path("again.qnf")) == Fixture.bytes(base))
    }

    @Test(arguments: [["--combine", "svd", "--rank", "2", plain, plain], ["--extract", "--rank", "2", dense, "base.qnf"]])
    func aDryRunOfAnAdapterIsOneDocument(_ words: [String]) throws {
        let folder = try Self.makeFolder()
        let line = words.map { $0.replacing("base.qnf", with: folder.path("base.qnf")) }
        let run = ToolRunner(qmerge, line + ["-o", folder.path("c.lora"), "--dry-run", "--json"])
        #expect(run.status == .done)
        let document = try run.document()
        #expect(document["modules"]?.integer == 14 && document["rank"]?.integer == 2)
        #expect(FilePath.kind(of: folder.path("c.lora")) == .missing)
    }

    @Test func combinesOnlyAdaptersOfOneFamily() throws {
        let folder = try TemporaryFolder()
        let other = "\(Fixture.repository)/Tests/Fixtures/adapters/gpt2-plain"
        let run = ToolRunner(qmerge, ["--combine", "cat", Self.plain, other, "-o", folder.path("c.lora")])
        #expect(run.status == .failed)
        #expect(
            run.errors.contains("gpt2-plain is for another family than \(Self.plain): it changes 'transformer.h.0.attn.c_attn', the other"))
        #expect(FilePath.kind(of: folder.path("c.lora")) == .missing)
    }

    @Test func saysWhyADenseMergeOfFourBitsCannotBeUndone() throws {
        let folder = try Self.makeFolder()
        let merged = folder.path("m.safetensors")
        #expect(ToolRunner(qmerge, [folder.path("base.qnf"), Self.plain, "--to", "f32", "-o", merged]).status == .done)
        let run = ToolRunner(qmerge, ["--unmerge", merged, "-o", folder.path("again.qnf")])
        #expect(
            run.errors
                == "qmerge: error: \(merged) cannot be unmerged: it is of another form than its base, so no undo record was kept\n"
                + "hint: take the base from elsewhere\n")
    }

    @Test func namesTheLimitAsItWasGiven() throws {
        let folder = try Self.makeFolder()
        let run = ToolRunner(qmerge, [folder.path("base.qnf"), Self.plain, "-o", folder.path("m.qnf"), "--min-survival", "0.9999"])
        #expect(run.errors.contains("warning: less than 99.99% of the delta survived in"))
    }
}
