import Architectures
import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Conversion
import GGUFFormat
import Glibc
import JSONText
import ModelLoading
import Parallelism
import Streaming
import TensorCore
import TestSupport
import Testing
import ToolSupport
import Transformer

@testable import qconvert
@testable import qinspect
@testable import qverify

/// `--calibrate` on the sample Llama and GPT-2: what is written, what is said, and what is refused.
@Suite struct CalibrationToolTests {
    private static let llama = Fixture.sample("llama-hf")

    /// Two halves of the held-out text: one to calibrate with, one to judge by.
    private static func texts(_ folder: TemporaryFolder) throws -> (calibrating: String, judging: String) {
        let text = try Fixture.text(at: Fixture.sample("text/heldout.txt"))
        let half = text.index(text.startIndex, offsetBy: text.count / 2)
        return (
            try folder.write(String(text[..<half]), to: "half.txt"), try folder.write(String(text[half...].prefix(4000)), to: "other.txt")
        )
    }

    private static func divergence(_ model: String, _ text: String) throws -> Double {
        let run = ToolRunner(qverify, ["compare", llama, model, "--text", text, "--json"])
        guard case .number(let mean)? = try run.document()["predictions"]?["kl_mean"] else {
            Issue.record("no divergence in \(run.output.prefix(400)) \(run.errors)")
            return .nan
        }
        return mean.double
    }

