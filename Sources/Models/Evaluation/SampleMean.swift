/// Mean and spread of numbers that come one by one, in constant memory (Welford's way: no cancellation).
package struct SampleMean: Hashable, Sendable {
    package private(set) var count = 0
    /// Zero of no numbers.
    package private(set) var mean = 0.0
    private var squaredDeviations = 0.0

    package init() {}

    package mutating func add(_ value: Double) {
        count += 1
        let deviation = value - mean
        mean += deviation / Double(count)
        squaredDeviations += deviation * (value - mean)
    }

    /// Of the mean: the sample's standard deviation over the square root of the count. It takes the numbers for independent;
    /// neighbouring tokens are not quite, so the truth is somewhat larger. NaN of fewer than two numbers.
    package var standardError: Double {
        guard count > 1 else { return .nan }
        return (squaredDeviations / Double(count - 1) / Double(count)).squareRoot()
    }
}
