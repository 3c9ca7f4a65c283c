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

    /// Tokens a second, after the first one, which is the prompt's.
    package var tokensPerSecond: Double? {
        tokens.count > 1 && generationSeconds > 0 ? Double(tokens.count - 1) / generationSeconds : nil
    }

    package var promptTokensPerSecond: Double? { promptSeconds > 0 ? Double(promptTokenCount) / promptSeconds : nil }
}

/// Continues prompts with a model, token by token.
package struct TextGenerator {
    package let session: InferenceSession
    /// Nil where only ids come out.
    package let tokenizer: Tokenizer?
    /// The tokens whose keys and values the session's cache holds.
    private var cached: [TokenID] = []

    package init(session: InferenceSession, tokenizer: Tokenizer?) {
        self.session = session
        self.tokenizer = tokenizer
    }

    /// Takes other weights, of the same model with other adapters: what is in the cache was made by the old ones and goes.
    package mutating func exchange(_ weights: ModelWeights) {
        session.weights = weights
        session.reset()
        cached = []
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
        let read = try runPrompt(request.prompt, &result, isInterrupted)
        result.promptSeconds = (clock.now - start).seconds
        guard var logits = read else {
            result.end = .interrupted
            return result
        }
        let firstToken = clock.now
        while result.tokens.count < request.tokenLimit {
            let id: TokenID
            do {
                id = try sampler.next(logits, history: request.sampling.repeatPenalty == 1 ? [] : cached)
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
            guard result.tokens.count < request.tokenLimit else { break }
            guard session.count < session.cache.capacity else {
                result.end = .context
                break
            }
            logits = try session.append([id])
            cached.append(id)
        }
        if let rest = decoder?.finish() { try emit(output.append(rest)) }
        try emit(output.finish())
        result.text = output.text
        return result
    }

    /// Runs what of the prompt is not in the cache, at least its last token, and gives the logits after it; nil where it was
    /// interrupted.
    private mutating func runPrompt(
        _ prompt: [TokenID], _ result: inout GeneratedText, _ isInterrupted: () -> Bool
    ) throws -> [Float]? {
        var shared = zip(prompt, cached).prefix { $0 == $1 }.count
        shared = max(0, min(shared, prompt.count - 1))
        session.truncate(to: shared)
        cached.removeSubrange(shared...)
        let rest = Array(prompt[shared...])
        let logits = try session.append(rest, isInterrupted: isInterrupted)
        result.promptTokenCount = max(0, session.count - shared)
        cached += rest.prefix(result.promptTokenCount)
        // A sequence that had to be read again may not have come as far as it was.
        cached.removeSubrange(min(session.count, cached.count)...)
        return logits
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
