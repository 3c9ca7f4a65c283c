import ByteIO
import CommandLineKit
import Glibc
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// Parts that are joined are what one run writes, to the byte; anything else is refused.
@Suite struct PartsTests {
    struct Job: Sendable, CustomTestStringConvertible {
        let line: [String]
        var output = "out"
        let source: String

        var testDescription: String { "\(line.joined(separator: " ")) of \(source)" }
    }

    static let jobs = [
        Job(line: ["to-nf4"], output: "out.qnf", source: "checkpoints/llama/dense-bf16"),
        Job(
            line: ["to-nf4", "--block-size", "128", "--no-double-quant", "--keep", "q_proj", "--dtype", "f16"],
            source: "checkpoints/llama/dense-f32"),
        Job(line: ["to-nf4"], source: "checkpoints/gpt2/dense-bf16"), Job(line: ["to-nf4"], source: "checkpoints/llama/nf4-bf16"),
        Job(line: ["to-nf4"], source: "mixtures/mixtral"),
        Job(line: ["to-hf", "--max-shard-size", "40k"], source: "checkpoints/llama/nf4-bf16"),
        Job(line: ["to-hf", "--dequantize", "--dtype", "f16", "--max-shard-size", "100k"], source: "checkpoints/gpt2/nf4-f32"),
        Job(line: ["to-hf"], source: "checkpoints/llama/dense-bf16"),
        Job(line: ["to-safetensors", "--dtype", "f16"], output: "out.safetensors", source: "checkpoints/llama/dense-f32"),
        Job(line: ["to-safetensors"], source: "checkpoints/llama/nf4-bf16"),
    ]

    private static func contents(_ path: String) throws -> [String: [UInt8]] {
        guard FilePath.kind(of: path) == .folder else { return ["": try Fixture.bytes(path)] }
        var contents: [String: [UInt8]] = [:]
        for name in try TemplateFolder.files(ofModel: path) { contents[name] = try Fixture.bytes(FilePath.join(path, name)) }
        return contents
    }

    private static func makeParts(_ job: Job, _ source: String, count: Int, in folder: TemporaryFolder) throws -> [String] {
        try (1...count).map { number in
            let output = folder.path(job.output)
            let run = ToolRunner(qconvert, job.line + [source, "-o", output, "--part", "\(number)/\(count)", "--quiet"])
            try #require(run.status == .done, "\(run.errors)")
            return "\(output).part-\(number)-of-\(count)"
        }
    }

