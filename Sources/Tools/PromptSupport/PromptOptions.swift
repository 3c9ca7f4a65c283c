package import CommandLineKit
package import JSONText
import Jinja
import Prompts
package import Tokenization

/// How prompts are written for a model, as a command line asks for it.
package struct PromptOptions: Sendable {
    /// A name, or the path of a file; nil for the model's own.
    package let template: String?
    /// Variables of the template.
    package var variables: JSONObject
    /// What `--parse-special` and `--no-parse-special` say; nil where neither is given.
    package let readsSpecialTokens: Bool?
    /// Schemas of functions that the model may call.
    package var tools: JSONValue?
    /// Texts that answers may be drawn from.
    package var documents: JSONValue?
    /// Whether the template's switch for thinking, whatever it calls it, is turned off.
    package var isThinkingOff = false
    /// The day that templates are told; nil for now.
    package let date: String?

    /// The model's own template, told of this day, and nothing asked for besides.
    package init(date: String) {
        template = nil
        variables = JSONObject()
        readsSpecialTokens = nil
        self.date = date
    }

    /// - Parameter date: where none is given.
    package init(_ arguments: ParsedArguments, date: String? = nil) throws(UsageError) {
        template = arguments.string("template")
        variables = try Self.variables(arguments.strings("template-option"))
        switch (arguments.flag("parse-special"), arguments.flag("no-parse-special")) {
        case (true, true): throw UsageError("--parse-special and --no-parse-special exclude each other")
        case (true, false): readsSpecialTokens = true
        case (false, true): readsSpecialTokens = false
        case (false, false): readsSpecialTokens = nil
        }
        self.date = arguments.string("date") ?? date
        guard self.date == nil || Self.clock(self.date) != nil else {
            throw UsageError("--date '\(self.date ?? "")' is no day", hint: "for example 2024-07-26")
        }
    }

    /// What templates are told of the time: now, or the beginning of the day that is asked for.
    var clock: TemplateClock { Self.clock(date) ?? .now }

    private static func clock(_ date: String?) -> TemplateClock? {
        let parts = date?.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) } ?? []
        guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2] else { return nil }
        return TemplateClock(year: year, month: month, day: day)
    }

    private static func variables(_ texts: [String]) throws(UsageError) -> JSONObject {
        var variables = JSONObject()
        for text in texts {
            guard let place = text.firstIndex(of: "="), place != text.startIndex else {
                throw UsageError("--template-option '\(text)' is not NAME=JSON", hint: "for example enable_thinking=false")
            }
            let value = text[text.index(after: place)...]
            guard let json = try? JSONValue(parsing: Array(value.utf8)) else {
                throw UsageError(
                    "--template-option \(text[..<place]): '\(value)' is no JSON",
                    hint: "a text stands in double quotes: '\(text[..<place])=\"\(value)\"'")
            }
            variables[String(text[..<place])] = json
        }
        return variables
    }
}

extension Option {
    /// How prompts are written.
    ///
    /// - Parameters:
    ///   - otherwise: what is used where a model has no template of its own.
    ///   - date: what templates are told unless it is given.
    package static func prompts(otherwise: String, help: String, date: String) -> [Option] {
        [
            .text("template", "NAME", defaultText: "the model's own, else \(otherwise)", help: help),
            .text("template-option", "NAME=JSON", help: "variable for the template, such as enable_thinking=false").repeatable(),
            .text("date", "DAY", defaultText: date, help: "what templates are told of the date, as YYYY-MM-DD"),
            .flag(
                "parse-special", help: "special tokens in what is said are tokens; by default only in plain text and with --template none"),
            .flag("no-parse-special", help: "special tokens in what is said are text, everywhere"),
        ]
    }

    /// Of `--template`, for help.
    package static let templateNames = "alpaca, chatml, llama3, mistral, none, one of the model's by name, or FILE.jinja"
}

extension Console {
    /// Says so where the vocabulary has gaps that a text falls into.
    package func warnOfLostBytes(of text: String, _ tokenizer: Tokenizer, path: String) {
        let count = tokenizer.lostByteCount(in: text)
        guard count > 0 else { return }
        warning("\(path): the tokenizer has no token for \(count) bytes of the text, and leaves them out as the tokenizers library does")
    }
}
