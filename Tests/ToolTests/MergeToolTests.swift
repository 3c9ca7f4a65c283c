import ByteIO
import CommandLineKit
import JSONText
import Testing

@testable import qconvert
@testable import qmerge
@testable import qverify

struct MergeToolTests {
    private static let plain = "\(Fixture.root)/Tests/Fixtures/adapters/llama-plain"

    /// A folder with `base.qnf`.
    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let run = ToolRunner(
            qconvert, ["to-nf4", "\(Fixture.root)/Tests/Fixtures/checkpoints/llama/dense-bf16", "-o", folder.file("base.qnf")])
        #expect(run.status == .done)
        return folder
    }

    @Test func mergesVerifiesAndUndoes() throws {
        let folder = try Self.makeFolder()
        let (base, merged, again) = (folder.file("base.qnf"), folder.file("merged.qnf"), folder.file("again.qnf"))
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
        let run = ToolRunner(qmerge, [folder.file("base.qnf"), Self.plain + "@0.01", "-o", folder.file("m.qnf"), "--strict"])
        #expect(run.status == .no)
        #expect(run.errors.contains("warning: less than 50% of the delta survived in 14 of 14 tensors"))
        #expect(
            run.errors.contains(
                "hint: keep the adapter beside the base and apply it at run time, or write a dense model with --to bf16; --reference"))
        let lenient = ToolRunner(
            qmerge, [folder.file("base.qnf"), Self.plain + "@0.01", "-o", folder.file("m.qnf"), "-f", "--min-survival", "0"])
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
        (["base.qnf", "A@inf"], "the weight inf is no finite number"),
        (["base.qnf", "A", "--to", "bf16"], "--to bf16 writes a dense model, but"),
    ])
    func refusesWhatCannotBeMeant(_ words: [String], _ message: String) throws {
        let folder = try Self.makeFolder()
        let line = words.map { $0.replacing("base.qnf", with: folder.file("base.qnf")).replacing("A", with: Self.plain) }
        let run = ToolRunner(qmerge, line + ["-o", folder.file("out.qnf")])
        #expect(run.status == .usage && run.errors.contains(message), "\(run.errors)")
        #expect(FilePath.kind(of: folder.file("out.qnf")) == .missing)
    }

    @Test func aDryRunWritesNothing() throws {
        let folder = try Self.makeFolder()
        let run = ToolRunner(qmerge, [folder.file("base.qnf"), Self.plain, "-o", folder.file("m.qnf"), "--dry-run"])
        #expect(run.status == .done && run.output.contains("LoRA, rank 8") && run.output.contains("14 of them change"))
        #expect(FilePath.kind(of: folder.file("m.qnf")) == .missing)
    }
}
