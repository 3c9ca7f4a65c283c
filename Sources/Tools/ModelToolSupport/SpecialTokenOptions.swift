package import CommandLineKit
package import Tokenization
import ToolSupport

extension Option {
    /// Both ways to say whether special tokens in what is read are tokens.
    package static let specialTokens: [Option] = [
        .flag("parse-special", help: "special tokens in what is said are tokens; by default only in plain text and with --template none"),
        .flag("no-parse-special", help: "special tokens in what is said are text, everywhere"),
    ]
}

extension Console {
    /// Says so where the vocabulary has gaps that a text falls into.
    package func warnOfLostBytes(of text: String, _ tokenizer: Tokenizer, path: String) {
        let count = tokenizer.lostByteCount(in: text)
        guard count > 0 else { return }
        warning("\(path): the tokenizer has no token for \(count) bytes of the text, and leaves them out as the tokenizers library does")
    }
}

extension ParsedArguments {
    /// What `--parse-special` and `--no-parse-special` say; nil where neither is given.
    package func parsesSpecialTokens() throws(UsageError) -> Bool? {
        switch (flag("parse-special"), flag("no-parse-special")) {
        case (true, true): throw UsageError("--parse-special and --no-parse-special exclude each other")
        case (true, false): return true
        case (false, true): return false
        case (false, false): return nil
        }
    }

    /// The template that `--template` names, or the model's own where it is followed to the letter, or what is nearest to it with a
    /// warning.
    ///
    /// - Parameters:
    ///   - otherwise: used where the model has none.
    ///   - path: of the model, for the warning.
    package func template(
        of tokenizer: Tokenizer, otherwise: PromptTemplate.Name, path: String, _ console: Console
    ) throws -> PromptTemplate {
        let choice = TemplateChoice(tokenizer, asked: string("template").flatMap(PromptTemplate.Name.init(rawValue:)), otherwise: otherwise)
        if let warning = choice.warning { console.warning("\(path): \(warning)", hint: TemplateChoice.hint) }
        var template = choice.template
        template.parsesSpecialTokens = try parsesSpecialTokens() ?? template.parsesSpecialTokens
        let missing = template.missingTokens(in: tokenizer)
        if !missing.isEmpty {
            console.warning(
                "\(path): the tokenizer has no \(missing.joined(separator: ", ")), which the template \(template.name.rawValue) is made of "
                    + "and writes as text")
        }
        return template
    }
}
