import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qverify

/// Reports that are made in parts are those of one run, to the letter; anything else is refused.
@Suite struct ReportJoinTests {
    private static func makeParts(
        _ line: [String], count: Int, in folder: TemporaryFolder, by tool: Tool = qinspect
    ) throws -> [String] {
        try (1...count).map { number in
            let run = ToolRunner(tool, line + ["--part", "\(number)/\(count)", "-o", folder.path("report"), "-q"])
            try #require(run.status == .done, "\(run.errors)")
            return folder.path("report.part-\(number)-of-\(count)")
        }
    }

    /// What does not say how long it took.
    private static func lasting(_ text: String) throws -> JSONValue {
        var object = try #require(try JSONValue(parsing: Array(text.utf8)).object)
        for key in ["seconds", "peak_memory"] { object[key] = nil }
        return .object(object)
    }

    private static func check(
        _ line: [String], options: [[String]], joining: [String] = [], counts: [Int], by tool: Tool = qinspect
    ) throws {
        for count in counts {
            let folder = try TemporaryFolder()
            let parts = try makeParts(line, count: count, in: folder, by: tool)
            for option in options {
                let one = ToolRunner(tool, line + option + ["-q"]), join = ["join"] + parts.shuffled() + joining + option
                let joined = ToolRunner(tool, join + ["-q"])
                #expect(joined.status == one.status && joined.errors == one.errors, "\(join) \(joined.errors)")
                if option.contains("--json") {
                    #expect(try lasting(joined.output) == lasting(one.output), "\(count) parts")
                } else {
                    #expect(joined.output == one.output && !one.output.isEmpty, "\(count) parts")
                }
            }
        }
    }

    @Test(arguments: [
        Fixture.checkpoint("llama/nf4-bf16"), Fixture.checkpoint("gpt2/nf4-f32"), Fixture.path("tensorflow/types"),
        Fixture.path("gguf/types.gguf"), Fixture.sample("gpt2-tensorflow"),
    ])
    func statisticsOfPartsAreThoseOfOneRun(model: String) throws {
        try Self.check(
            ["stats", model], options: [[], ["--diffable"], ["--json"], ["--json", "--diffable"]],
            counts: model == Fixture.checkpoint("llama/nf4-bf16") ? [1, 2, 7, 60] : [3])
    }

    @Test func statisticsOfSomeTensorsAreJoinedWithTheSamePattern() throws {
        let model = Fixture.checkpoint("llama/nf4-bf16")
        try Self.check(["stats", model, "--match", "mlp"], options: [[], ["--json"]], joining: ["--match", "mlp"], counts: [2])
    }

    /// A .qnf with a byte of its first tensor changed, and a NaN in a file without checksums.
    private static func damaged(in folder: TemporaryFolder) throws -> [String] {
        let model = folder.path("model.qnf")
        try #require(ToolRunner(qconvert, ["to-nf4", Fixture.checkpoint("llama/dense-bf16"), "-o", model, "-q"]).status == .done)
        var bytes = try Fixture.bytes(model)
        for place in [bytes.count / 2, bytes.count - 5000] { bytes[place] ^= 1 }
        try folder.write(bytes, to: "damaged.qnf")
        var plain = try Fixture.bytes(Fixture.checkpoint("gpt2/dense-f32/model.safetensors"))
        for place in [plain.count - 4, plain.count / 2 / 4 * 4] { plain.replaceSubrange(place..<place + 4, with: [0, 0, 0xC0, 0x7F]) }
        try folder.write(plain, to: "nan.safetensors")
        return [model, folder.path("damaged.qnf"), folder.path("nan.safetensors")]
    }

    @Test func checksOfPartsAreThoseOfOneRun() throws {
        let folder = try TemporaryFolder()
        let models = try Self.damaged(in: folder)
        #expect(models.map { ToolRunner(qinspect, ["check", $0, "-q"]).status } == [.done, .no, .no])
        for model in models { try Self.check(["check", model], options: [[], ["--json"]], counts: [1, 2, 7]) }
        try Self.check(["check", Fixture.path("tensorflow/types")], options: [[], ["--json"]], counts: [60])
    }