    @Test func divergenceOnOtherTextIsMuchLess() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder)
        let (plain, calibrated) = (folder.path("plain.qnf"), folder.path("calibrated.qnf"))
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", plain]).status == .done)
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", calibrated, "--calibrate", texts.calibrating, "--json", "--quiet"])
        #expect(run.status == .done && run.errors.isEmpty)
        let report = try #require(try run.document()["calibration"])
        #expect(
            report["texts"]?.array?.map { $0["name"]?.string } == ["half.txt"] && report["plain"]?.integer == 0
                && report["unreached"]?.integer == 0)
        #expect(report["calibrated"]?.integer == 28 && report["tensors"]?.array?.count == 28)
        #expect(try Self.divergence(calibrated, texts.judging) < 0.65 * Self.divergence(plain, texts.judging))
        let (before, after) = (try Fixture.bytes(plain), try Fixture.bytes(calibrated))
        // As large, but for what the lineage says.
        #expect((after.count - before.count).magnitude < 1024)
    }

    @Test func fileSaysHowItWasMadeAndIsTheSameForAnyThreads() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder)
        var files: [[UInt8]] = []
        for threads in ["1", "3"] {
            let output = folder.path("\(threads).qnf")
            let line = ["to-nf4", Self.llama, "-o", output, "--calibrate", texts.calibrating, "--tokens", "1500", "--threads", threads]
            #expect(ToolRunner(qconvert, line).status == .done)
            files.append(try Fixture.bytes(output))
        }
        #expect(files[0] == files[1])
        let metadata = try ToolRunner(qinspect, ["metadata", folder.path("1.qnf"), "--json"]).document()
        #expect(metadata["settings"]?["quantizer"]?.string == "calibrated-nf4 1")
        let note = try #require(metadata["lineage"]?.array?.last?["calibration"])
        #expect(note["tokens"]?.integer == 1280 && note["held_out"]?.integer == 256 && note["window"]?.integer == 256)
        #expect(note["texts"]?.array?.map { $0["name"]?.string } == ["half.txt"])
        #expect(note["moments"]?.string?.hasPrefix("sha256:") == true && note["moments"]?.string?.contains("00000000") == false)
    }

    /// Bits can be told with the text alone; without it the answer is a refusal that names it.
    @Test func roundtripChoosesTheCodesAgain() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder), model = folder.path("a.qnf")
        #expect(
            ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", model, "--calibrate", texts.calibrating, "--tokens", "1024"]).status == .done)
        let plain = ToolRunner(qverify, ["roundtrip", Self.llama, model])
        #expect(
            plain.status == .done && plain.output.contains("codes were chosen by calibration")
                && !plain.output.contains("bound of the format"))
        let exact = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact", "--calibrate", texts.calibrating])
        #expect(exact.status == .done && exact.output.contains("every byte is what calibrating the source with this text gives"))
        let without = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"])
        #expect(without.status == .failed)
        #expect(without.errors.contains("can be told with the text alone") && without.errors.contains("half.txt, CRC-32C "))
        let other = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact", "--calibrate", texts.judging])
        #expect(other.status == .failed && other.errors.contains("was calibrated on other tokens"))
        let unasked = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--calibrate", texts.judging])
        #expect(unasked.status == .usage)
    }

    /// Under a limit fewer inputs are taken together, which is told, written and done again by the one who checks.
    @Test func lessMemoryTakesFewerInputsTogether() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder)
        let model = try LayeredModel(Checkpoint.open(Self.llama))
        let text = try CalibrationText(
            [texts.calibrating], tokenLimit: 1024, for: model, Console(toolName: "test", output: RecordingSink(), errors: RecordingSink()))
        let needed = CalibrationMemory(model, text.samples).total
        let line = ["to-nf4", Self.llama, "--calibrate", texts.calibrating, "--tokens", "1024"]
        var files: [[UInt8]] = []
        for (name, limit) in [("whole", needed), ("halves", needed - 1), ("again", needed - 1)] {
            let run = ToolRunner(qconvert, line + ["-o", folder.path(name), "--max-memory", "\(limit)"])
            #expect(run.status == .done, "\(run.errors)")
            let isTold = run.errors.contains("no more than 192 inputs of a layer are taken together, of the widest, with 384, in 2 chunks")
            #expect(isTold == (name != "whole"))
            files.append(try folder.bytes(name))
        }
        #expect(files[1] == files[2] && files[0] != files[1])
        let note = try ToolRunner(qinspect, ["metadata", folder.path("halves"), "--json"]).document()["lineage"]?.array?.last?[
            "calibration"]
        #expect(note?["chunk"]?.integer == 192)
        let check = ["roundtrip", Self.llama, folder.path("halves"), "--bit-exact", "--calibrate", texts.calibrating]
        let exact = ToolRunner(qverify, check)
        #expect(exact.status == .done, "\(exact.output)")
    }

    /// The text of the tools needs not be given again; one code that is not what calibration gives is found and named.
    @Test func roundtripFindsAnotherCode() throws {
        let folder = try TemporaryFolder(), model = folder.path("a.qnf"), gpt2 = Fixture.sample("gpt2-tensorflow")
        #expect(ToolRunner(qconvert, ["to-nf4", gpt2, "-o", model, "--calibrate", "default", "--tokens", "1024"]).status == .done)
        let exact = ToolRunner(qverify, ["roundtrip", gpt2, model, "--bit-exact"])
        #expect(exact.status == .done, "\(exact.output) \(exact.errors)")
        let checkpoint = try Checkpoint.open(model)
        let tensor = try #require(checkpoint.tensors.first { $0.quantized != nil }), codes = try #require(tensor.quantized).codes
        let place = try #require(checkpoint.source.place(ofTensor: codes))
        var bytes = try Fixture.bytes(model)
        bytes[place.offset + 17] ^= 1
        try folder.write(bytes, to: "a.qnf")
        let changed = ToolRunner(qverify, ["roundtrip", gpt2, model, "--bit-exact"])
        #expect(changed.status == .no && changed.output.contains("1 tensors are not bit-exact, the first is '\(tensor.name)'"))
    }

    /// What rules keep is kept, what no layer runs is quantized as ever, and a repacked file says what it was.
    @Test func rulesComeFirst() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder), model = folder.path("a.qnf")
        let run = ToolRunner(
            qconvert,
            [
                "to-nf4", Self.llama, "-o", model, "--calibrate", texts.calibrating, "--tokens", "600", "--keep", "v_proj", "--embeddings",
                "nf4", "--json",
            ])
        #expect(run.status == .done, "\(run.errors)")
        let report = try #require(try run.document()["calibration"])
        let names = report["tensors"]?.array?.compactMap { $0["name"]?.string } ?? []
        #expect(names.count == 24 && !names.contains { $0.contains("v_proj") })
        #expect(report["unreached"]?.integer == 1)
        let again = folder.path("b.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", model, "-o", again]).status == .done)
        let metadata = try ToolRunner(qinspect, ["metadata", again, "--json"]).document()
        #expect(metadata["settings"]?["quantizer"]?.string == "calibrated-nf4 1")
    }

    @Test(arguments: [
        (["--checkpoints", "somewhere"], ExitCode.usage, "--checkpoints is for --calibrate TEXT, which is not given"),
        (["--tokens", "600"], .usage, "--tokens is for --calibrate TEXT, which is not given"),
        (["--calibrate", "TEXT", "--quant-type", "fp4"], .usage, "--calibrate chooses codes of nf4, but --quant-type fp4 is asked for"),
        (["--calibrate", "TEXT", "--allow-nonfinite", "--no-double-quant"], .usage, "exclude each other"),
        (["--calibrate", "TEXT", "--tokens", "300"], .failed, "300 tokens are no two windows of 256"),
        (["--calibrate", "SHORT"], .failed, "but calibrating takes two windows of 256 at least"),
        (["--calibrate", "MISSING"], .failed, "no such file"),
        (["--calibrate", "TEXT", "--max-memory", "30M"], .failed, "but --max-memory allows 31.5 MB"),
        (["--calibrate", "TEXT", "--keep", "proj"], .failed, "there is nothing to calibrate"),
    ])
    func refusesBeforeTheWorkBegins(options: [String], status: ExitCode, message: String) throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder)
        let short = try folder.write("Once upon a time.", to: "short.txt")
        let words = options.map { ["TEXT": texts.calibrating, "SHORT": short, "MISSING": folder.path("none.txt")][$0] ?? $0 }
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("a.qnf")] + words)
        #expect(run.status == status)
        #expect(run.errors.lowercased().contains(message.lowercased()), "\(run.errors)")
        #expect(try !folder.names().contains("a.qnf"))
    }

    /// What is 4-bit already is not chosen again, of whatever type its codes are.
    @Test func refusesModelsThatAreFourBitAlready() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder), fp4 = folder.path("fp4.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", fp4, "--quant-type", "fp4"]).status == .done)
        for (source, message) in [
            (Fixture.sample("llama-bnb4"), "there is nothing to calibrate"), (fp4, "but codes are chosen of nf4 alone"),
        ] {
            let run = ToolRunner(qconvert, ["to-nf4", source, "-o", folder.path("a.qnf"), "--calibrate", texts.calibrating])
            #expect(run.status == .failed && run.errors.contains(message), "\(run.errors)")
        }
        #expect(try !folder.names().contains("a.qnf"))
    }

    /// Records are written by the model's template, and texts of several kinds share equally; told back with the same words.
    @Test func recordsAreReadBesideTexts() throws {
        let folder = try TemporaryFolder(), model = folder.path("a.qnf")
        let texts = ["--calibrate", Fixture.sample("instructions.json"), "--calibrate", "default"]
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", model, "--tokens", "2048", "--json"] + texts)
        #expect(run.status == .done, "\(run.errors)")
        let note = try #require(try run.document()["calibration"])
        #expect(note["texts"]?.array?.map { $0["name"]?.string } == ["instructions.json", "default"])
        #expect(note["texts"]?.array?.map { $0["tokens"]?.integer } == [1024, 1024])
        #expect(ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"] + texts).status == .done)
        let turned = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"] + texts[2...] + texts[..<2])
        #expect(turned.status == .failed && turned.errors.contains("give the files in the order"))
    }

    /// Sums of squares by the names of GGUF files: of each weight as many as it has inputs, and how many tokens they are of.
    @Test func writesWhatLayersSaw() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder), file = folder.path("a.imatrix")
        let line = [
            "to-nf4", Self.llama, "-o", folder.path("a.qnf"), "--calibrate", texts.calibrating, "--tokens", "1024", "--write-imatrix", file,
        ]
        #expect(ToolRunner(qconvert, line).status == .done)
        let source = try GGUFSource(path: file)
        #expect(try source.metadata.string("general.type") == "imatrix")
        #expect(try source.metadata.integer("imatrix.chunk_size") == 256 && source.metadata.integer("imatrix.chunk_count") == 3)
        let model = try LayeredModel(try Checkpoint.open(Self.llama))
        #expect(source.tensors.count == 2 * model.configuration.linearWeights.count)
        let text = try CalibrationText(
            [texts.calibrating], tokenLimit: 1024, for: model, Console(toolName: "test", output: RecordingSink(), errors: RecordingSink()))
        let pass = try CalibrationPass(model, text.samples, engine: MatrixEngine(pool: WorkerPool(threadCount: 2)))
        try pass.run(experts: { _ in }) { group in
            guard group.modules[0].name == "model.layers.2.mlp.down_proj" else { return }
            let sums = try #require(source.tensors.firstIndex { $0.name == "blk.2.ffn_down.weight.in_sum2" })
            let counts = try #require(source.tensors.firstIndex { $0.name == "blk.2.ffn_down.weight.counts" })
            let values = try source.bytes(ofTensor: sums).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(values == group.moments.matrix.diagonal.map { Float($0 * 768) })
            #expect(try source.bytes(ofTensor: counts).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } == [768])
        }
        let again = ToolRunner(qconvert, line + ["--checkpoints", folder.path("layers")])
        #expect(again.status == .usage && again.errors.contains("exclude each other"))
        let existing = ToolRunner(qconvert, line)
        #expect(existing.status == .failed && existing.errors.contains("exists already"))
    }

    /// What is left after a layer is gone on from, to the same bytes; of another calibration it is refused, and damage is found.
    @Test func goesOnFromFinishedLayers() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder), layers = folder.path("layers")
        let line = ["to-nf4", Self.llama, "--calibrate", texts.calibrating, "--tokens", "1024"]
        #expect(ToolRunner(qconvert, line + ["-o", folder.path("whole.qnf")]).status == .done)
        // As the tool would, but stopped.
        let checkpoint = try Checkpoint.open(Self.llama)
        let model = try LayeredModel(checkpoint)
        let text = try CalibrationText(
            [texts.calibrating], tokenLimit: 1024, for: model, Console(toolName: "test", output: RecordingSink(), errors: RecordingSink()))
        let note = text.note(damping: CalibratedQuantizer.defaultDamping)
        let plan = try ConversionPlan(
            checkpoint, settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: toolVersion, options: [], calibration: note)
        let resources = try Resources(threadCount: 2)
        let calibration = ModelCalibration(
            try CalibrationPass(model, text.samples, engine: MatrixEngine(pool: resources.pool)), plan.settings)
        let journal = try CalibrationJournal(folder: layers, identity: plan.calibrationIdentity(calibration))
        struct Stop: Error {}
        var done = 0
        // Stopped in the third of four layers.
        #expect(throws: Stop.self) {
            _ = try calibration.run(wanted: { _ in true }, journal: journal, progress: { done += 1 }) { _ in if done == 2 { throw Stop() } }
        }
        #expect(try folder.names("layers") == ["layer-00000.qcal", "layer-00001.qcal", "states.qcal"])

        let other = ToolRunner(qconvert, line + ["-o", folder.path("other.qnf"), "--keep", "v_proj", "--checkpoints", layers])
        #expect(other.status == .failed && other.errors.contains("is of another calibration"), "\(other.errors)")
        let states = try folder.bytes("layers/states.qcal")
        var damaged = states
        damaged[damaged.count - 5] ^= 1
        try folder.write(damaged, to: "layers/states.qcal")
        let found = ToolRunner(qconvert, line + ["-o", folder.path("other.qnf"), "--checkpoints", layers])
        #expect(found.status == .failed && found.errors.contains("its checksum is"), "\(found.errors)")
        try folder.write(states, to: "layers/states.qcal")

        let again = ToolRunner(qconvert, line + ["-o", folder.path("again.qnf"), "--checkpoints", layers])
        #expect(again.status == .done && again.errors.contains("goes on after 2 of 4 layers"), "\(again.errors)")
        #expect(try folder.bytes("again.qnf") == folder.bytes("whole.qnf"))
        #expect(try !folder.names().contains("layers"))
    }

    /// Killed in the middle of the work, and gone on from with the same command, to the same bytes.
    @Test func goesOnAfterBeingKilled() throws {
        let folder = try TemporaryFolder(), layers = folder.path("layers")
        let line = ["to-nf4", Self.llama, "--calibrate", "default", "--tokens", "8192", "--quiet"]
        let run = try ToolProcess("qconvert", line + ["-o", folder.path("a.qnf"), "--checkpoints", layers])
        // Its states are there once a layer is complete.
        var waits = 0
        while FilePath.kind(of: FilePath.join(layers, "states.qcal")) != .file, waits < 60_000 {
            usleep(1000)
            waits += 1
        }
        run.kill(SIGKILL)
        #expect(run.wait() == .signal(SIGKILL))
        #expect(try folder.names("layers").contains("layer-00000.qcal") && FilePath.kind(of: folder.path("a.qnf")) == .missing)
        let again = ToolRunner(qconvert, line + ["-o", folder.path("a.qnf"), "--checkpoints", layers])
        #expect(again.status == .done, "\(again.errors)")
        #expect(ToolRunner(qconvert, line + ["-o", folder.path("b.qnf")]).status == .done)
        #expect(try folder.bytes("a.qnf") == folder.bytes("b.qnf") && folder.names() == ["a.qnf", "b.qnf"])
    }

    /// Of models that cannot be run, and those without a tokenizer, by name.
    @Test func refusesModelsThatCannotBeRun() throws {
        let folder = try TemporaryFolder(), texts = try Self.texts(folder)
        try folder.makeFolder("model")
        for file in try FilePath.entries(of: Self.llama) where !file.hasPrefix("token") {
            try folder.copy("\(Self.llama)/\(file)", as: "model/\(file)")
        }
        let line = ["to-nf4", folder.path("model"), "-o", folder.path("a.qnf"), "--calibrate", texts.calibrating]
        let untold = ToolRunner(qconvert, line)
        #expect(untold.status == .failed && untold.errors.contains("tokenizer"), "\(untold.errors)")
        try folder.write(#"{"model_type": "rwkv"}"#, to: "model/config.json")
        let foreign = ToolRunner(qconvert, line)
        #expect(foreign.status == .failed && foreign.errors.contains("rwkv"), "\(foreign.errors)")
        #expect(try !folder.names().contains("a.qnf"))
    }
}
