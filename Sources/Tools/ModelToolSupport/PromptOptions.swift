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

/// How prompts are written for a model, as a command line asks for it.
package struct PromptOptions: Sendable {
    /// Nil for the model's own.
    package let template: PromptTemplate.Name?
    /// What `--parse-special` and `--no-parse-special` say; nil where neither is given.
    package let parsesSpecialTokens: Bool?

    package init(_ arguments: ParsedArguments) throws(UsageError) {
        template = arguments.string("template").flatMap(PromptTemplate.Name.init(rawValue:))
        switch (arguments.flag("parse-special"), arguments.flag("no-parse-special")) {
        case (true, true): throw UsageError("--parse-special and --no-parse-special exclude each other")
        case (true, false): parsesSpecialTokens = true
        case (false, true): parsesSpecialTokens = false
        case (false, false): parsesSpecialTokens = nil
        }
    }
}

extension OpenedModel {
    private static let templateHint =
        "--template NAME says which is meant: \(PromptTemplate.Name.allCases.map(\.rawValue).joined(separator: ", "))"

    /// The template that is asked for, or the model's own where it is followed to the letter, or what is nearest to it with a
    /// warning.
    ///
    /// - Parameter otherwise: used where the model has none.
    package func template(
        of tokenizer: Tokenizer, _ options: PromptOptions, otherwise: PromptTemplate.Name, _ console: Console
    ) -> PromptTemplate {
        let choice = TemplateChoice(tokenizer, asked: options.template, otherwise: otherwise)
        if let warning = choice.warning { console.warning("\(path): \(warning)", hint: Self.templateHint) }
        var template = choice.template
        template.parsesSpecialTokens = options.parsesSpecialTokens ?? template.parsesSpecialTokens
        let missing = template.missingTokens(in: tokenizer)
        if !missing.isEmpty {
            console.warning(
                "\(path): the tokenizer has no \(missing.joined(separator: ", ")), which the template \(template.name.rawValue) is made of "
                    + "and writes as text")
        }
        return template
    }
}
