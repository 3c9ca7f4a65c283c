package import Architectures
package import Tokenization

/// Tokens that a model is run on to see its inputs: windows of a text, each read by itself from its first token on.
package struct CalibrationSamples: Sendable {
    package struct Sample: Sendable, Hashable {
        package let ids: [TokenID]
        /// Kept out of the moments, to judge by.
        package let isHeldOut: Bool

        package init(ids: [TokenID], isHeldOut: Bool) {
            self.ids = ids
            self.isHeldOut = isHeldOut
        }
    }

    package let samples: [Sample]

    package static let defaultWindow = 512
    /// One window of so many is held out, and at least one.
    private static let heldOutShare = 10

    private static let whyTwo = "one is to calibrate with, and one to judge by"

    package init(_ samples: [Sample]) { self.samples = samples }

    /// Cuts texts into windows of the same length, what is left at the end of a text unused, and takes as many as are asked for, evenly
    /// spread over all of them; of these every tenth or so is held out, evenly spread as well.
    ///
    /// - Parameters:
    ///   - texts: ids of each text without what the tokenizer puts around it.
    ///   - beginning: what it puts before a text: every window begins with it.
    ///   - tokenLimit: tokens at most, `beginning` included; nil for all that there are.
    /// - Throws: where there are fewer than two windows.
    package init(
        texts: [[TokenID]], beginning: [TokenID], window: Int = defaultWindow, tokenLimit: Int?
    ) throws(ModelError) {
        guard window > beginning.count else {
            throw ModelError("a window of \(window) tokens has no room after the \(beginning.count) that begin every text")
        }
        let step = window - beginning.count
        let windows = texts.flatMap { ids in
            stride(from: 0, through: ids.count - step, by: step).map { beginning + ids[$0..<$0 + step] }
        }
        if let tokenLimit, tokenLimit / window < 2 {
            throw ModelError("\(tokenLimit) tokens are no two windows of \(window)", hint: Self.whyTwo)
        }
        guard windows.count >= 2 else {
            let count = texts.reduce(0) { $0 + $1.count }
            throw ModelError(
                "the text has \(count) tokens, but calibrating takes two windows of \(window) at least",
                hint: Self.whyTwo + "; give more text, best of several kinds")
        }
        let chosen = Self.spread(min(tokenLimit.map { $0 / window } ?? .max, windows.count), over: windows.count)
        let heldOut = Set(Self.spread(max(1, (chosen.count + Self.heldOutShare / 2) / Self.heldOutShare), over: chosen.count))
        samples = chosen.enumerated().map { Sample(ids: windows[$1], isHeldOut: heldOut.contains($0)) }
    }

    /// `count` indices below `all`, the middles of as many equal parts.
    private static func spread(_ count: Int, over all: Int) -> [Int] { (0..<count).map { ((2 * $0 + 1) * all) / (2 * count) } }

    package var longest: Int { samples.map(\.ids.count).max() ?? 0 }
    package var tokenCount: Int { samples.reduce(0) { $0 + $1.ids.count } }
    package var heldOutCount: Int { samples.reduce(0) { $0 + ($1.isHeldOut ? $1.ids.count : 0) } }
    /// In the moments.
    package var calibratingCount: Int { tokenCount - heldOutCount }
}
