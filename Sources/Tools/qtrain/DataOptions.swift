import CommandLineKit
import ModelToolSupport
import PromptSupport
import Records
import Training

/// Which records a command line names, and how they become samples.
struct DataOptions {
    let path: String
    let prompts: PromptOptions
    let lesson: SampleEncoder.Lesson
    /// Whether the response becomes the prompt.
    let swaps: Bool
    /// Of the records; what is left is for validation.
    let shares: (train: Double, test: Double)
    /// The shares as they were given.
    let split: String
    /// Tokens of a sample at most; nil for what the model was made for.
    let maximumLength: Int?
    let seed: Int

    /// What templates are told of the date: the same on every day, as the same options give the same bytes.
    static let date = "2024-07-26"

    init(_ arguments: ParsedArguments) throws {
        path = arguments.string(always: "data")
        prompts = try PromptOptions(arguments, date: Self.date)
        lesson = .init(rawValue: arguments.string(always: "train-on")) ?? .completions
        swaps = arguments.flag("swap-instruction-and-response")
        split = arguments.string(always: "split")
        shares = try Self.shares(split)
        maximumLength = arguments.integer("max-length")
        seed = arguments.integer(always: "seed")
    }

    private static func shares(_ text: String) throws -> (train: Double, test: Double) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard parts.count == 3, let train = parts[0], let test = parts[1], let validation = parts[2],
            [train, test, validation].allSatisfy({ (0...1).contains($0) }), abs(train + test + validation - 1) < 1e-6
        else { throw UsageError("--split '\(text)' is not three shares that add up to 1", hint: "for example 0.85,0.10,0.05") }
        return (train, test)
    }
}
