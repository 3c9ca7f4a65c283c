import JSONText
package import Prompts
package import Tokenization

/// A record that a template does not write.
package struct SampleError: Error, Hashable, Sendable {
    /// Its number in the data set.
    package let record: Int
    package let reason: PromptError
}

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
    private let template: ChatTemplate
    /// Whether special tokens in records that are a text as it stands are tokens.
    private let readsSpecialTokens: Bool
    private let lesson: Lesson
    private let swaps: Bool
    /// Tokens of a sample at most.
    private let limit: Int

    /// - Parameters:
    ///   - swaps: the response becomes the prompt and the instruction what is to be written.
    ///   - readsSpecialTokens: whether special tokens in plain texts and in pairs are tokens.
    package init(
        _ tokenizer: Tokenizer, template: ChatTemplate, lesson: Lesson, swaps: Bool, limit: Int, readsSpecialTokens: Bool = true
    ) {
        precondition(limit > 1, "a sample has a token to predict")
        self.tokenizer = tokenizer
        self.template = template
        self.lesson = lesson
        self.swaps = swaps
        self.limit = limit
        self.readsSpecialTokens = readsSpecialTokens
    }

    /// The samples of `records`, in order. A long plain text is cut into as many as it takes; anything else is truncated.
    ///
    /// - Parameter records: their numbers in the data set, with which the outcome names them.
    package func encode(_ records: [(number: Int, record: TrainingRecord)]) throws(SampleError) -> Outcome {
        var outcome = Outcome()
        for (number, record) in records {
            let samples: [Sample]
            do throws(PromptError) { samples = try encode(record) } catch { throw SampleError(record: number, reason: error) }
            var parts = samples.map { $0.prefix(limit) }
            if samples.contains(where: { $0.tokens.count > limit }) {
                if case .text = record { parts = samples.flatMap(cut) } else { outcome.truncated.append(number) }
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
    package func windows(of text: TrainingRecord) throws(PromptError) -> [Sample] {
        try encode(text).flatMap(cut).filter { $0.learnedCount > 0 }
    }

    /// One record, however long it is: one sample, or one for each answer where the template does not write them all in one text.
    package func encode(_ record: TrainingRecord) throws(PromptError) -> [Sample] {
        try texts(of: swapped(record)).map { text in
            let encoded = tokenizer.encode(text)
            var isLearned = [Bool](repeating: lesson == .all, count: encoded.ids.count)
            for range in encoded.responses { for index in range { isLearned[index] = true } }
            return Sample(tokens: encoded.ids, isLearned: isLearned)
        }
    }

    /// What the model is given to answer, and what the record answers; nil where there is no one answer in words.
    package func question(_ record: TrainingRecord) throws(PromptError) -> (prompt: [TokenID], answer: String)? {
        switch swapped(record) {
        case .instruction(let instruction, let input, let output): return (try prompt(instruction, input: input), output)
        case .pair(let text, let completion):
            var prompt = RenderedPrompt(isFramed: true)
            prompt.append(text, isMarkup: readsSpecialTokens)
            return (tokenizer.encode(prompt).ids, completion)
        case .conversation(var conversation):
            guard let last = conversation.messages.lastIndex(where: { $0["role"]?.string == "assistant" }),
                let answer = conversation.messages[last]["content"]?.string
            else { return nil }
            conversation.messages.removeSubrange(last...)
            return (tokenizer.encode(try template.render(conversation, opensResponse: true)).ids, answer)
        case .text: return nil
        }
    }

    /// What the model is given to answer an instruction.
    package func prompt(_ instruction: String, input: String = "") throws(PromptError) -> [TokenID] {
        let conversation = Conversation(instruction: instruction, input: input, hasInput: template.hasInput)
        return tokenizer.encode(try template.render(conversation, opensResponse: true)).ids
    }

    private func texts(of record: TrainingRecord) throws(PromptError) -> [RenderedPrompt] {
        switch record {
        case .instruction(let instruction, let input, let output):
            var conversation = Conversation(instruction: instruction, input: input, hasInput: template.hasInput)
            conversation.append("assistant", output)
            return try texts(of: conversation)
        case .conversation(let conversation): return try texts(of: conversation)
        case .pair(let prompt, let completion): return [try plain(prompt, completion)]
        case .text(let text): return [try plain("", text)]
        }
    }

    private func texts(of conversation: Conversation) throws(PromptError) -> [RenderedPrompt] {
        lesson == .all ? [try template.render(conversation)] : try template.lessons(of: conversation)
    }

    private func plain(_ prompt: String, _ completion: String) throws(PromptError) -> RenderedPrompt {
        try ChatTemplate.lesson(prompt: prompt, completion: completion, tokenizer, readsSpecialTokens: readsSpecialTokens)
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
