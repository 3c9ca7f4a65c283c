import Architectures
import CommandLineKit
import ModelToolSupport
import PromptSupport
import Prompts
import Records
import Tokenization
import Training
import Transformer

/// The data of a run: read, split and turned into tokens.
struct TrainingData {
    let set: DataSet
    let split: DataSplit
    /// The samples of one long text, which is cut before it is split; nil where records are split.
    private let windows: [Sample]?
    /// Shares of the parts that are to have records.
    private let wanted: [DataSplit.Part: Double]
    let encoder: SampleEncoder
    let template: ChatTemplate
    let tokenizer: Tokenizer
    private let model: OpenedModel
    /// Tokens of a sample at most.
    let lengthLimit: Int

    init(_ model: OpenedModel, _ options: DataOptions, _ console: Console) throws {
        let tokenizer = try model.tokenizer(console)
        let context = model.configuration.contextLength
        let limit = options.maximumLength ?? min(context, 1024)
        guard limit <= context || !model.configuration.hasLearnedPositions else {
            throw UsageError("--max-length is \(limit), but the model has positions for \(context) tokens")
        }
        let set = try DataSet.open(options.path)
        self.set = set
        for field in set.unusedFields { console.note("\(set.path): field '\(field.name)' of \(field.count) records is not used") }
        if options.swaps { try Self.tellOfUnswappable(set, console) }
        template = try options.prompts.template(for: tokenizer, path: model.path, otherwise: .alpaca, console)
        let shares = options.shares
        let encoder = SampleEncoder(
            tokenizer, template: template, lesson: options.lesson, swaps: options.swaps, limit: limit,
            readsSpecialTokens: options.prompts.readsSpecialTokens ?? true)
        self.encoder = encoder
        windows = try set.onlyText.map { text in try encoder.windows(of: text) }
        split = DataSplit(count: windows?.count ?? set.records.count, shares: shares, seed: UInt64(options.seed))
        wanted = [.train: shares.train, .test: shares.test, .validation: 1 - shares.train - shares.test].filter { $0.value > 1e-6 }
        self.tokenizer = tokenizer
        self.model = model
        lengthLimit = limit
    }

    /// The samples of a part of the split; says what had to be cut or left out.
    func samples(_ part: DataSplit.Part, _ console: Console) throws -> SampleEncoder.Outcome {
        let outcome = try encoded(part)
        for sample in outcome.samples { try model.check(sample.tokens, of: tokenizer) }
        if split.indices(part).isEmpty, wanted[part] != nil {
            console.note("\(set.path): of its \(count) \(unit) none falls to the \(part.rawValue) split")
        }
        tell("longer than \(lengthLimit) tokens and cut", outcome.truncated, part, console)
        tell("without anything to learn and left out", outcome.skipped, part, console)
        return outcome
    }

    /// What is split: records, or the windows of one text.
    var count: Int { windows?.count ?? set.records.count }
    var unit: String { windows == nil ? "records" : "windows" }

    /// Where one of them stands in the file, for messages: `line 12`, `tokens 1025 to 2048`.
    func place(_ index: Int) -> String {
        guard let windows else { return set.places[index] }
        return "tokens \(index * lengthLimit + 1) to \(index * lengthLimit + windows[index].tokens.count)"
    }

    /// What the model is given to answer, and the answer; nil where there is no one answer.
    func question(_ index: Int) throws -> (prompt: [TokenID], answer: String)? {
        windows == nil ? try encoder.question(set.records[index]) : nil
    }

    private func encoded(_ part: DataSplit.Part) throws -> SampleEncoder.Outcome {
        guard let windows else {
            do throws(SampleError) { return try encoder.encode(split.indices(part).map { ($0, set.records[$0]) }) } catch {
                throw Failure(
                    "\(set.path): \(set.places[error.record]): \(error.reason)",
                    hint: error.reason.hint ?? "another --template, or leave out such records")
            }
        }
        // In the order of the text, as if it had been cut after it was split.
        let indices = split.indices(part).sorted()
        return SampleEncoder.Outcome(samples: indices.map { windows[$0] }, records: indices)
    }

    /// Batches of samples in their order, for evaluation.
    static func batches(_ samples: [Sample], size: Int) -> [Batch] {
        stride(from: 0, to: samples.count, by: size).map { Batch(samples[$0..<min($0 + size, samples.count)]) }
    }

    /// Conversations and texts have no two halves to swap.
    private static func tellOfUnswappable(_ set: DataSet, _ console: Console) throws {
        let count = set.records.count { record in
            switch record {
            case .conversation, .text: true
            case .instruction, .pair: false
            }
        }
        guard count < set.records.count else {
            throw UsageError("--swap-instruction-and-response: none of the \(count) records of \(set.path) has two halves to swap")
        }
        if count > 0 { console.warning("\(set.path): \(count) of \(set.records.count) records are no pairs and stay as they are") }
    }

    private func tell(_ what: String, _ records: [Int], _ part: DataSplit.Part, _ console: Console) {
        guard !records.isEmpty else { return }
        let places = records.prefix(5).map(place).joined(separator: ", ") + (records.count > 5 ? ", ..." : "")
        console.warning("\(set.path): \(records.count) of \(split.indices(part).count) \(part.rawValue) \(unit) are \(what): \(places)")
    }
}
