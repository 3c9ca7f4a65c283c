import CommandLineKit
import Training

/// What a run takes of memory, and which options would have it take less.
struct MemoryFit {
    let network: Network
    let baseByteCount: Int
    let optimizer: OptimizerSettings
    let keepsBest: Bool
    /// Positions of each sample that is learned, and of each that is only evaluated.
    let lengths: [Int]
    let heldOut: [Int]
    let packs: Bool
    let batchSize: Int
    /// Tokens of a sample at most.
    let lengthLimit: Int
    let workerCount: Int

    /// Whether activations are computed again instead of kept.
    enum Recomputation: String, CaseIterable {
        /// Where memory is short.
        case auto
        case on, off
    }

    /// The settings on which a batch's memory depends.
    struct Size {
        var batchSize: Int
        var lengthLimit: Int
        var recomputes: Bool
    }

    /// Positions of the longest sample.
    func longest(_ size: Size) -> Int { min(size.lengthLimit, max(1, lengths.max() ?? 1, heldOut.max() ?? 1)) }

    /// Positions of the largest batch there can be.
    func positionLimit(_ size: Size) -> Int {
        func largest(_ lengths: [Int]) -> Int {
            lengths.map { min($0, size.lengthLimit) }.sorted(by: >).prefix(size.batchSize).reduce(0, +)
        }
        let learned = packs ? max(longest(size), size.batchSize * size.lengthLimit) : largest(lengths)
        return max(1, learned, largest(heldOut))
    }

    func estimate(_ size: Size) -> TrainingMemory {
        TrainingMemory(
            network, baseByteCount: baseByteCount, optimizer: optimizer, keepsBest: keepsBest, positionLimit: positionLimit(size),
            longestSample: longest(size), recomputes: size.recomputes, workerCount: workerCount)
    }

    /// Whether activations are recomputed, and the memory that the run then takes.
    ///
    /// - Throws: where it does not fit, with what would make it fit.
    func choose(_ recomputation: Recomputation, limit: Int) throws(Failure) -> (recomputes: Bool, memory: TrainingMemory) {
        var size = Size(batchSize: batchSize, lengthLimit: lengthLimit, recomputes: recomputation == .on)
        if recomputation == .auto, estimate(size).total > limit { size.recomputes = true }
        let memory = estimate(size)
        guard memory.total > limit else { return (size.recomputes, memory) }
        throw Failure(
            "the run needs about \(NumberText.byteCount(memory.total)) of memory, but \(NumberText.byteCount(limit)) are available",
            hint: hint(limit: limit))
    }

    /// The mildest of the options that are enough: first those that change no result, then smaller batches, then shorter samples.
    private func hint(limit: Int) -> String {
        var size = Size(batchSize: batchSize, lengthLimit: lengthLimit, recomputes: true)
        var options = ["--checkpointing on"]
        while true {
            let needed = estimate(size).total
            if needed <= limit { return "\(options.joined(separator: " ")) needs \(NumberText.byteCount(needed))" }
            if size.batchSize > 1 {
                size.batchSize = (size.batchSize + 1) / 2
                options = ["--checkpointing on", "--batch-size \(size.batchSize)"]
            } else if size.lengthLimit > Self.shortestLimit {
                size.lengthLimit = max(Self.shortestLimit, min(size.lengthLimit, longest(size)) / 2)
                options = ["--checkpointing on", "--batch-size 1", "--max-length \(size.lengthLimit)"]
            } else {
                let other = optimizer.kind == .adamw ? ", and --optimizer adamw8bit takes less for the moments" : ""
                return "even with \(options.joined(separator: " ")) it needs \(NumberText.byteCount(needed))\(other)"
            }
        }
    }

    /// Samples shorter than this teach little.
    private static let shortestLimit = 64
}
