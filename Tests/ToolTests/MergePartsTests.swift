import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qmerge

/// A merge in parts that is joined is that of one run: bytes of the output, undo record and lineage included, and the report.
@Suite struct MergePartsTests {
    struct Job: Sendable, CustomTestStringConvertible {
        let base: String
        let adapters: [String]
        var options: [String] = []
        var output = "merged.qnf"
        var counts = [3]

        var testDescription: String { "\(adapters.joined(separator: " ")) into \(base) \(options.joined(separator: " "))" }
    }

    private static let jobs = [
        Job(base: "llama.qnf", adapters: ["llama-plain"], counts: [1, 2, 7, 200]),
        Job(base: "llama.qnf", adapters: ["llama-plain", "llama-rslora@0.5"], options: ["--no-undo"]),
        Job(base: "llama.qnf", adapters: ["llama-modules-to-save"]),
        Job(base: "llama.qnf", adapters: ["llama-plain"], options: ["--reference", "DENSE"]),
        Job(base: "llama.qnf", adapters: ["llama-embedding"], options: ["--to", "bf16"], output: "merged"),
        Job(base: "llama.qnf", adapters: ["llama-plain"], options: ["--to", "f32"], output: "merged.safetensors"),
        Job(base: "llama.qnf", adapters: ["llama-plain"], options: ["--to", "f16", "--reference", "DENSE"], output: "merged"),
        Job(base: "DENSE", adapters: ["llama-plain"], output: "merged", counts: [1, 2, 7]),
        Job(base: "DENSE", adapters: ["llama-dora"], output: "merged"),
        Job(base: "gpt2", adapters: ["gpt2-bias-all"], output: "merged"),
        Job(base: "gpt2.qnf", adapters: ["gpt2-plain"]),
    ]

    private static let dense = Fixture.checkpoint("llama/dense-bf16")

    private static func line(_ job: Job, in folder: TemporaryFolder) throws -> [String] {
        func place(_ word: String) throws -> String {
            switch word {
            case "DENSE": return dense
            case "gpt2": return Fixture.checkpoint("gpt2/dense-f32")
            case "llama.qnf", "gpt2.qnf":
                let source = word == "llama.qnf" ? dense : Fixture.checkpoint("gpt2/dense-f32"), path = folder.path(word)
                if FilePath.kind(of: path) == .missing {
                    try #require(ToolRunner(qconvert, ["to-nf4", source, "-o", path, "-q"]).status == .done)
                }
                return path
            default: return word
            }
        }
        return try [place(job.base)] + job.adapters.map { Fixture.path("adapters/\($0)") } + job.options.map(place)
            + ["--method", "requantize", "-q"]
    }

    private static func contents(_ path: String) throws -> [String: [UInt8]] {
        guard FilePath.kind(of: path) == .folder else { return ["": try Fixture.bytes(path)] }
        return Dictionary(
            uniqueKeysWithValues: try FilePath.entries(of: path).map { ($0, try Fixture.bytes(FilePath.join(path, $0))) })
    }

    private static func makeParts(_ line: [String], output: String, count: Int) throws -> [String] {
        try (1...count).shuffled().map { number in
            let run = ToolRunner(qmerge, line + ["-o", output, "--part", "\(number)/\(count)"])
            try #require(run.status == .done, "\(run.errors)")
            return "\(output).part-\(number)-of-\(count)"
        }
    }

    @Test(arguments: jobs) func joinedItIsTheMergeOfOneRun(_ job: Job) throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(job, in: folder), output = folder.path(job.output)
        let one = ToolRunner(qmerge, line + ["-o", output, "--list"])
        try #require(one.status == .done, "\(one.errors)")
        let expected = try Self.contents(output)
        for count in job.counts {
            let parts = try Self.makeParts(line, output: output, count: count)
            let joined = ToolRunner(qmerge, line + ["-o", output, "--list", "--join", "--force"])
            try #require(joined.status == .done, "\(joined.errors)")
            #expect(joined.output == one.output && joined.errors == one.errors)
            let found = try Self.contents(output)
            #expect(found.keys.sorted() == expected.keys.sorted())
            for (name, bytes) in expected { #expect(found[name] == bytes, "'\(name)' in \(count) parts") }
            for part in parts { folder.remove(FilePath.name(of: part)) }
        }
    }

    @Test func partsOfOtherMergesAndDamagedOnesAreRefused() throws {
        let folder = try TemporaryFolder()
        let job = Job(base: "llama.qnf", adapters: ["llama-plain"])
        let line = try Self.line(job, in: folder), output = folder.path("merged.qnf")
        func refusal(_ words: [String], _ line: [String], status: ExitCode = .failed) -> String {
            let run = ToolRunner(qmerge, line + words + ["-o", output])
            #expect(run.status == status && run.output.isEmpty && FilePath.kind(of: output) == .missing, "\(run.errors)")
            return run.errors
        }
        #expect(refusal(["--join"], line).contains("there are no parts of"))
        let parts = try Self.makeParts(line, output: output, count: 4).sorted()
        #expect(
            refusal(["--join"], try Self.line(Job(base: "llama.qnf", adapters: ["llama-plain@0.5"]), in: folder))
                .contains("is a part of another merge: it was made with"))
        #expect(refusal(["--join", "--no-undo"], line).contains("is a part of another merge: it was made with"))
        let bytes = try Fixture.bytes(parts[1])
        // Within the data: of a tensor or of what undoes it.
        for place in [bytes.count / 3, bytes.count / 2, bytes.count - 10] {
            var damaged = bytes
            damaged[place] ^= 4
            try folder.write(damaged, to: FilePath.name(of: parts[1]))
            #expect(refusal(["--join"], line).contains("checksum"))
        }
        folder.remove(FilePath.name(of: parts[1]))
        #expect(refusal(["--join"], line).contains("1 of 4 parts is missing: 2"))
        _ = try Self.makeParts(line, output: output, count: 3)
        #expect(refusal(["--join"], line).contains("are there of 3 and of 4"))
        #expect(refusal(["--join", "--part", "1/2"], line, status: .usage).contains("--part and --join exclude each other"))
        #expect(refusal(["--part", "1/2", "--strict"], line, status: .usage).contains("--strict is for the report"))
        #expect(refusal(["--part", "1/2", "--calibrate", "x"], line, status: .usage).contains("cannot be done in parts"))
        #expect(refusal(["--part", "1/2", "--text", "x"], line, status: .usage).contains("--text is for the report"))
        // One run would flip codes.
        for words in [["--part", "1/2"], ["--join"]] {
            #expect(refusal(words, line.filter { $0 != "--method" && $0 != "requantize" }, status: .usage).contains("--method requantize"))
        }
    }

    @Test func aPartThatIsThereIsKept() throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(Job(base: "llama.qnf", adapters: ["llama-plain"]), in: folder)
        let words = line + ["-o", folder.path("merged.qnf"), "--part", "2/3"]
        #expect(!ToolRunner(qmerge, words).output.contains("there already"))
        #expect(ToolRunner(qmerge, words).output.contains("it was there already"))
        let other = ToolRunner(qmerge, words + ["--no-undo"])
        #expect(other.status == .failed && other.errors.contains("a part of another report: it was made with"))
        #expect(ToolRunner(qmerge, words + ["--no-undo", "--force"]).status == .done)
    }
}
