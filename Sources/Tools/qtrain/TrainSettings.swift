import ByteIO
import CommandLineKit
import JSONText
import Operations
import Tokenization
import ToolSupport
import Training

/// What the command line asks a run to be: checked, nothing opened yet.
struct TrainSettings {
    let tuning: Tuning
    let optimizer: OptimizerSettings
    let peakRate: Double
    let clip: Double?
    let batchSize: Int
    let accumulation: Int
    let packs: Bool
    let seed: UInt64
    /// Whether the output is what had the lowest validation loss.
    let keepsBest: Bool
    /// Evaluations without a lower validation loss that end the run.
    let patience: Int?

    init(_ arguments: ParsedArguments) throws {
        seed = UInt64(arguments.integer(always: "seed"))
        let isFull = arguments.flag("full")
        if isFull {
            let given = ["rank", "alpha", "dropout", "targets", "rslora", "init-from"].filter(arguments.isGiven)
            guard given.isEmpty else {
                throw UsageError("--full trains all weights, so that --\(given[0]), which is for LoRA, has no meaning")
            }
        }
        guard !arguments.isGiven("steps") || !arguments.isGiven("epochs") else {
            throw UsageError("--steps and --epochs both say how long the run is", hint: "give one of them")
        }
        try Self.checkOutputs(arguments)
        tuning = isFull ? .full : .lowRank(try Self.lowRank(arguments), seed: seed)
        optimizer = OptimizerSettings(
            kind: .init(rawValue: arguments.string(always: "optimizer")) ?? .adamw, weightDecay: arguments.number(always: "weight-decay"))
        peakRate = arguments.number("lr") ?? (isFull ? 5e-5 : 2e-4)
        let clip = arguments.number(always: "clip")
        self.clip = clip > 0 ? clip : nil
        batchSize = arguments.integer(always: "batch-size")
        accumulation = arguments.integer(always: "accumulate")
        packs = arguments.flag("pack")
        keepsBest = arguments.flag("keep-best")
        patience = arguments.integer("patience")
    }

    /// The option, where one is given, that has no meaning without a validation split.
    var validationOption: String? { keepsBest ? "keep-best" : patience == nil ? nil : "patience" }

    var isFull: Bool { if case .full = tuning { true } else { false } }

    /// The last of two outputs of one name would replace the first, after all the work.
    private static func checkOutputs(_ arguments: ParsedArguments) throws {
        let given = ["output", "plot", "log", "checkpoints"].compactMap { name in arguments.string(name).map { (name: name, path: $0) } }
        for (index, later) in given.enumerated() {
            guard let earlier = given[..<index].first(where: { $0.path == later.path }) else { continue }
            throw UsageError("--\(earlier.name) and --\(later.name) are both '\(later.path)'", hint: "give each its own file")
        }
    }

    private static func lowRank(_ arguments: ParsedArguments) throws -> LowRankSettings {
        LowRankSettings(
            rank: arguments.integer(always: "rank"), alpha: arguments.number(always: "alpha"), dropout: arguments.number(always: "dropout"),
            usesRSLoRA: arguments.flag("rslora"), isTarget: try targets(arguments.string(always: "targets")))
    }

    /// All linear layers, ends of names, or an expression.
    private static func targets(_ text: String) throws -> @Sendable (String) -> Bool {
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

    func learningRate(_ arguments: ParsedArguments, stepCount: Int) throws -> LearningRate {
        let warmup = arguments.integer(always: "warmup")
        guard warmup <= stepCount else { throw UsageError("--warmup takes \(warmup) steps, but the run has \(stepCount)") }
        return LearningRate(
            peak: peakRate, schedule: .init(rawValue: arguments.string(always: "schedule")) ?? .cosine, warmupCount: warmup,
            stepCount: stepCount)
    }

    /// What decides the numbers of a run, by the names of the options.
    ///
    /// - Parameters:
    ///   - start: identifies the adapter whose factors the run began with; nil for new ones.
    ///   - evaluationInterval: decides nothing but what is best and when patience ends.
    func identity(
        _ arguments: ParsedArguments, data: TrainingData, fingerprint: String, start: CRC32C?, stepCount: Int, evaluationInterval: Int
    ) -> RunIdentity {
        var members = JSONObject()
        members["model"] = .string(fingerprint)
        if let start { members["init-from"] = .string(start.description) }
        members["data"] = .string(data.set.checksum.description)
        members["template"] = .string(data.template.name.rawValue)
        for name in ["train-on", "split", "optimizer", "schedule"] { members[name] = .string(arguments.string(always: name)) }
        members["swap-instruction-and-response"] = .bool(arguments.flag("swap-instruction-and-response"))
        members["max-length"] = .integer(data.lengthLimit)
        members["batch-size"] = .integer(batchSize)
        members["accumulate"] = .integer(accumulation)
        members["pack"] = .bool(packs)
        members["seed"] = .integer(arguments.integer(always: "seed"))
        members["lr"] = .double(peakRate)
        members["warmup"] = .integer(arguments.integer(always: "warmup"))
        members["weight-decay"] = .double(optimizer.weightDecay)
        members["clip"] = .double(clip ?? 0)
        members["steps"] = .integer(stepCount)
        if keepsBest { members["keep-best"] = .bool(true) }
        if let patience { members["patience"] = .integer(patience) }
        if validationOption != nil { members["eval-every"] = .integer(evaluationInterval) }
        members["full"] = .bool(isFull)
        guard !isFull else { return RunIdentity(members) }
        members["rank"] = .integer(arguments.integer(always: "rank"))
        members["alpha"] = .double(arguments.number(always: "alpha"))
        members["dropout"] = .double(arguments.number(always: "dropout"))
        members["targets"] = .string(arguments.string(always: "targets"))
        members["rslora"] = .bool(arguments.flag("rslora"))
        return RunIdentity(members)
    }
}

extension Substring {
    /// Without spaces at both ends.
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
