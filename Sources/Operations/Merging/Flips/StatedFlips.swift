package import ByteIO
package import Checkpoints
import JSONText

/// What a merged model says of the text of its last merge: one that codes were flipped on, or chosen by.
package struct StatedFlips: Sendable {
    /// Whether codes were chosen by calibration, of the weights of a reference.
    package let isCalibrated: Bool
    /// The weights that were flipped, as `FlipMerge` takes them.
    package let requantized: [String: Double]
    /// Names of the files that were read.
    package let texts: [String]
    /// Tokens that were asked for; nil where that is not told.
    package let tokenLimit: Int?
    /// Digest of the tokens.
    package let samples: String?

    /// Nil where the last step was no merge with a text.
    package init?(of merged: Checkpoint) throws(FileError) {
        guard let step = try MergeLineage.steps(of: merged).last, step["step"]?.string == "merge",
            let flips = step["flips"] ?? step["calibrated"]
        else { return nil }
        isCalibrated = step["flips"] == nil
        var requantized: [String: Double] = [:]
        for row in step["report"]?["tensors"]?.array ?? [] where row["aim"] != nil {
            guard let name = row["name"]?.string, let share = row["requantized_survival"]?.double else { continue }
            requantized[name] = share
        }
        self.requantized = requantized
        texts = (flips["texts"]?.array ?? []).compactMap { $0["name"]?.string }
        tokenLimit = flips["token_limit"]?.integer
        samples = flips["samples"]?.string
    }
}
