import CommandLineKit
import Tokenization
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

    /// The template that is asked for, or the model's own where it is one of ours, or none.
    func template(of tokenizer: Tokenizer, _ console: Console) -> PromptTemplate {
        var template = PromptTemplate(.none)
        if let name = string("template").flatMap(PromptTemplate.Name.init) {
            template = PromptTemplate(name)
        } else if let own = tokenizer.chatTemplate {
            if let recognized = PromptTemplate.recognized(inJinja: own) {
                template = recognized
            } else {
                console.warning(
                    "the model's own template is none that is known here, so prompts are passed as they are",
                    hint: "--template chooses alpaca, chatml, mistral or llama3, or says that none is meant")
            }
        }
        let missing = template.missingTokens(in: tokenizer)
        if !missing.isEmpty {
            console.warning(
                "the tokenizer has no \(missing.joined(separator: ", ")), which the template \(template.name.rawValue) is made of")
        }
        return template
    }
}
