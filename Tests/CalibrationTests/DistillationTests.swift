import Architectures
import ByteIO
import Calibration
import Checkpoints
import JSONText
import ModelLoading
import Parallelism
import Prompts
import TestSupport
import Testing
import Tokenization
import Training

@testable import Distillation

/// Constants and norms of the sample Llama in 4 bits, tuned to predict what the dense one predicts.
@Suite struct DistillationTests {
    /// Of a text such as the model was trained on, every fifth one held out.
    private static func samples(count: Int = 10) throws -> CalibrationSamples {
        let tokenizer = try Checkpoint.open(Fixture.sample("llama-hf")).tokenizer()
        let ids = tokenizer.encode(String(try Fixture.text(at: Fixture.sample("text/heldout.txt")).prefix(8000)))
        return CalibrationSamples((0..<count).map { .init(ids: Array(ids[40 * $0..<40 * ($0 + 1)]), isHeldOut: $0 % 5 == 4) })
    }

    private static func settings(rate: Double = 3e-3) -> DistillationSettings {
        var settings = DistillationSettings()
        (settings.rate, settings.normRate, settings.positionsPerStep) = (rate, rate / 2, 78)
        return settings
    }

    /// Runs until `stop` steps were taken, or to the end.
    private static func run(
        _ folder: String, threads: Int = 2, rate: Double = 3e-3, stop: Int? = nil, recomputes: Bool = false,
        subject: JSONObject = JSONObject(["calibrated": .string("x")])
    ) throws -> (ending: Distillation.Ending, losses: [Double]) {
        let distillation = try Distillation(on: try samples(), settings(rate: rate))
        #expect(distillation.stepCount == 4 && distillation.tokenCount == 320 && distillation.heldOutCount == 80)
        var losses: [Double] = []
        let ending = try distillation.run(
            LoadedModel(Checkpoint.open(Fixture.sample("llama-bnb4"))), teacher: LoadedModel(Checkpoint.open(Fixture.sample("llama-hf"))),
            recomputes: recomputes, folder: CheckpointFolder(path: folder), subject: subject,
            resources: ComputeResources(pool: WorkerPool(threadCount: threads)), isStopRequested: { losses.count == stop }
        ) { event in
            if case .stepped(let report, _) = event { losses.append(report.loss) }
        }
        return (ending, losses)
    }

    private static func finished(_ ending: Distillation.Ending) throws -> (TunedConstants, DistillationNote) {
        guard case .finished(let tuned, let note) = ending else { throw SupportError("it did not end: \(ending)") }
        return (tuned, note)
    }

    @Test func divergenceFallsAndWhatIsTunedIsNamed() throws {
        let folder = try TemporaryFolder()
        let (tuned, note) = try Self.finished(Self.run(folder.path("a")).ending)
        #expect(note.divergence < note.divergenceBefore && note.bestStep > 0 && note.stepCount == 4)
        #expect(note.weightCount == 28 && tuned.absmax.count == 28 && note.vectors.count == 9)
        #expect(note.vectors.contains("model.norm.weight") && tuned.vectors.keys.sorted() == note.vectors)
        #expect(note.tokenCount == 80 * note.bestStep)
        #expect(DistillationNote(note.document) == note)
        // What is kept in bfloat16 is rounded to it.
        #expect(tuned.vectors.values.joined().allSatisfy { $0.bitPattern & 0xffff == 0 })
    }

    /// A run that was stopped goes on to the same bits, on other threads, and with activations made again.
    @Test(arguments: [1, 3])
    func goesOnBitForBit(stop: Int) throws {
        let folder = try TemporaryFolder()
        let whole = try Self.run(folder.path("a"))
        let first = try Self.run(folder.path("b"), threads: 1, stop: stop)
        guard case .stopped(let path) = first.ending else { throw SupportError("\(first.ending)") }
        #expect(path?.hasSuffix("step-0000000\(stop).qtrain") == true && first.losses == Array(whole.losses[..<stop]))
        let rest = try Self.run(folder.path("b"), threads: 3, recomputes: true)
        #expect(first.losses + rest.losses == whole.losses)
        let (a, b) = (try Self.finished(whole.ending), try Self.finished(rest.ending))
        #expect(a.0 == b.0 && a.1 == b.1)
    }

    /// Steps that are far too large are not taken.
    @Test func takesNothingThatGainsNothing() throws {
        let folder = try TemporaryFolder()
        let (tuned, note) = try Self.finished(Self.run(folder.path("a"), rate: 3).ending)
        #expect(note.bestStep == 0 && note.weightCount == 0 && note.vectors.isEmpty && note.divergence == note.divergenceBefore)
        #expect(tuned == TunedConstants(absmax: [:], vectors: [:]))
    }

    @Test func refusesWhatItCannotGoOnFrom() throws {
        let folder = try TemporaryFolder()
        _ = try Self.run(folder.path("a"), stop: 1)
        let error = #expect(throws: FileError.self) {
            _ = try Self.run(folder.path("a"), subject: JSONObject(["calibrated": .string("y")]))
        }
        #expect(
            error?.message.contains("belongs to another run: calibrated was \"x\", but is \"y\"") == true, "\(error?.description ?? "")")
        for samples in [
            CalibrationSamples([.init(ids: [1, 2, 3], isHeldOut: false)]), CalibrationSamples([.init(ids: [1, 2], isHeldOut: true)]),
            CalibrationSamples([.init(ids: [1], isHeldOut: false), .init(ids: [1, 2], isHeldOut: true)]),
        ] {
            #expect(throws: ModelError.self) { _ = try Distillation(on: samples) }
        }
        let dense = try LoadedModel(Checkpoint.open(Fixture.sample("llama-hf")))
        let nothing = #expect(throws: FileError.self) {
            _ = try Distillation(on: Self.samples()).run(
                dense, teacher: dense, recomputes: false, folder: CheckpointFolder(path: folder.path("b")), subject: JSONObject([:]),
                resources: ComputeResources(pool: WorkerPool(threadCount: 1)), isStopRequested: { false }, observe: { _ in })
        }
        #expect(nothing?.message.contains("has no 4-bit weight of a linear layer") == true)
    }

    /// Bits of a note that a file of others may have.
    @Test func notesAreReadWholeOrNotAtAll() {
        #expect(DistillationNote(.object(["tokens": .integer(3)])) == nil && DistillationNote(.null) == nil)
    }
}
