import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import Parallelism
import ToolSupport
import Training

/// A run that is ready to go: memory planned, first factors drawn, schedule known.
struct TrainSetup {
    let settings: TrainSettings
    let arguments: ParsedArguments
    let loaded: LoadedModel
    let data: TrainingData
    let model: TrainableModel
    let resources: ComputeResources
    let trainer: Trainer
    let run: TrainingRun
    let memory: TrainingMemory
    let fingerprint: String
    let samples: SampleEncoder.Outcome
    /// What became of the records of each part.
    let outcomes: [(part: DataSplit.Part, outcome: SampleEncoder.Outcome)]
    let test: [Batch]
    /// The files that are read, which no output may replace.
    let inputs: [InputFile]
    /// Samples of the first batch.
    let firstBatch: [Int]

    init(
        _ loaded: LoadedModel, _ data: TrainingData, _ settings: TrainSettings, _ arguments: ParsedArguments, _ console: Console
    ) throws {
        self.settings = settings
        self.arguments = arguments
        self.loaded = loaded
        self.data = data
        samples = try data.samples(.train, console)
        guard !samples.samples.isEmpty else {
            throw Failure(
                "\(data.set.path): none of its \(data.count) \(data.unit) is left to learn from",
                hint: "--split gives the shares of training, testing and validation; --max-length may cut all there is to learn")
        }
        let validationOutcome = try data.samples(.validation, console), testOutcome = try data.samples(.test, console)
        outcomes = [(.train, samples), (.validation, validationOutcome), (.test, testOutcome)]
        let watched = validationOutcome.samples, kept = testOutcome.samples
        let validation = TrainingData.batches(watched, size: settings.batchSize)
        test = TrainingData.batches(kept, size: settings.batchSize)
        if let option = settings.validationOption, validation.isEmpty {
            throw UsageError(
                "--\(option) goes by the validation loss, but no \(data.unit) are in the validation split",
                hint: "--split gives the shares of training, testing and validation")
        }
        let lengths = samples.samples.map { $0.tokens.count - 1 }
        let schedule = settings.schedule(lengths, maximumLength: data.lengthLimit)
        var beginning = schedule
        firstBatch = beginning.next().batches[0]
        let stepCount = arguments.integer("steps") ?? schedule.stepCount(epochs: arguments.integer(always: "epochs"))
        let pool = WorkerPool(threadCount: arguments.integer("threads"))
        resources = ComputeResources(pool: pool)
        let network = try Network(loaded, tuning: settings.tuning)
        guard !network.parameters.slots.isEmpty else {
            throw UsageError(
                "--targets '\(arguments.string(always: "targets"))' selects no layer of this model",
                hint: "its layers are named like '\(loaded.configuration.linearModules.first ?? "")'")
        }
        let fit = MemoryFit(
            network: network, baseByteCount: loaded.checkpoint.storedByteCount, optimizer: settings.optimizer,
            keepsBest: settings.keepsBest, lengths: lengths,
            heldOut: (watched + kept).map { $0.tokens.count - 1 }, packs: settings.packs, batchSize: settings.batchSize,
            lengthLimit: data.lengthLimit, workerCount: pool.threadCount)
        let (recomputes, memory) = try fit.choose(
            checkpointing: arguments.string(always: "checkpointing"),
            limit: arguments.byteCount("max-memory") ?? AvailableMemory.byteCount ?? .max)
        self.memory = memory
        let size = MemoryFit.Size(batchSize: settings.batchSize, lengthLimit: data.lengthLimit, recomputes: recomputes)
        model = try TrainableModel(
            network, positionLimit: fit.positionLimit(size), longestSample: fit.longest(size), recomputes: recomputes,
            resources: resources)
        let fingerprint = try loaded.checkpoint.weightFingerprint()
        self.fingerprint = fingerprint
        let start = try arguments.string("init-from").map { try RunStart($0, of: loaded, fingerprint, console) }
        inputs = loaded.checkpoint.inputFiles + [try InputFile(path: data.set.path)] + (start?.files ?? [])
        let folder = CheckpointFolder(path: arguments.string("checkpoints") ?? arguments.string(always: "output") + ".checkpoints")
        let optimizer = try Optimizer(
            settings.optimizer, parameterCount: model.parameters.values.count,
            folder: FilePath.folder(of: arguments.string(always: "output")))
        trainer = Trainer(
            model, optimizer: optimizer, learningRate: try settings.learningRate(arguments, stepCount: stepCount), clip: settings.clip,
            seed: settings.seed, pool: pool)
        let evaluationInterval = arguments.integer("eval-every") ?? max(1, stepCount / 10)
        let identity = settings.identity(
            arguments, data: data, fingerprint: fingerprint, start: try start?.checksum(), stepCount: stepCount,
            evaluationInterval: evaluationInterval)
        try start?.apply(to: model, identity: identity)
        run = TrainingRun(
            trainer, schedule: schedule, samples: samples.samples, validation: validation,
            plan: .init(
                stepCount: stepCount, evaluationInterval: evaluationInterval, checkpointInterval: arguments.integer("save-every"),
                keptCheckpoints: arguments.integer(always: "keep"), patience: settings.patience),
            folder: folder, identity: identity, best: settings.keepsBest ? try BestParameters(of: model.parameters) : nil)
    }
}