    private static func check(_ job: Job, _ source: String, counts: [Int]) throws {
        let folder = try TemporaryFolder()
        let whole = ToolRunner(qconvert, job.line + [source, "-o", folder.path("whole"), "--quiet"])
        try #require(whole.status == .done, "\(whole.errors)")
        // The name of a GGUF file's parts follows that of the output.
        let expected = try contents(folder.path("whole"))
        for count in counts {
            let paths = try makeParts(job, source, count: count, in: folder)
            let run = ToolRunner(qconvert, ["join"] + paths.reversed() + ["-o", folder.path("whole"), "--force", "--quiet"])
            try #require(run.status == .done, "\(run.errors)")
            let joined = try contents(folder.path("whole"))
            #expect(joined.keys.sorted() == expected.keys.sorted())
            for (name, bytes) in expected { #expect(joined[name] == bytes, "'\(name)' in \(count) parts") }
            for path in paths { folder.remove(FilePath.name(of: path)) }
        }
        #expect(try folder.names() == ["whole"])
    }

    @Test(arguments: jobs) func resumesToTheBytesOfOneRun(_ job: Job) throws {
        let folder = try TemporaryFolder()
        for output in ["whole", "resumed"] {
            let options = output == "resumed" ? ["--resume"] : []
            let run = ToolRunner(qconvert, job.line + [Fixture.path(job.source), "-o", folder.path(output), "--quiet"] + options)
            try #require(run.status == .done, "\(run.errors)")
        }
        #expect(try Self.contents(folder.path("resumed")) == Self.contents(folder.path("whole")))
        #expect(try folder.names() == ["resumed", "whole"])
    }

    @Test(arguments: jobs) func joinsToTheBytesOfOneRun(_ job: Job) throws {
        try Self.check(job, Fixture.path(job.source), counts: [1, 2, 7, 100])
    }

    @Test(arguments: [
        Job(line: ["to-nf4"], source: "gpt2-tensorflow"), Job(line: ["to-gguf", "--type", "q4_k_m"], source: "llama-hf"),
        Job(line: ["to-gguf", "--type", "bf16", "--max-shard-size", "1M"], source: "llama-bnb4"),
    ]) func joinsSamples(_ job: Job) throws {
        try Self.check(job, Fixture.sample(job.source), counts: [2, 5])
    }

    /// One tensor is most of the model: several parts have a run of it, and none is much longer than its share.
    @Test(arguments: [
        ["to-nf4", "--embeddings", "nf4"], ["to-nf4", "--embeddings", "nf4", "--no-double-quant"], ["to-nf4", "--dtype", "f16"],
        ["to-safetensors", "--dtype", "f32"], ["to-hf"],
    ])
    func cutsLargeTensors(_ line: [String]) throws {
        let folder = try TemporaryFolder()
        let path = try Self.writeLopsided(to: folder)
        let whole = ToolRunner(qconvert, line + [path, "-o", folder.path("whole"), "--quiet"])
        try #require(whole.status == .done, "\(whole.errors)")
        let expected = try Self.contents(folder.path("whole"))
        for count in [2, 5, 40] {
            let paths = try Self.makeParts(Job(line: line, source: ""), path, count: count, in: folder)
            let parts = try paths.map { try SafetensorsFile(path: $0) }
            #expect(parts.count { $0.tensors.contains { $0.name.hasPrefix("model.embed_tokens.weight") } } >= count - 1)
            let run = ToolRunner(qconvert, ["join", "-o", folder.path("joined"), "--verify", "--force", "--quiet"] + paths)
            try #require(run.status == .done, "\(run.errors)")
            #expect(try Self.contents(folder.path("joined")) == expected, "\(count) parts")
            for path in paths { folder.remove(FilePath.name(of: path)) }
        }
    }

    /// A safetensors file of an embedding of 512 KiB and a layer's weight of 2 KiB.
    private static func writeLopsided(to folder: TemporaryFolder) throws -> String {
        var generator = SeededGenerator(seed: 9)
        func tensor(_ name: String, _ dimensions: [Int]) -> StoredTensor {
            let patterns = (0..<dimensions.reduce(1, *)).map { _ in UInt16.random(in: 0x3c00...0x3f80, using: &generator) }
            return StoredTensor(name, .bf16, dimensions, bitPatterns: patterns)
        }
        let tensors = [tensor("model.embed_tokens.weight", [1024, 256]), tensor("model.layers.0.mlp.up_proj.weight", [4, 256])]
        return try folder.write(tensors.safetensors(), to: "lopsided.safetensors")
    }

    /// No part has read all of a tensor that was cut: what the source says of its checksum is compared when they are joined.
    @Test func findsADamagedSourceOfACutTensor() throws {
        let folder = try TemporaryFolder()
        let line = ["to-nf4", try Self.writeLopsided(to: folder), "-o", folder.path("source.qnf"), "--quiet"]
        #expect(ToolRunner(qconvert, line).status == .done)
        let source = folder.path("source.qnf")
        let file = try SafetensorsFile(path: source)
        let index = try #require(file.tensors.firstIndex { $0.name == "model.embed_tokens.weight" }),
            place = try #require(file.place(ofTensor: index))
        var bytes = try Fixture.bytes(source)
        bytes[place.offset + 300_000] ^= 1
        try folder.write(bytes, to: "source.qnf")
        let paths = try Self.makeParts(Job(line: ["to-hf", "--dequantize"], source: ""), source, count: 3, in: folder)
        let run = ToolRunner(qconvert, ["join", "-o", folder.path("joined")] + paths)
        #expect(run.status == .failed && run.errors.contains("of the source's tensor 'model.embed_tokens.weight' the checksum is "))
        #expect(try !folder.names().contains("joined"))
    }

    /// Of all parts of one conversion, and in all of it.
    @Test func reportsWhatAllHaveFound() throws {
        let folder = try TemporaryFolder()
        let job = Job(line: ["to-nf4"], output: "a.qnf", source: "checkpoints/llama/dense-bf16")
        let paths = try Self.makeParts(job, Fixture.path(job.source), count: 3, in: folder)
        let whole = ToolRunner(qconvert, ["to-nf4", Fixture.path(job.source), "-o", folder.path("b.qnf"), "--json"])
        let joined = ToolRunner(qconvert, ["join", "-o", folder.path("a.qnf"), "--json", "--verify"] + paths)
        for key in ["fingerprint", "bytes", "overflows", "underflows"] {
            #expect(try joined.document()[key] == whole.document()[key], "\(key)")
        }
        #expect(try joined.document()["parts"]?.integer == 3 && joined.document()["command"]?.string == "to-nf4")
        #expect(ToolRunner(qinspect, ["check", folder.path("a.qnf")]).status == .done)
    }

    // MARK: - Again

    @Test func leavesAPartThatIsThere() throws {
        let folder = try TemporaryFolder()
        let line = ["to-nf4", Fixture.path("checkpoints/llama/dense-bf16"), "-o", folder.path("a.qnf"), "--part", "1/2"]
        #expect(ToolRunner(qconvert, line).status == .done)
        let part = folder.path("a.qnf.part-1-of-2"), identity = FilePath.identity(of: part)
        let again = ToolRunner(qconvert, line)
        #expect(again.status == .done && again.output.hasSuffix("; it was there already\n"))
        #expect(FilePath.identity(of: part) == identity)
        #expect(ToolRunner(qconvert, line + ["--force"]).status == .done)
        #expect(FilePath.identity(of: part) != identity)
        let model = ToolRunner(qconvert, ["to-nf4", part, "-o", folder.path("b.qnf")])
        #expect(
            model.errors == "qconvert: error: \(part): is a part of a conversion, and no model\n"
                + "hint: 'qconvert join' puts all parts together\n")
        let other = ToolRunner(qconvert, line + ["--keep", "q_proj"])
        #expect(
            other.errors
                == "qconvert: error: \(part): exists already, and is a part of another conversion: it was made with '', not '--keep q_proj'\n"
                + "hint: --force replaces it\n")
        #expect(other.status == .failed)
        try Fixture.damage(part)
        try Fixture.store("no part", in: part)
        let stranger = ToolRunner(qconvert, line)
        #expect(stranger.status == .failed && stranger.errors.contains("exists already, and is no part that could be kept: "))
    }

    /// What a killed run leaves is taken where it is whole, and made again where it is not.
    @Test func goesOnFromWhatIsThere() throws {
        let inputs = try TemporaryFolder(), folder = try TemporaryFolder()
        // 768 MiB of zeros: three parts.
        try LargeModel.write(to: inputs.path("large.safetensors"), tensorCount: 12)
        let line = ["to-nf4", inputs.path("large.safetensors"), "-o"]
        #expect(ToolRunner(qconvert, line + [folder.path(".out.resume"), "--part", "2/3", "--quiet"]).status == .done)
        try folder.write("no part", to: ".out.resume.part-1-of-3")
        let run = ToolRunner(qconvert, line + [folder.path("out"), "--resume"])
        #expect(run.status == .done && run.errors.contains("1 of 3 parts were there already\n") && run.output.contains(" in 3 parts, "))
        #expect(try folder.names() == ["out"])
        let again = ToolRunner(qconvert, line + [folder.path("out"), "--resume"])
        #expect(again.errors == "qconvert: error: \(folder.path("out")): exists already\nhint: --force replaces it\n")
        #expect(ToolRunner(qconvert, line + [folder.path("whole"), "--quiet"]).status == .done)
        #expect(try Self.checksum(folder.path("out")) == Self.checksum(folder.path("whole")))
    }

    private static func checksum(_ path: String) throws -> CRC32C {
        let file = try InputFile(path: path)
        var checksum = CRC32C()
        for start in stride(from: 0, to: file.byteCount, by: 1 << 22) {
            checksum.append(try file.bytes(atOffset: start, count: min(1 << 22, file.byteCount - start)))
        }
        return checksum
    }

    // MARK: - What does not belong together

    @Test func namesWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        let job = Self.jobs[0]
        let paths = try Self.makeParts(job, Fixture.path(job.source), count: 7, in: folder)
        let run = ToolRunner(qconvert, ["join", paths[0], paths[2], paths[3], "-o", folder.path("x")])
        #expect(
            run.errors == "qconvert: error: 4 of 7 parts are missing: 2,5-7\n"
                + "hint: make them as before, under Slurm as an array of 2,5-7 with --part auto/7\n")
        let twice = ToolRunner(qconvert, ["join", "-o", folder.path("x")] + paths + [paths[1]])
        #expect(
            twice.errors == "qconvert: error: \(paths[1]): is part 2/7, and so is \(paths[1])\nhint: name each part once\n")
        let own = ToolRunner(qconvert, ["join", "-o", paths[0], "--force"] + paths)
        #expect(own.errors == "qconvert: error: \(paths[0]): is also an input (\(paths[0]))\nhint: choose another output\n")
        #expect(run.status == .failed && twice.status == .failed && own.status == .failed)
        #expect(try folder.names().count == 7)
    }

    @Test(arguments: [
        (["--part", "2/3"], "llama/dense-bf16", "it is one of 3, not of 2"),
        (["--part", "2/2", "--dtype", "f16"], "llama/dense-bf16", "it was made with '--dtype f16', not ''"),
        (["--part", "2/2"], "llama/dense-f32", "it was made of another source, or the source has changed since"),
    ])
    func refusesPartsOfAnother(_ options: [String], _ source: String, _ difference: String) throws {
        let folder = try TemporaryFolder()
        let first = ["to-nf4", Fixture.checkpoint("llama/dense-bf16"), "-o", folder.path("a"), "--part", "1/2"]
        #expect(ToolRunner(qconvert, first).status == .done)
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.checkpoint(source), "-o", folder.path("b")] + options).status == .done)
        let other = folder.path("b.part-\(options[1].replacing("/", with: "-of-"))")
        let run = ToolRunner(qconvert, ["join", folder.path("a.part-1-of-2"), other, "-o", folder.path("x")])
        #expect(run.errors.hasPrefix("qconvert: error: \(other): does not belong to \(folder.path("a.part-1-of-2")): \(difference)\n"))
        #expect(run.status == .failed)
    }

    /// A tuned model has the header of its base.
    @Test func tellsSourcesApartByTheirWeights() throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors"] {
            try folder.copy("\(Fixture.checkpoint("llama/dense-bf16"))/\(name)", as: name)
        }
        let line = ["to-nf4", folder.path, "-o", folder.path("a.qnf"), "--part"]
        #expect(ToolRunner(qconvert, line + ["1/2"]).status == .done)
        let file = try SafetensorsFile(path: folder.path("model.safetensors"))
        try Fixture.fill(file.tensors[0].name, with: 0.5, in: folder.path("model.safetensors"))
        #expect(ToolRunner(qconvert, line + ["2/2"]).status == .done)
        let parts = (1...2).map { folder.path("a.qnf.part-\($0)-of-2") }
        let run = ToolRunner(qconvert, ["join", "-o", folder.path("x")] + parts)
        #expect(run.errors.contains("it was made of another source, or the source has changed since"))
    }

    @Test func refusesPartsThatAreResumed() {
        let run = ToolRunner(qconvert, ["to-hf", Fixture.sample("llama-hf"), "-o", "/tmp/x", "--part", "1/2", "--resume"])
        #expect(
            run.errors.hasPrefix(
                "qconvert: error: --part and --resume exclude each other: a part that was interrupted is simply made again\n"))
        #expect(run.status == .usage)
    }

    @Test func refusesACalibration() throws {
        let run = ToolRunner(
            qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", "/tmp/x", "--part", "1/2", "--calibrate", "default"])
        #expect(
            run.errors.hasPrefix(
                "qconvert: error: --part and --calibrate exclude each other: a calibration goes through the whole model, layer after layer\n"
            ))
        #expect(run.status == .usage)
    }

    // MARK: - Damage

    /// Every byte of a part, one at a time: it is refused, or the output has the bytes of one run.
    @Test func refusesDamage() throws {
        let folder = try TemporaryFolder()
        let tensors = [StoredTensor("model.layers.0.mlp.up_proj.weight", [2, 64], (0..<128).map { Float($0) })]
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        let source = folder.path("model.safetensors"), output = folder.path("a.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", source, "-o", output, "--quiet"]).status == .done)
        let expected = try Fixture.bytes(output)
        let paths = try Self.makeParts(Job(line: ["to-nf4"], output: "a.qnf", source: ""), source, count: 2, in: folder)
        let line = ["join", "-o", folder.path("b.qnf"), "--force", "--quiet", "--verify"] + paths
        for path in paths {
            let bytes = try Fixture.bytes(path), name = FilePath.name(of: path)
            for place in stride(from: 0, to: bytes.count, by: 3) {
                var damaged = bytes
                damaged[place] ^= UInt8(1 << (place % 8))
                try folder.write(damaged, to: name)
                let run = ToolRunner(qconvert, line)
                guard run.status == .done else {
                    #expect(run.status == .failed && run.errors.hasPrefix("qconvert: error: "))
                    continue
                }
                #expect(try folder.bytes("b.qnf") == expected, "byte \(place) of \(name)")
            }
            try folder.write(Array(bytes.dropLast()), to: name)
            #expect(ToolRunner(qconvert, line).status == .failed)
            try folder.write(bytes, to: name)
        }
        #expect(ToolRunner(qconvert, line).status == .done)
    }

    /// Parts of a killed run leave nothing that a join would take.
    @Test func takesPartsThatWereKilledAndMadeAgain() throws {
        let inputs = try TemporaryFolder(), folder = try TemporaryFolder()
        try LargeModel.write(to: inputs.path("large.safetensors"), tensorCount: 6)
        let source = inputs.path("large.safetensors")
        func line(_ number: Int) -> [String] { ["to-nf4", source, "-o", folder.path("a.qnf"), "--part", "\(number)/2", "--quiet"] }
        let run = try ToolProcess("qconvert", line(2))
        #expect(run.waitUntilWriting(in: folder.path))
        run.kill(SIGKILL)
        #expect(run.wait() == .signal(SIGKILL))
        // Two at once write the same.
        let twins = try (0..<2).map { _ in try ToolProcess("qconvert", line(2)) } + [try ToolProcess("qconvert", line(1))]
        for twin in twins { #expect(twin.wait() == .exit(0)) }
        #expect(try folder.names() == ["a.qnf.part-1-of-2", "a.qnf.part-2-of-2"])
        let parts = (1...2).map { folder.path("a.qnf.part-\($0)-of-2") }
        #expect(ToolRunner(qconvert, ["join", "-o", folder.path("a.qnf"), "--quiet"] + parts).status == .done)
        #expect(ToolRunner(qconvert, ["to-nf4", source, "-o", folder.path("b.qnf"), "--quiet"]).status == .done)
        let files = try ["a.qnf", "b.qnf"].map { try InputFile(path: folder.path($0)).allBytes(limit: 1 << 28) }
        #expect(files[0] == files[1])
    }
}
