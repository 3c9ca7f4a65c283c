import Adapters
import Architectures
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import ModelToolSupport
import Parallelism
import Records
import ToolSupport
import Training

/// A run that is ready to go: memory planned, first factors drawn, schedule known.
struct TrainSetup {
    let options: TrainOptions
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

    init(_ loaded: LoadedModel, _ data: TrainingData, _ options: TrainOptions, _ console: Console) throws {
        self.options = options
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
        let validation = TrainingData.batches(watched, size: options.batchSize)
        test = TrainingData.batches(kept, size: options.batchSize)
        if let option = options.validationOption, validation.isEmpty {
            throw UsageError(
                "--\(option) goes by the validation loss, but no \(data.unit) are in the validation split",
                hint: "--split gives the shares of training, testing and validation")
        }
        let lengths = samples.samples.map { $0.tokens.count - 1 }
        let schedule = options.schedule(lengths, maximumLength: data.lengthLimit)
        var beginning = schedule
        firstBatch = beginning.next().batches[0]
        let stepCount = options.stepCount ?? schedule.stepCount(epochs: options.epochCount)
        let pool = WorkerPool(threadCount: options.model.threadCount)
        resources = ComputeResources(pool: pool)
        guard options.routerWeight == 0 || loaded.configuration.mixture != nil else {
            throw UsageError("--router-loss is for mixtures of experts, and \(options.model.path) is none")
        }
        let network = try Network(loaded, tuning: options.tuning)
        guard !network.parameters.slots.isEmpty else {
            throw UsageError(
                "--targets '\(options.targets)' selects no layer of this model",
                hint: "its layers are named like '\(loaded.configuration.linearModules.first ?? "")'"
                    + (loaded.configuration.expertParameters.first.map { ", its experts '\($0.name)'" } ?? ""))
        }
        let fit = MemoryFit(
            network: network, baseByteCount: loaded.checkpoint.storedByteCount, optimizer: options.optimizer,
            keepsBest: options.keepsBest, lengths: lengths,
            heldOut: (watched + kept).map { $0.tokens.count - 1 }, packs: options.packs, batchSize: options.batchSize,
            lengthLimit: data.lengthLimit, workerCount: pool.threadCount)
        let (recomputes, memory) = try fit.choose(
            options.recomputation, limit: options.memoryLimit ?? AvailableMemory.byteCount ?? .max)
        self.memory = memory
        let size = MemoryFit.Size(batchSize: options.batchSize, lengthLimit: data.lengthLimit, recomputes: recomputes)
        model = try TrainableModel(
            network, positionLimit: fit.positionLimit(size), longestSample: fit.longest(size), recomputes: recomputes,
            resources: resources)
        let fingerprint = try loaded.checkpoint.weightFingerprint()
        self.fingerprint = fingerprint
        let start = try options.files.start.map { try RunStart($0, of: loaded, fingerprint, console) }
        inputs = loaded.checkpoint.inputFiles + [try InputFile(path: data.set.path)] + (start?.files ?? [])
        let folder = CheckpointFolder(path: options.files.checkpoints)
        let optimizer = try Optimizer(
            options.optimizer, parameterCount: model.parameters.values.count,
            folder: FilePath.folder(of: options.files.output))
        trainer = Trainer(
            model, optimizer: optimizer, learningRate: try options.learningRate(stepCount: stepCount), clip: options.clip,
            routerWeight: options.routerWeight, seed: options.seed, pool: pool)
        let evaluationInterval = options.evaluationInterval ?? max(1, stepCount / 10)
        let identity = options.identity(
            data: data, fingerprint: fingerprint, start: try start?.checksum(), stepCount: stepCount,
            evaluationInterval: evaluationInterval)
        try start?.apply(to: model, identity: identity)
        run = TrainingRun(
            trainer, schedule: schedule, samples: samples.samples, validation: validation,
            plan: .init(
                stepCount: stepCount, evaluationInterval: evaluationInterval, checkpointInterval: options.files.saveInterval,
                keptCheckpoints: options.files.keptCheckpoints, patience: options.patience),
            folder: folder, identity: identity, best: options.keepsBest ? try BestParameters(of: model.parameters) : nil)
    }
}
