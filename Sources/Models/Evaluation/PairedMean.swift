/// Mean of the differences of two measurements of the same tokens, with an error that knows that neighbours are alike.
///
///     d_w, n_w  sum and number of the differences of window w        N = sum of n_w        m = sum of d_w / N
///
///     error by windows = root of W / (W - 1) sum of (d_w - m n_w)^2 / N
package struct PairedMean: Sendable, Hashable {
    private var tokens = SampleMean()
    private var windows: [Window] = []

    private struct Window: Hashable {
        var sum = 0.0
        var count = 0.0
    }

    /// With fewer windows their spread is not known well enough.
    private static let leastWindowCount = 10

    package init() {}

    /// What is added from here on belongs together.
    package mutating func beginWindow() { windows.append(Window()) }

    package mutating func add(_ difference: Double) {
        if windows.isEmpty { beginWindow() }
        tokens.add(difference)
        windows[windows.count - 1].sum += difference
        windows[windows.count - 1].count += 1
    }

    package var mean: Double { tokens.mean }

    /// Of the mean: that of the tokens, or that of the windows where they are many and it is larger. NaN of fewer than two tokens.
    package var standardError: Double {
        let used = windows.filter { $0.count > 0 }, count = Double(used.count)
        guard used.count >= Self.leastWindowCount else { return tokens.standardError }
        let squares = used.reduce(0) { sum, window in
            let deviation = window.sum - mean * window.count
            return sum + deviation * deviation
        }
        return max(tokens.standardError, (count / (count - 1) * squares).squareRoot() / Double(tokens.count))
    }

    /// Errors that a difference has to be away from zero to count as one; by chance one in twenty is.
    package static let significance = 1.96

    package var isSignificant: Bool { abs(mean) > Self.significance * standardError }
}
