package import Tokenization

/// Turns records into tokens: a template around them, the end token behind them, and what of it is to be learned.
package struct SampleEncoder: Sendable {
    package enum Lesson: String, Sendable, CaseIterable {
        /// Every token but the first.
        case all
        /// The responses, each with its end.
        case completions
    }

    /// What became of the records of a data set.
    package struct Outcome: Sendable {
        package var samples: [Sample] = []
        /// Of each sample, the record it came from.
        package var records: [Int] = []
        /// Records that were longer than the limit; their ends are not learned.
        package var truncated: [Int] = []
        /// Records of which nothing is left to learn.
        package var skipped: [Int] = []

        package init(samples: [Sample] = [], records: [Int] = []) {
            self.samples = samples
            self.records = records
        }
    }

    private let tokenizer: Tokenizer
    private let template: PromptTemplate
    /// For records that are a text as it stands.
    private var plain = PromptTemplate(.none)
    private let lesson: Lesson
    private let swaps: Bool
    /// Tokens of a sample at most.
    private let limit: Int

    /// - Parameters:
    ///   - swaps: the response becomes the prompt and the instruction what is to be written.
    ///   - parsesSpecialTokens: whether special tokens in plain texts and in pairs are tokens; nil for what `none` does.
    package init(
        _ tokenizer: Tokenizer, template: PromptTemplate, lesson: Lesson, swaps: Bool, limit: Int, parsesSpecialTokens: Bool? = nil
    ) {
        precondition(limit > 1, "a sample has a token to predict")
        self.tokenizer = tokenizer
        self.template = template
        self.lesson = lesson
        self.swaps = swaps
        self.limit = limit
        plain.parsesSpecialTokens = parsesSpecialTokens ?? plain.parsesSpecialTokens
    }

    /// The samples of `records`, in order. A long plain text is cut into as many as it takes; anything else is truncated.
    ///
    /// - Parameter records: their numbers in the data set, with which the outcome names them.
    package func encode(_ records: [(number: Int, record: TrainingRecord)]) throws -> Outcome {
        var outcome = Outcome()
        for (number, record) in records {
            let sample = try encode(record)
            var parts = [sample.prefix(limit)]
            if sample.tokens.count > limit {
                if case .text = record { parts = cut(sample) } else { outcome.truncated.append(number) }
            }
            let useful = parts.filter { $0.learnedCount > 0 }
            if useful.isEmpty { outcome.skipped.append(number) }
            for part in useful {
                outcome.samples.append(part)
                outcome.records.append(number)
            }
        }
        return outcome
    }

    /// A text in the samples that it is cut into, in order; without one that would have nothing to learn.
    package func windows(of text: TrainingRecord) throws -> [Sample] { cut(try encode(text)).filter { $0.learnedCount > 0 } }

    /// One record, however long it is.
    package func encode(_ record: TrainingRecord) throws -> Sample {
        let encoded = try tokenizer.encode(rendered(record))
        var isLearned = [Bool](repeating: lesson == .all, count: encoded.ids.count)
        for range in encoded.responses { for index in range { isLearned[index] = true } }
        return Sample(tokens: encoded.ids, isLearned: isLearned)
    }

    /// What the model is given to answer, and what the record answers; nil where there is no one answer (plain text).
    package func question(_ record: TrainingRecord) throws -> (prompt: [TokenID], answer: String)? {
        let prompt: RenderedPrompt
        let answer: String
        switch swapped(record) {
        case .instruction(let instruction, let input, let output):
            prompt = template.render(instruction: instruction, input: input, response: nil)
            answer = output
        case .pair(let text, let completion):
            prompt = plain.render(instruction: text, response: nil)
            answer = completion
        case .conversation(let messages):
            guard let last = messages.lastIndex(where: { $0.role == .assistant }) else { return nil }
            prompt = template.render(Array(messages[..<last]), opensResponse: true)
            answer = messages[last].content
        case .text: return nil
        }
        return (try tokenizer.encode(prompt).ids, answer)
    }

    private func rendered(_ record: TrainingRecord) -> RenderedPrompt {
        switch swapped(record) {
        case .instruction(let instruction, let input, let output):
            template.render(instruction: instruction, input: input, response: output)
        case .conversation(let messages): template.render(messages)
        case .pair(let prompt, let completion): plain.render(instruction: prompt, response: completion)
        case .text(let text): plain.render(instruction: "", response: text)
        }
    }

    /// The answer asks and the question answers, where that is wanted. Conversations and texts stay.
    private func swapped(_ record: TrainingRecord) -> TrainingRecord {
        guard swaps else { return record }
        switch record {
        case .instruction(let instruction, let input, let output):
            return .instruction(output, input: "", output: input.isEmpty ? instruction : "\(instruction)\n\n\(input)")
        case .pair(let prompt, let completion): return .pair(prompt: completion, completion: prompt)
        case .conversation, .text: return record
        }
    }

    private func cut(_ sample: Sample) -> [Sample] {
        stride(from: 0, to: sample.tokens.count, by: limit).map { start in
            let range = start..<min(start + limit, sample.tokens.count)
            return Sample(tokens: Array(sample.tokens[range]), isLearned: Array(sample.isLearned[range]))
        }
    }
}
