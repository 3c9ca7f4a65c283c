package import ByteIO
package import Checkpoints
import JSONText

/// What a merged model says of the flips of its last merge.
package struct StatedFlips: Sendable {
    /// The weights that were flipped, as `FlipMerge` takes them.
    package let requantized: [String: Double]
    /// Names of the files that were read.
    package let texts: [String]
    /// Tokens that were asked for; nil where that is not told.
    package let tokenLimit: Int?
    /// Digest of the tokens.
    package let samples: String?

    /// Nil where the last step was no merge by flips.
    package init?(of merged: Checkpoint) throws(FileError) {
        guard let step = try MergeLineage.steps(of: merged).last, step["step"]?.string == "merge", let flips = step["flips"] else {
            return nil
        }
        var requantized: [String: Double] = [:]
        for row in step["report"]?["tensors"]?.array ?? [] where row["mu"] != nil {
            guard let name = row["name"]?.string, let share = row["requantized_survival"]?.double else { continue }
            requantized[name] = share
        }
        self.requantized = requantized
        texts = (flips["texts"]?.array ?? []).compactMap { $0["name"]?.string }
        tokenLimit = flips["token_limit"]?.integer
        samples = flips["samples"]?.string
    }
}
