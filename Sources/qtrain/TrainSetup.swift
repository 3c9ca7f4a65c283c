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
    let test: [Batch]
    let positionLimit: Int
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
                "\(data.set.path): none of its \(data.set.records.count) records is left to learn from",
                hint: "--split gives the shares of training, testing and validation; --max-length may cut all there is to learn")
        }
        let validation = TrainingData.batches(try data.samples(.validation, console).samples, size: settings.batchSize)
        test = TrainingData.batches(try data.samples(.test, console).samples, size: settings.batchSize)
        let lengths = samples.samples.map { $0.tokens.count - 1 }
        let schedule = settings.schedule(lengths, maximumLength: data.lengthLimit)
        var beginning = schedule
        firstBatch = beginning.next().batches[0]
        let stepCount = arguments.integer("steps") ?? schedule.stepCount(epochs: arguments.integer(always: "epochs"))
        positionLimit = max(
            Self.positionLimit(lengths, settings, data.lengthLimit), (validation + test).reduce(0) { max($0, $1.positionCount) })
        let longest = max(lengths.max() ?? 1, (validation + test).reduce(0) { max($0, $1.longestSampleCount) })
        let pool = WorkerPool(threadCount: arguments.integer("threads"))
        resources = ComputeResources(pool: pool)
        let network = try Network(loaded, tuning: settings.tuning)
        guard !network.parameters.slots.isEmpty else {
            throw UsageError(
                "--targets '\(arguments.string(always: "targets"))' selects no layer of this model",
                hint: "its layers are named like '\(loaded.configuration.linearModules.first ?? "")'")
        }
        let sizes = (positionLimit: positionLimit, longest: longest, workers: pool.threadCount)
        let (recomputes, memory) = try Self.fit(network, loaded, settings, arguments, sizes)
        self.memory = memory
        model = try TrainableModel(
            network, positionLimit: positionLimit, longestSample: longest, recomputes: recomputes, resources: resources)
        let fingerprint = try loaded.checkpoint.weightFingerprint()
        self.fingerprint = fingerprint
        let start = try arguments.string("init-from").map { try Self.initialAdapter($0, of: loaded, fingerprint, console) }
        if let start { try model.start(from: start) }
        inputs = loaded.checkpoint.inputFiles + [try InputFile(path: data.set.path)] + (start?.files ?? [])
        let folder = CheckpointFolder(path: arguments.string("checkpoints") ?? arguments.string(always: "output") + ".checkpoints")
        let optimizer = try Optimizer(
            settings.optimizer, parameterCount: model.parameters.values.count,
            folder: FilePath.folder(of: arguments.string(always: "output")))
        trainer = Trainer(
            model, optimizer: optimizer, learningRate: try settings.learningRate(arguments, stepCount: stepCount), clip: settings.clip,
            seed: settings.seed, pool: pool)
        let identity = settings.identity(
            arguments, data: data, fingerprint: fingerprint, start: try start.map { adapter in try Self.checksum(adapter) },
            stepCount: stepCount)
        run = TrainingRun(
            trainer, schedule: schedule, samples: samples.samples, validation: validation,
            plan: .init(
                stepCount: stepCount, evaluationInterval: arguments.integer("eval-every") ?? max(1, stepCount / 10),
                checkpointInterval: arguments.integer("save-every"), keptCheckpoints: arguments.integer(always: "keep")),
            folder: folder, identity: identity)
    }

    /// Positions of the largest batch there can be.
    private static func positionLimit(_ lengths: [Int], _ settings: TrainSettings, _ maximumLength: Int) -> Int {
        let largest = lengths.sorted(by: >).prefix(settings.batchSize).reduce(0, +)
        return settings.packs ? max(lengths.max() ?? 1, settings.batchSize * maximumLength) : largest
    }

    /// Whether activations are recomputed, and the memory that the run then takes.
    ///
    /// - Throws: where it does not fit, with what would make it fit.
    private static func fit(
        _ network: Network, _ loaded: LoadedModel, _ settings: TrainSettings, _ arguments: ParsedArguments,
        _ sizes: (positionLimit: Int, longest: Int, workers: Int)
    ) throws -> (recomputes: Bool, memory: TrainingMemory) {
        func estimate(_ recomputes: Bool) -> TrainingMemory {
            TrainingMemory(
                network, baseByteCount: loaded.checkpoint.storedByteCount, optimizer: settings.optimizer,
                positionLimit: sizes.positionLimit,
                longestSample: sizes.longest, recomputes: recomputes, workerCount: sizes.workers)
        }
        let limit = arguments.byteCount("max-memory") ?? AvailableMemory.byteCount ?? .max
        let kept = estimate(false), recomputed = estimate(true)
        let choice = arguments.string(always: "checkpointing")
        let recomputes = choice == "on" || (choice == "auto" && kept.total > limit)
        let chosen = recomputes ? recomputed : kept
        guard chosen.total <= limit else {
            let hint =
                !recomputes && recomputed.total <= limit
                ? "--checkpointing on needs \(NumberText.byteCount(recomputed.total))"
                : "a smaller --batch-size or --max-length needs less; activations of a batch take \(NumberText.byteCount(chosen.activations))"
            throw Failure(
                "the run needs about \(NumberText.byteCount(chosen.total)) of memory, but \(NumberText.byteCount(limit)) are available",
                hint: hint)
        }
        return (recomputes, chosen)
    }

    /// Of all bytes of an adapter.
    private static func checksum(_ adapter: Adapter) throws(FileError) -> CRC32C {
        var checksum = CRC32C()
        for file in adapter.files { checksum.append(try file.allBytes(limit: .max)) }
        return checksum
    }

    /// The adapter of `--init-from`; one of other weights is refused, one that does not say is taken with a note.
    private static func initialAdapter(
        _ path: String, of loaded: LoadedModel, _ fingerprint: String, _ console: Console
    ) throws -> Adapter {
        let adapter = try console.openAdapter(path)
        guard let stated = adapter.baseFingerprint else {
            console.note("\(path) does not say which weights it was trained on, so that nothing can be compared")
            return adapter
        }
        guard stated == fingerprint else {
            throw FileError(
                path,
                "was trained on weights with the fingerprint \(stated.prefix(15))..., but that of \(loaded.checkpoint.path) is "
                    + "\(fingerprint.prefix(15))...",
                hint: "train on top of the same weights, or leave out --init-from to begin with new factors")
        }
        return adapter
    }
}
