import TensorCore

/// Which samples each step learns from: a function of seed and step, so that a run can go on from any step.
package struct BatchSchedule: Sendable {
    /// One optimizer step: batches whose gradients are added.
    package struct Step: Equatable, Sendable {
        package let epoch: Int
        /// Indices of samples, a list for each batch.
        package let batches: [[Int]]
    }

    /// What limits a batch.
    package enum Limit: Sendable {
        case samples(Int)
        /// As many samples as fit into so many positions, at least one.
        case positions(Int)
    }

    private let lengths: [Int]
    private let limit: Limit
    private let accumulation: Int
    private let seed: UInt64
    private var epoch = 0
    private var pending: ArraySlice<Step>

    /// - Parameters:
    ///   - lengths: positions of each sample; there is at least one sample.
    ///   - accumulation: batches of a step; the last step of an epoch may have fewer.
    package init(lengths: [Int], limit: Limit, accumulation: Int, seed: UInt64) {
        precondition(!lengths.isEmpty && accumulation > 0, "a schedule has samples and batches")
        self.lengths = lengths
        self.limit = limit
        self.accumulation = accumulation
        self.seed = seed
        pending = []
        pending = steps(ofEpoch: 0)[...]
    }

    /// Steps of `epochs` epochs.
    package func stepCount(epochs: Int) -> Int {
        if case .samples(let count) = limit {
            let batches = (lengths.count + count - 1) / count
            return epochs * ((batches + accumulation - 1) / accumulation)
        }
        return (0..<epochs).reduce(0) { $0 + steps(ofEpoch: $1).count }
    }

    package mutating func next() -> Step {
        while true {
            if let step = pending.popFirst() { return step }
            epoch += 1
            pending = steps(ofEpoch: epoch)[...]
        }
    }

    /// Leaves out the first `count` steps.
    package mutating func skip(_ count: Int) {
        for _ in 0..<count { _ = next() }
    }

    private func steps(ofEpoch epoch: Int) -> [Step] {
        var random = RandomStreams.order(seed: seed, epoch: epoch)
        let batches = batches(of: random.permutation(of: lengths.count))
        return stride(from: 0, to: batches.count, by: accumulation).map {
            Step(epoch: epoch, batches: Array(batches[$0..<min($0 + accumulation, batches.count)]))
        }
    }

    private func batches(of order: [Int]) -> [[Int]] {
        var batches: [[Int]] = []
        var batch: [Int] = []
        var positions = 0
        for index in order {
            let isFull =
                switch limit {
                case .samples(let count): batch.count >= count
                case .positions(let count): positions + lengths[index] > count
                }
            if isFull, !batch.isEmpty {
                batches.append(batch)
                batch = []
                positions = 0
            }
            batch.append(index)
            positions += lengths[index]
        }
        batches.append(batch)
        return batches
    }
}
