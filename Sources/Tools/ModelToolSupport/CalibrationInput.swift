import Architectures
import ByteIO
package import Calibration
import Checkpoints
package import CommandLineKit
package import ModelLoading
import Prompts
import Tokenization
import ToolSupport

/// What a model is calibrated with: the texts that were asked for, as its tokens.
package struct CalibrationInput {
    /// As they were asked for.
    package let texts: [String]
    /// `sha256:...` of the texts, each behind its length as eight bytes, the lowest first.
    package let digest: String
    package let samples: CalibrationSamples
    package let window: Int

    /// The word for the text that ships with the tools.
    package static let defaultWord = "default"
    /// Where nothing else is asked for: twice as many take twice as long and gain little.
    package static let defaultTokenLimit = 16384
    /// A text is held in memory whole.
    private static let byteCountLimit = 1 << 28

    /// - Parameters:
    ///   - texts: paths, or `default`.
    ///   - tokenLimit: of all texts together.
    /// - Throws: where a text cannot be read, the model has no tokenizer, or there are too few tokens.
    package init(_ texts: [String], tokenLimit: Int, for model: LayeredModel, _ console: Console) throws {
        let checkpoint = model.checkpoint
        let tokenizer = try checkpoint.tokenizer()
        for warning in tokenizer.warnings { console.warning("\(checkpoint.path): \(warning)") }
        var digest = SHA256()
        var ids: [[TokenID]] = []
        for text in texts {
            let bytes = try Self.bytes(of: text)
            guard let decoded = String(validating: bytes, as: UTF8.self) else { throw FileError(text, "is not UTF-8") }
            digest.append((0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes)
            ids.append(tokenizer.encode(decoded, EncodingOptions(addsSpecialTokens: false)))
        }
        self.texts = texts
        self.digest = "sha256:" + digest.finish()
        window = min(CalibrationSamples.defaultWindow, model.configuration.contextLength)
        samples = try CalibrationSamples(texts: ids, beginning: tokenizer.frame.before, window: window, tokenLimit: tokenLimit)
    }

    private static func bytes(of text: String) throws(FileError) -> [UInt8] {
        text == defaultWord ? Array(DefaultText.text.utf8) : try InputFile(path: text).allBytes(limit: byteCountLimit)
    }
}

extension CalibrationMemory {
    /// Refuses what there is no memory for, while it costs nothing yet.
    ///
    /// - Parameter limit: of `--max-memory`; nil for none.
    package func check(_ path: String, limit: Int?) throws {
        let available = AvailableMemory.byteCount
        let (allowed, what) =
            if let limit, limit <= available ?? .max { (limit, "--max-memory allows") } else { (available ?? .max, "there are available") }
        guard total > allowed else { return }
        throw Failure(
            "calibrating \(path) needs about \(NumberText.byteCount(total)) of memory (\(NumberText.byteCount(states)) of states, "
                + "\(NumberText.byteCount(moments + heldOut)) of what a layer's inputs are), but \(what) \(NumberText.byteCount(allowed))",
            hint: "fewer --tokens need less")
    }
}

extension Option {
    /// `--calibrate`, which may be given several times.
    package static func calibrate(help: String) -> Option { .path("calibrate", "TEXT", help: help).repeatable() }

    /// `--tokens` of calibrations.
    package static let calibrationTokens = Option.integer(
        "tokens", in: 2...(1 << 26), default: CalibrationInput.defaultTokenLimit, help: "of the texts, at most")
}
