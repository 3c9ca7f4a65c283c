import ByteIO
import CommandLineKit
import JSONText
import ModelToolSupport
import PromptSupport
import Prompts
import Records
import Streaming
import Tokenization
import ToolSupport
import Training

/// What the command line asks a run to be: checked, nothing opened yet.
struct TrainOptions {
    let model: ModelOptions
    let data: DataOptions
    let tuning: Tuning
    /// Layers to tune, as they were given.
    let targets: String
    let optimizer: OptimizerSettings
    let peakRate: Double
    let rateSchedule: LearningRate.Schedule
    let warmupCount: Int
    let clip: Double?
    /// What the loss of the routers counts; 0 for nothing.
    let routerWeight: Double
    let batchSize: Int
    let accumulation: Int
    let packs: Bool
    /// Steps where they are given, and otherwise how often each sample is learned.
    let stepCount: Int?
    let epochCount: Int
    let evaluationInterval: Int?
    /// Whether the output is what had the lowest validation loss.
    let keepsBest: Bool
    /// Evaluations without a lower validation loss that end the run.
    let patience: Int?
    let samplePrompts: [String]
    let recomputation: MemoryFit.Recomputation
    /// In bytes; nil for what is available.
    let memoryLimit: Int?
    let files: RunFiles

    /// What a run reads and writes besides the model and the data.
    struct RunFiles {
        let output: String
        /// Where base and adapter go in one.
        let merged: String?
        /// How many of the training samples go into the adapter, as text; nil for none.
        let sampleCount: Int?
        let log: String?
        let plot: String?
        /// An adapter, or a checkpoint, whose factors the run begins with.
        let start: String?
        let checkpoints: String
        /// Whether the folder of checkpoints was chosen.
        let hasOwnCheckpoints: Bool
        /// In steps; nil for none but where a run is stopped.
        let saveInterval: Int?
        let keptCheckpoints: Int
        let resumes: Bool
        /// Whether files that exist are replaced.
        let replaces: Bool

        init(_ arguments: ParsedArguments) throws {
            output = arguments.string(always: "output")
            merged = arguments.string("merge-into")
            sampleCount = arguments.integer("calibration-sample")
            log = arguments.string("log")
            plot = arguments.string("plot")
            start = arguments.string("init-from")
            hasOwnCheckpoints = arguments.isGiven("checkpoints")
            checkpoints = arguments.string("checkpoints") ?? output + ".checkpoints"
            saveInterval = arguments.integer("save-every")
            keptCheckpoints = arguments.integer(always: "keep")
            resumes = arguments.flag("resume")
            replaces = arguments.flag("force")
            // The last of two outputs of one name would replace the first, after all the work.
            let given = ["output", "merge-into", "plot", "log", "checkpoints"].compactMap { name in
                arguments.string(name).map { (name: name, path: $0) }
            }
            for (index, later) in given.enumerated() {
                guard let earlier = given[..<index].first(where: { $0.path == later.path }) else { continue }
                throw UsageError("--\(earlier.name) and --\(later.name) are both '\(later.path)'", hint: "give each its own file")
            }
        }
    }

    init(_ arguments: ParsedArguments) throws {
        let isFull = arguments.flag("full")
        if isFull {
            let given = ["rank", "alpha", "dropout", "targets", "rslora", "init-from", "calibration-sample"].filter(arguments.isGiven)
            guard given.isEmpty else {
                throw UsageError("--full trains all weights, so that --\(given[0]), which is for LoRA, has no meaning")
            }
        }
        guard !arguments.isGiven("steps") || !arguments.isGiven("epochs") else {
            throw UsageError("--steps and --epochs both say how long the run is", hint: "give one of them")
        }
        files = try RunFiles(arguments)
        model = ModelOptions(path: arguments.positional(always: "model"), threadCount: arguments.integer("threads"))
        data = try DataOptions(arguments)
        targets = arguments.string(always: "targets")
        tuning = isFull ? .full : .lowRank(try Self.lowRank(arguments, targets), seed: UInt64(data.seed))
        optimizer = OptimizerSettings(
            kind: .init(rawValue: arguments.string(always: "optimizer")) ?? .adamw, weightDecay: arguments.number(always: "weight-decay"))
        peakRate = arguments.number("lr") ?? (isFull ? 5e-5 : 2e-4)
        rateSchedule = .init(rawValue: arguments.string(always: "schedule")) ?? .cosine
        warmupCount = arguments.integer(always: "warmup")
        let clip = arguments.number(always: "clip")
        self.clip = clip > 0 ? clip : nil
        routerWeight = arguments.number(always: "router-loss")
        batchSize = arguments.integer(always: "batch-size")
        accumulation = arguments.integer(always: "accumulate")
        packs = arguments.flag("pack")
        stepCount = arguments.integer("steps")
        epochCount = arguments.integer(always: "epochs")
        evaluationInterval = arguments.integer("eval-every")
        keepsBest = arguments.flag("keep-best")
        patience = arguments.integer("patience")
        samplePrompts = arguments.strings("sample-prompt")
        recomputation = .init(rawValue: arguments.string(always: "checkpointing")) ?? .auto
        memoryLimit = arguments.byteCount("max-memory")
    }

