package import Tokenization
package import Transformer

/// What to generate, and when to stop.
package struct GenerationRequest: Sendable {
    package var prompt: [TokenID]
    package var tokenLimit: Int
    package var sampling: SamplingSettings
    /// Tokens after which the text is complete; they are no part of it.
    package var stopTokens: Set<TokenID>
    /// Texts at whose beginning the text ends.
    package var stopTexts: [String]
    /// Whether each token comes with the logarithm of its probability.
    package var needsProbabilities: Bool

    package init(
        prompt: [TokenID], tokenLimit: Int, sampling: SamplingSettings, stopTokens: Set<TokenID> = [], stopTexts: [String] = [],
        needsProbabilities: Bool = false
    ) {
        self.prompt = prompt
        self.tokenLimit = tokenLimit
        self.sampling = sampling
        self.stopTokens = stopTokens
        self.stopTexts = stopTexts
        self.needsProbabilities = needsProbabilities
    }
}

/// A token as it comes.
package struct GeneratedToken: Sendable, Hashable {
    package let id: TokenID
    /// Of the model itself, before temperature and the other settings; nil where nobody asked.
    package let logProbability: Double?
}

/// What came of a request.
package struct GeneratedText: Sendable, Hashable {
    package enum End: String, Sendable {
        /// A stop token or a stop text came.
        case stop
        case tokenLimit = "token limit"
        /// The context has no room for more.
        case context
        case interrupted
    }

    /// The stop token included.
    package var tokens: [GeneratedToken] = []
    package var text = ""
    package var end = End.tokenLimit
    /// Tokens of the prompt that were run; the rest was in the cache already.
    package var promptTokenCount = 0
    package var promptSeconds = 0.0
    /// From the first token to the last.
    package var generationSeconds = 0.0
    /// What a draft gave; zeros without one.
    package var guesses = GuessCounts()

    /// Tokens a second, after the first one, which is the prompt's.
    package var tokensPerSecond: Double? {
        tokens.count > 1 && generationSeconds > 0 ? Double(tokens.count - 1) / generationSeconds : nil
    }

    package var promptTokensPerSecond: Double? { promptSeconds > 0 ? Double(promptTokenCount) / promptSeconds : nil }
}

/// Continues prompts with a model, token by token.
package struct TextGenerator {
    /// Guesses tokens, so that several are run at once; nil for one after the other. The text is the same.
    package var draft: (any TokenDraft)?
    /// Nil where only ids come out.
    package let tokenizer: Tokenizer?
    private var sequence: GuessedSequence

    package var session: InferenceSession { sequence.session }

    package init(session: InferenceSession, tokenizer: Tokenizer?, draft: (any TokenDraft)? = nil) {
        sequence = GuessedSequence(session: session)
        self.tokenizer = tokenizer
        self.draft = draft
    }

    /// Takes other weights, of the same model with other adapters: what is in the cache was made by the old ones and goes.
    package mutating func exchange(_ weights: ModelWeights) {
        session.weights = weights
        sequence.reset()
    }

    /// Generates until a stop, a limit or an interruption.
    ///
    /// A prompt that begins like the last one (a conversation that goes on) is run only from where it differs.
    ///
    /// - Parameters:
    ///   - isInterrupted: asked after every token, and before every layer while the prompt is read.
    ///   - emit: is given text as it becomes certain: whole characters, and nothing that may be a stop text.
    package mutating func generate(
        _ request: GenerationRequest, isInterrupted: () -> Bool = { false }, emit: (String) throws -> Void
    ) throws -> GeneratedText {
        let clock = ContinuousClock()
        var result = GeneratedText()
        var output = StoppableText(stopTexts: request.stopTexts)
        var decoder = tokenizer.map { StreamingDecoder($0) }
        var sampler = Sampler(request.sampling)
        let start = clock.now
        let read = try sequence.read(request.prompt, isInterrupted: isInterrupted)
        if read.logits != nil { try draft?.read(request.prompt, isInterrupted: isInterrupted) }
        result.promptTokenCount = read.runCount
        result.promptSeconds = (clock.now - start).seconds
        guard var logits = read.logits else {
            result.end = .interrupted
            return result
        }
        let firstToken = clock.now
        defer { sequence.settle(&draft) }
        while result.tokens.count < request.tokenLimit {
            let id: TokenID
            do {
                id = try sampler.next(logits, history: request.sampling.repeatPenalty == 1 ? [] : sequence.tokens)
            } catch { throw session.explained(error) }
            let probability = request.needsProbabilities ? Sampler.logProbability(of: id, logits) : nil
            result.tokens.append(GeneratedToken(id: id, logProbability: probability))
            result.generationSeconds = (clock.now - firstToken).seconds
            if request.stopTokens.contains(id) {
                result.end = .stop
                break
            }
            if let text = decoder?.append(id) { try emit(output.append(text)) }
            if output.isStopped {
                result.end = .stop
                break
            }
            if isInterrupted() {
                result.end = .interrupted
                break
            }
            let left = request.tokenLimit - result.tokens.count
            guard left > 0 else { break }
            guard sequence.tokens.count < session.cache.capacity else {
                result.end = .context
                break
            }
            logits = try sequence.append(id, limit: left - 1, &draft, sampler, &result.guesses)
        }
        if let rest = decoder?.finish() { try emit(output.append(rest)) }
        try emit(output.finish())
        result.text = output.text
        return result
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
