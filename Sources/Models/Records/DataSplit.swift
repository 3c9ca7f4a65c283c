import TensorCore

/// Which records are learned from, which are kept to test with at the end, and which to watch with meanwhile.
package struct DataSplit: Equatable, Sendable {
    package enum Part: String, Sendable, CaseIterable {
        case train, test, validation
    }

    package let train: [Int]
    package let test: [Int]
    package let validation: [Int]

    /// Deals `count` records out by a permutation that depends on nothing but `seed` and `count`.
    ///
    /// - Parameter shares: of train and test; what is left is for validation. Their numbers are rounded down.
    package init(count: Int, shares: (train: Double, test: Double), seed: UInt64) {
        var random = RandomStreams.split(seed: seed)
        let order = random.permutation(of: count)
        // A share such as 0.1 is a little more or less than it says.
        func number(_ share: Double) -> Int { min(count, Int((Double(count) * share + 1e-6).rounded(.down))) }
        let trainCount = number(shares.train)
        let testCount = min(count - trainCount, number(shares.test))
        let isTrainAll = shares.train >= 1
        train = isTrainAll ? order : Array(order[..<trainCount])
        test = isTrainAll ? [] : Array(order[trainCount..<trainCount + testCount])
        validation = isTrainAll ? [] : Array(order[(trainCount + testCount)...])
    }

    package func indices(_ part: Part) -> [Int] {
        switch part {
        case .train: train
        case .test: test
        case .validation: validation
        }
    }
}
