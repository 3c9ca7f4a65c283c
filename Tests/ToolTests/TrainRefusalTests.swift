import Adapters
import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qtrain

/// What `qtrain` says where it cannot begin, or not go on, and that nothing half-written is left.
@Suite struct TrainRefusalTests {
    private static let model = Fixture.sample("llama-bnb4")

    private static func line(_ folder: TemporaryFolder, _ options: [String]) throws -> [String] {
        try TrainTests.line(folder, output: "x.lora", options)
    }

    /// Each option leads into a file, as if that were a folder.
    @Test("refuses what cannot be written before the first step", arguments: ["--plot", "--log", "--checkpoints", "-o"])
    func refusesUnwritableFiles(_ option: String) throws {
        let folder = try TemporaryFolder()
        let file = try TrainTests.data(in: folder)
        var line = try Self.line(folder, ["--steps", "1"])
        if let place = line.firstIndex(of: option) { line[place + 1] = "\(file)/x" } else { line += [option, "\(file)/x"] }
        let before = try folder.names()
        let run = ToolRunner(qtrain, line)
        #expect(run.status == .failed)
        #expect(run.errors.contains("qtrain: error: \(file)/x: cannot be "), "\(run.errors)")
        #expect(!run.errors.contains("validation loss"), "the run began: \(run.errors)")
        #expect(try folder.names() == before)
    }

    /// A file may have 51,200 bytes, fewer than the factors take.
    @Test(.disabled(if: ToolProcess.isSanitized, "a sanitizer has large files of its own"))
    func refusesAnOutputThatDoesNotFitBeforeTheFirstStep() throws {
        let folder = try TemporaryFolder()
        let run = try ToolProcess("qtrain", try Self.line(folder, ["--steps", "2"]), limits: "ulimit -f 100")
        #expect(run.wait() == .exit(2))
        #expect(run.errors.contains("x.lora: 155648 bytes are needed, but "), "\(run.errors)")
        #expect(!run.errors.contains("validation loss"), "the run began: \(run.errors)")
        #expect(try folder.names() == ["data.json"])
    }

    static let inputs = ["--log", "--plot", "-o"]

    @Test("takes no input for an output", arguments: inputs)
    func refusesInputs(_ option: String) throws {
        let folder = try TemporaryFolder()
        let data = try TrainTests.data(in: folder)
        let before = try Fixture.bytes(data)
        var line = try Self.line(folder, ["--steps", "1", "--force"])
        if let place = line.firstIndex(of: option) { line[place + 1] = data } else { line += [option, data] }
        let run = ToolRunner(qtrain, line)
        #expect(run.status == .failed)
        #expect(run.errors.contains("data.json: is also an input ("), "\(run.errors)")
        #expect(try Fixture.bytes(data) == before)
        #expect(try folder.names() == ["data.json"])
    }

