import CommandLineKit
import Records
import Tokenization

/// The training samples that `--calibration-sample` puts into the adapter: texts as the model reads them in training.
struct CalibrationSample {
    /// Samples, evenly spread over all of them.
    let texts: [String]
    let tokenCount: Int

    /// So much text, in bytes, goes into the header of a file that every program reads whole.
    private static let byteCountLimit = 8 << 20

    /// - Parameters:
    ///   - samples: those that are learned from.
    ///   - wanted: how many; all where there are no more.
    /// - Throws: where they are too long.
    init(_ samples: [Sample], _ tokenizer: Tokenizer, count wanted: Int) throws {
        let count = min(wanted, samples.count)
        let chosen = (0..<count).map { samples[(2 * $0 + 1) * samples.count / (2 * count)] }
        texts = chosen.map { tokenizer.decode($0.tokens, showsSpecialTokens: true) }
        tokenCount = chosen.reduce(0) { $0 + $1.tokens.count }
        guard byteCount <= Self.byteCountLimit else {
            throw UsageError(
                "--calibration-sample: \(count) samples are \(NumberText.byteCount(byteCount)) of text, but an adapter takes "
                    + NumberText.byteCount(Self.byteCountLimit), hint: "fewer samples do as well: 4,000 tokens are read of them")
        }
    }

    private var byteCount: Int { texts.reduce(0) { $0 + $1.utf8.count } }
}
