package import Tokenization

/// The ids of a prompt or a training sample.
package struct EncodedPrompt: Hashable, Sendable {
    package let ids: [TokenID]
    /// Where the model's responses are, each with its end: what is learned. In ascending order.
    package let responses: [Range<Int>]
}

extension Tokenizer {
    /// Encodes what a template has rendered.
    ///
    /// A prompt without responses is encoded in one go, as transformers does. Where a response begins or ends, ordinary text is cut:
    /// a model that generates has the same ids before it as one that learns.
    package func encode(_ prompt: RenderedPrompt) -> EncodedPrompt {
        var ids = prompt.isFramed ? frame.before : []
        var responses: [Range<Int>] = []
        let cuts = prompt.responses.flatMap { [$0.lowerBound, $0.upperBound] }
        for (index, segment) in encode(prompt.bytes, markup: prompt.markup, cuts: cuts).enumerated() {
            let start = ids.count
            ids += segment
            guard index % 2 == 1, !segment.isEmpty else { continue }
            if let last = responses.last, last.upperBound == start {
                responses[responses.count - 1] = last.lowerBound..<ids.count
            } else {
                responses.append(start..<ids.count)
            }
        }
        return EncodedPrompt(ids: ids, responses: responses)
    }
}