    var seed: UInt64 { UInt64(data.seed) }

    /// The option, where one is given, that has no meaning without a validation split.
    var validationOption: String? { keepsBest ? "keep-best" : patience == nil ? nil : "patience" }

    var isFull: Bool { if case .full = tuning { true } else { false } }

    private static func lowRank(_ arguments: ParsedArguments, _ targets: String) throws -> LowRankSettings {
        let tunesExperts = targets.contains("experts")
        let dropout = arguments.isGiven("dropout") || !tunesExperts ? arguments.number(always: "dropout") : 0
        guard dropout == 0 || !tunesExperts else {
            throw UsageError(
                "--targets '\(targets)' tunes experts, and --dropout \(Float(dropout)) takes elements of their inputs, which PEFT cannot",
                hint: "leave --dropout out")
        }
        return LowRankSettings(
            rank: arguments.integer(always: "rank"), alpha: arguments.number(always: "alpha"), dropout: dropout,
            usesRSLoRA: arguments.flag("rslora"), tunesExperts: tunesExperts, isTarget: try isTarget(targets))
    }

    /// All linear layers, ends of names, or an expression; experts of a mixture only where the text names them.
    private static func isTarget(_ text: String) throws -> @Sendable (String) -> Bool {
        if text == "all-linear" { return { _ in true } }
        if text.contains(where: { "\\*+?^$|()[]{}".contains($0) }) {
            let pattern = try ParsedArguments.pattern(text, option: "targets")
            return { pattern.matches($0) }
        }
        let names = text.split(separator: ",").map { $0.trimmingSpaces }
        guard !names.isEmpty else { throw UsageError("--targets names no layer") }
        return { module in names.contains { module == $0 || module.hasSuffix("." + $0) } }
    }

    func schedule(_ lengths: [Int], maximumLength: Int) -> BatchSchedule {
        BatchSchedule(
            lengths: lengths, limit: packs ? .positions(batchSize * maximumLength) : .samples(batchSize), accumulation: accumulation,
            seed: seed)
    }

    func learningRate(stepCount: Int) throws -> LearningRate {
        guard warmupCount <= stepCount else { throw UsageError("--warmup takes \(warmupCount) steps, but the run has \(stepCount)") }
        return LearningRate(peak: peakRate, schedule: rateSchedule, warmupCount: warmupCount, stepCount: stepCount)
    }

    /// What decides the numbers of a run, by the names of the options.
    ///
    /// - Parameters:
    ///   - start: identifies the adapter whose factors the run began with; nil for new ones.
    ///   - evaluationInterval: decides nothing but what is best and when patience ends.
    func identity(
        data records: TrainingData, fingerprint: String, start: CRC32C?, stepCount: Int, evaluationInterval: Int
    ) -> RunIdentity {
        var members = JSONObject()
        members["model"] = .string(fingerprint)
        if let start { members["init-from"] = .string(start.description) }
        members["data"] = .string(records.set.checksum.description)
        members["template"] = .string(records.template.identity(on: data.prompts.date))
        if !data.prompts.variables.members.isEmpty { members["template-option"] = .object(data.prompts.variables) }
        members["train-on"] = .string(data.lesson.rawValue)
        members["split"] = .string(data.split)
        members["optimizer"] = .string(optimizer.kind.rawValue)
        members["schedule"] = .string(rateSchedule.rawValue)
        members["swap-instruction-and-response"] = .bool(data.swaps)
        members["max-length"] = .integer(records.lengthLimit)
        members["batch-size"] = .integer(batchSize)
        members["accumulate"] = .integer(accumulation)
        members["pack"] = .bool(packs)
        members["seed"] = .integer(data.seed)
        members["lr"] = .double(peakRate)
        members["warmup"] = .integer(warmupCount)
        members["weight-decay"] = .double(optimizer.weightDecay)
        members["clip"] = .double(clip ?? 0)
        if routerWeight > 0 { members["router-loss"] = .double(routerWeight) }
        members["steps"] = .integer(stepCount)
        if keepsBest { members["keep-best"] = .bool(true) }
        if let patience { members["patience"] = .integer(patience) }
        if validationOption != nil { members["eval-every"] = .integer(evaluationInterval) }
        members["full"] = .bool(isFull)
        guard case .lowRank(let settings, _) = tuning else { return RunIdentity(members) }
        members["rank"] = .integer(settings.rank)
        members["alpha"] = .double(settings.alpha)
        members["dropout"] = .double(settings.dropout)
        members["targets"] = .string(targets)
        members["rslora"] = .bool(settings.usesRSLoRA)
        return RunIdentity(members)
    }
}

extension Substring {
    /// Without spaces at both ends.
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
