import CommandLineKit
import Transformer

extension ParsedArguments {
    /// What the command line says about choosing tokens.
    func samplingSettings() -> SamplingSettings {
        let topK = integer(always: "top-k")
        return SamplingSettings(
            temperature: Float(number(always: "temperature")), topK: topK > 0 ? topK : nil,
            // A share of 0 still keeps the most probable token.
            topP: max(Float(number(always: "top-p")), .leastNormalMagnitude), minP: Float(number(always: "min-p")),
            repeatPenalty: Float(number(always: "repeat-penalty")), seed: UInt64(integer(always: "seed")))
    }

    /// What `--stop` gives.
    func stopTexts() throws -> [String] {
        let texts = strings("stop")
        guard !texts.contains("") else { throw UsageError("--stop needs a text, not an empty one") }
        return texts
    }
}
