import CommandLineKit
import Evaluation
import ModelToolSupport
import PromptSupport
import Prompts
import Records
import Tokenization

/// Records as they are learned, for measuring what a model makes of their answers.
struct RecordInput {
    let windows: TextWindows
    /// Those of which something counts.
    let recordCount: Int

    /// - Parameter limit: tokens of a sample at most; what is longer is cut, as in training.
    init(_ path: String, _ reading: ReadingOptions, for models: [MeasuredModel], limit: Int, _ console: Console) throws {
        let set = try DataSet.open(path)
        var first: SampleEncoder.Outcome?
        for model in models {
            let template = try reading.prompts.template(for: model.tokenizer, path: model.path, otherwise: .alpaca, console)
            let encoder = SampleEncoder(
                model.tokenizer, template: template, lesson: .completions, swaps: false, limit: limit,
                readsSpecialTokens: reading.findsSpecialTokens)
            let outcome: SampleEncoder.Outcome
            do throws(SampleError) {
                outcome = try encoder.encode(set.records.enumerated().map { ($0.offset, $0.element) })
            } catch {
                throw Failure(
                    "\(set.path): \(set.places[error.record]): \(error.reason)",
                    hint: error.reason.hint ?? "another --template, or leave out such records")
            }
            for sample in outcome.samples { try model.check(sample.tokens) }
            if let first {
                try TextInput.requireSame(first.samples.flatMap(\.tokens), outcome.samples.flatMap(\.tokens), models[0], model)
            } else {
                first = outcome
            }
        }
        let outcome = first ?? SampleEncoder.Outcome()
        guard !outcome.samples.isEmpty else { throw Failure("\(set.path): there is nothing in its records that would be learned") }
        Self.tell("longer than \(limit) tokens and cut", outcome.truncated, set, console)
        Self.tell("without anything to measure and left out", outcome.skipped, set, console)
        windows = try TextWindows(samples: outcome.samples.map { ($0.tokens, $0.isLearned) })
        recordCount = Set(outcome.records).count
    }

    private static func tell(_ what: String, _ records: [Int], _ set: DataSet, _ console: Console) {
        guard !records.isEmpty else { return }
        let places = records.prefix(5).map { set.places[$0] }.joined(separator: ", ") + (records.count > 5 ? ", ..." : "")
        console.warning("\(set.path): \(records.count) of \(set.records.count) records are \(what): \(places)")
    }
}