    @Test func comparisonsOfPartsAreThoseOfOneRun() throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("llama/dense-bf16")
        let model = try Self.damaged(in: folder)[0]
        let options = [[], ["--all"], ["--json"], ["--max-rel-rmse", "0.01"]]
        try Self.check(["roundtrip", source, model], options: options, counts: [1, 2, 7, 60], by: qverify)
        let other = Fixture.checkpoint("gpt2/dense-f32")
        try Self.check(["roundtrip", other, Fixture.checkpoint("gpt2/nf4-f32")], options: options, counts: [3], by: qverify)
        // Nothing in common.
        try Self.check(["roundtrip", other, model], options: options, counts: [2], by: qverify)
    }

    /// Bits are looked at by the parts, and the join knows of it.
    @Test(arguments: [("llama/dense-bf16", ExitCode.done), ("llama/dense-f32", .no)])
    func bitsOfPartsAreThoseOfOneRun(source: String, status: ExitCode) throws {
        let folder = try TemporaryFolder()
        let line = ["roundtrip", Fixture.checkpoint(source), try Self.damaged(in: folder)[0], "--bit-exact"]
        let one = ToolRunner(qverify, line + ["-q"]), parts = try Self.makeParts(line, count: 5, in: folder, by: qverify)
        let joined = ToolRunner(qverify, ["join"] + parts + ["-q"])
        #expect(one.status == status && joined.status == status && joined.output == one.output && !one.output.isEmpty)
    }

    @Test func partsOfComparisonsAreJoinedByTheirOwnTool() throws {
        let folder = try TemporaryFolder(), other = try TemporaryFolder()
        let source = Fixture.checkpoint("llama/dense-bf16"), model = try Self.damaged(in: folder)[0]
        let line = ["roundtrip", source, model], parts = try Self.makeParts(line, count: 2, in: other, by: qverify)
        let wrong = ToolRunner(qinspect, ["join"] + parts)
        #expect(wrong.status == .failed && wrong.errors.contains("is a part of 'roundtrip', which qinspect does not make"))
        let checks = try Self.makeParts(["check", model], count: 1, in: other)
        #expect(ToolRunner(qverify, ["join"] + checks).errors.contains("is a part of 'check', which qverify does not make"))
        let stranger = ToolRunner(qverify, ["join"] + parts + ["--source", Fixture.checkpoint("gpt2/dense-f32")])
        #expect(stranger.errors.contains("is another model than the parts are of") && stranger.errors.contains("with --source"))
        #expect(ToolRunner(qverify, line + ["--part", "1/2", "-o", other.path("r"), "--all"]).status == .usage)
        #expect(ToolRunner(qverify, line + ["--part", "1/2"]).status == .usage)
    }

    @Test func partsThatDoNotBelongTogetherAreRefused() throws {
        let folder = try TemporaryFolder(), other = try TemporaryFolder()
        let model = Fixture.checkpoint("llama/nf4-bf16")
        let parts = try Self.makeParts(["stats", model], count: 4, in: folder)
        func refusal(_ words: [String]) -> String {
            let run = ToolRunner(qinspect, ["join"] + words + ["-q"])
            #expect(run.output.isEmpty && run.status != .done)
            return run.errors
        }
        #expect(refusal([parts[0], parts[3]]).contains("2 of 4 parts are missing: 2-3"))
        #expect(refusal(parts + [parts[1]]).contains("is part 2/4, and so is"))
        let checks = try Self.makeParts(["check", model], count: 4, in: other)
        #expect(refusal([parts[0], checks[1]]).contains("it was made by check, not stats"))
        #expect(refusal(parts + ["--match", "mlp"]).contains("the parts were made without --match"))
        #expect(refusal(parts + ["--model", Fixture.checkpoint("llama/nf4-f32")]).contains("is another model than the parts are of"))
        #expect(refusal([Fixture.checkpoint("llama/nf4-bf16/model.safetensors")]).contains("is no part of a report"))
        #expect(refusal(checks + ["--diffable"]).contains("--diffable is for statistics"))
        var bytes = try Fixture.bytes(parts[2])
        bytes[bytes.count - 20] ^= 1
        try folder.write(bytes, to: FilePath.name(of: parts[2]))
        #expect(refusal(parts).contains("the checksum of its results is"))
    }

    /// Counts of a header are no reason to ask for memory.
    @Test func partsOfMoreItemsThanAreToldAreRefused() throws {
        let folder = try TemporaryFolder()
        let part = try Self.makeParts(["check", Fixture.checkpoint("llama/nf4-bf16")], count: 1, in: folder)[0]
        let bytes = try Fixture.bytes(part), length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
        let member = try #require(header.firstMatch(of: /"report.items":"\d+"/)), more = "99999999999"
        let changed = Array(header.replacing(member.0, with: "\"report.items\":\"\(more)\"").utf8)
        let count = (0..<8).map { UInt8(truncatingIfNeeded: changed.count >> (8 * $0)) }
        try folder.write(count + changed + bytes[(8 + length)...], to: FilePath.name(of: part))
        let run = ToolRunner(qinspect, ["join", part])
        #expect(run.status == .failed && run.errors.contains("items, but there are \(more)"), "\(run.errors)")
    }

    @Test func aPartThatIsThereIsKeptAndAnythingElseRefused() throws {
        let folder = try TemporaryFolder()
        let model = Fixture.checkpoint("llama/nf4-bf16"), output = folder.path("report")
        func run(_ words: [String]) -> ToolRunner { ToolRunner(qinspect, words + ["-o", output, "--part", "1/2", "-q"]) }
        #expect(run(["stats", model]).output.hasSuffix("tensors\n"))
        #expect(run(["stats", model]).output.contains("it was there already"))
        let other = run(["check", model])
        #expect(other.status == .failed && other.errors.contains("a part of another report: it was made by stats, not check"))
        #expect(run(["check", model, "--force"]).status == .done)
        try folder.write("something", to: "report.part-1-of-2")
        #expect(run(["stats", model]).errors.contains("exists already, and is no part that could be kept"))
        #expect(ToolRunner(qinspect, ["stats", model, "--part", "1/2"]).status == .usage)
        #expect(ToolRunner(qinspect, ["check", model, "-o", output]).status == .usage)
        #expect(run(["stats", model, "--diffable"]).status == .usage)
    }
}
