import Architectures
import CommandLineKit
import Evaluation
import JSONText
import ModelLoading
import Prompts
import Records
import TensorCore
import Tokenization
import Training
import Transformer

/// An answer of a model beside the one that was expected.
struct Answer {
    let place: String
    let prompt: String
    let expected: String
    let given: String

    /// But for white space at the ends.
    var isExact: Bool { Self.trimmed(expected) == Self.trimmed(given) }

    var document: JSONValue {
        .object([
            "record": .string(place), "prompt": .string(prompt), "expected": .string(expected), "answer": .string(given),
            "exact": .bool(isExact),
        ])
    }

    private static func trimmed(_ text: String) -> String {
        let characters = text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }
        return String(characters.reversed())
    }
}

/// Has a model answer records of a data set, and measures its loss on them.
struct AnswerSession {
    private let data: TrainingData
    private let answerLimit: Int
    private let stops: (ids: [TokenID], texts: [String])
    private let session: InferenceSession

    init(
        _ configuration: ModelDescription, _ weights: ModelWeights, _ data: TrainingData, _ resources: ComputeResources,
        answerLimit: Int
    ) {
        self.data = data
        self.answerLimit = answerLimit
        stops = data.template.stops(in: data.tokenizer)
        let length = Self.contextLength(configuration, data, answerLimit: answerLimit)
        session = InferenceSession(configuration, weights, engine: resources.engine, contextLength: length, cacheType: .f32)
    }

    /// Positions for the longest sample or question, and its answer.
    static func contextLength(_ configuration: ModelDescription, _ data: TrainingData, answerLimit: Int) -> Int {
        configuration.hasLearnedPositions ? configuration.contextLength : data.lengthLimit + answerLimit
    }

    /// The mean loss of everything that is learned of samples.
    ///
    /// - Throws: where it is not finite, with the record.
    func loss(_ outcome: SampleEncoder.Outcome, progress: Progress) throws -> (mean: Double, count: Int) {
        var mean = SampleMean()
        for (sample, record) in zip(outcome.samples, outcome.records) {
            session.reset()
            try session.losses(of: sample.tokens, isWanted: { sample.isLearned[$0] }) { _, losses in
                for loss in losses { mean.add(loss) }
            }
            guard mean.mean.isFinite else {
                throw Failure(
                    "\(data.set.path): the loss of \(data.place(record)) is not finite",
                    hint: "the model or its adapter holds numbers that are too large; 'qinspect stats' shows them")
            }
            progress.advance(by: 1)
        }
        return (mean.count > 0 ? mean.mean : .nan, mean.count)
    }

    /// Greedy answers to the questions of `records`; records without a question are left out.
    ///
    /// - Returns: the answers, and the places of records whose questions leave the context no room for one.
    func answers(to records: some Sequence<Int>, progress: Progress) throws -> (given: [Answer], unanswerable: [String]) {
        var generator = TextGenerator(session: session, tokenizer: data.tokenizer)
        var unanswerable: [String] = []
        let given = try records.compactMap { index -> Answer? in
            defer { progress.advance(by: 1) }
            guard let question = try data.question(index) else { return nil }
            guard let text = try answer(question.prompt, &generator) else {
                unanswerable.append(data.place(index))
                return nil
            }
            return Answer(
                place: data.place(index), prompt: data.tokenizer.decode(question.prompt), expected: question.answer, given: text)
        }
        return (given, unanswerable)
    }

    /// The answer to an instruction that a person typed; nil where the context has no room for one.
    func answer(to instruction: String) throws -> String? {
        var generator = TextGenerator(session: session, tokenizer: data.tokenizer)
        session.reset()
        return try answer(try data.encoder.prompt(instruction), &generator)
    }

    private func answer(_ prompt: [TokenID], _ generator: inout TextGenerator) throws -> String? {
        guard prompt.count < session.cache.capacity else { return nil }
        let request = GenerationRequest(
            prompt: prompt, tokenLimit: answerLimit, sampling: SamplingSettings(), stopTokens: Set(stops.ids), stopTexts: stops.texts)
        return try generator.generate(request) { _ in }.text
    }
}