    /// Without one, a model would never learn to stop.
    @Test func refusesATokenizerWithoutAnEnd() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model")
        #expect(mkdir(model, 0o700) == 0)
        for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
            let output = try AtomicOutput(destination: FilePath.join(model, name), replaces: false)
            let file = try output.file()
            try file.write(try Fixture.bytes(FilePath.join(Self.model, name)), atOffset: 0)
            try output.commit([file])
        }
        for name in ["config.json", "tokenizer_config.json"] {
            try Fixture.replace("\"eos_token", with: "\"no_such_token", in: FilePath.join(model, name))
        }
        let run = ToolRunner(qtrain, [model] + (try Self.line(folder, ["--steps", "1"])).dropFirst())
        #expect(run.status == .failed)
        #expect(
            run.errors.contains(": the template ends responses with the end of text, for which the tokenizer has no token\n"),
            "\(run.errors)")
        #expect(try folder.names() == ["data.json", "model"])
    }

    @Test func refusesToSwapWhatHasNoHalves() throws {
        let folder = try TemporaryFolder()
        var line = try Self.line(folder, ["--steps", "1", "--swap-instruction-and-response"])
        if let place = line.firstIndex(of: "--data") { line[place + 1] = Fixture.sample("text/heldout.txt") }
        let run = ToolRunner(qtrain, line)
        #expect(run.status == .usage)
        #expect(run.errors.contains("none of the 1 records of ") && run.errors.contains("has two halves to swap"), "\(run.errors)")
    }

    @Test("replaces nothing without --force", arguments: ["--log", "--plot"])
    func refusesWhatExists(_ option: String) throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(folder, ["--steps", "1", option, folder.path("kept")])
        #expect(ToolRunner(qtrain, line).status == .done)
        let before = try Fixture.bytes(folder.path("kept"))
        var other = line
        if let place = other.firstIndex(of: "-o") { other[place + 1] = folder.path("y.lora") }
        let run = ToolRunner(qtrain, other)
        #expect(run.status == .failed)
        #expect(run.errors.contains("kept: exists already\nhint: --force replaces it"), "\(run.errors)")
        #expect(try Fixture.bytes(folder.path("kept")) == before)
        #expect(ToolRunner(qtrain, other + ["--force"]).status == .done)
    }

    @Test func saysThatTheLogsDiskIsFull() throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qtrain, try Self.line(folder, ["--steps", "2", "--log", "/dev/full"]))
        #expect(run.status == .failed)
        #expect(run.errors.contains("qtrain: error: /dev/full: cannot be written: No space left on device"), "\(run.errors)")
        #expect(FilePath.kind(of: folder.path("x.lora")) == .missing)
    }

    /// A file may have 204,800 bytes: room for the factors, but not for their moments too.
    @Test func leavesNoPartOfACheckpointThatDoesNotFit() throws {
        let folder = try TemporaryFolder()
        let line = try Self.line(folder, ["--steps", "2", "--save-every", "1"])
        let run = try ToolProcess("qtrain", line, limits: "ulimit -f 400")
        #expect(run.wait() == .exit(2))
        #expect(run.errors.contains("x.lora.checkpoints/step-00000001.qtrain: "), "\(run.errors)")
        #expect(run.errors.contains("or a limit (ulimit -f) allows fewer in one file"), "\(run.errors)")
        #expect(try FilePath.entries(of: folder.path("x.lora.checkpoints")).isEmpty)
        #expect(try folder.names() == ["data.json", "x.lora.checkpoints"])
    }

    @Test func goesOnFromAnAdapterOfTheSameBaseAlone() throws {
        let folder = try TemporaryFolder()
        let options = ["--steps", "8", "--lr", "0.01", "--json", "--dropout", "0"]
        let first = ToolRunner(qtrain, try TrainTests.line(folder, output: "first.lora", options))
        #expect(first.status == .done, "\(first.errors)")
        let more = try Self.line(folder, options + ["--init-from", folder.path("first.lora")])
        let second = ToolRunner(qtrain, more)
        #expect(second.status == .done, "\(second.errors)")
        #expect(try second.document()["validation_loss_before"] == first.document()["validation_loss"])
        // The same model, but its dense weights.
        let other = ToolRunner(qtrain, [Fixture.sample("llama-hf")] + more.dropFirst() + ["--force"])
        #expect(other.status == .failed)
        #expect(
            other.errors.contains("first.lora: was trained on weights with the fingerprint ")
                && other.errors.contains(", but that of \(Fixture.sample("llama-hf"))/"), "\(other.errors)")
    }

    static let otherShapes: [(options: [String], error: String)] = [
        (["--rank", "8"], "has rank 4, but --rank is 8"),
        (["--alpha", "8"], "scales its updates by 8.0, but --alpha and --rank make that 2.0"),
        (["--targets", "q_proj"], "which this run does not tune; see --targets"),
    ]

    @Test("refuses an adapter of another shape", arguments: otherShapes)
    func refusesOtherShapes(_ options: [String], _ error: String) throws {
        let folder = try TemporaryFolder()
        let first = ToolRunner(qtrain, try TrainTests.line(folder, output: "first.lora", ["--steps", "1"]))
        #expect(first.status == .done, "\(first.errors)")
        var line = try Self.line(folder, ["--steps", "1", "--init-from", folder.path("first.lora")])
        if options[0] == "--rank" { line.removeAll { $0 == "--rank" || $0 == "4" } }
        let run = ToolRunner(qtrain, line + options)
        #expect(run.status == .failed)
        #expect(run.errors.contains("first.lora: ") && run.errors.contains(error), "\(run.errors)")
    }

    /// All samples in one batch of positions; one batch of samples; and each sample alone, its gradient added.
    @Test func learnsFromPackedSamplesAsFromEachAlone() throws {
        let folder = try TemporaryFolder()
        func losses(_ name: String, _ options: [String]) throws -> [Double] {
            let log = folder.path(name + ".jsonl")
            let common = ["--steps", "3", "--lr", "0.01", "--dropout", "0", "--split", "1,0,0", "--max-length", "64", "--log", log]
            var line = try TrainTests.line(folder, output: name + ".lora", common)
            line.removeSubrange(line.firstIndex(of: "--batch-size").map { $0..<$0 + 2 } ?? 0..<0)
            let run = ToolRunner(qtrain, line + options)
            #expect(run.status == .done, "\(run.errors)")
            return try Fixture.bytes(log).split(separator: 0x0a).map { try JSONValue(parsing: Array($0)) }.compactMap { $0["loss"]?.double }
        }
        let packed = try losses("packed", ["--pack", "--batch-size", "20"]), together = try losses("together", ["--batch-size", "20"])
        let alone = try losses("alone", ["--batch-size", "1", "--accumulate", "20"])
        #expect(packed.count == 3 && packed == together && alone.count == 3)
        for (a, b) in zip(packed, alone) { #expect(abs(a - b) < 1e-5 * a) }
        // A batch that holds fewer positions takes more steps, each with as many samples as fit.
        let small = try losses("small", ["--pack", "--batch-size", "2"])
        #expect(small.count == 3 && small != packed)
    }
}
