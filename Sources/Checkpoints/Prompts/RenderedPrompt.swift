package import Jinja

/// A prompt or a training sample as text, and who wrote what of it.
package struct RenderedPrompt: Hashable, Sendable {
    /// UTF-8.
    package private(set) var bytes: [UInt8] = []
    /// Where special tokens are found: what the template wrote. In ascending order, no two beside each other.
    package private(set) var markup: [Range<Int>] = []
    /// What the model is to write, and to learn, each with its end. In ascending order.
    package var responses: [Range<Int>] = []
    /// Whether the tokenizer puts in front what it puts in front of every text; else the text has all that there is.
    package let isFramed: Bool

    package init(isFramed: Bool) { self.isFramed = isFramed }

    /// - Parameter readsSpecialTokens: whether special tokens are found in what people say as well.
    package init(_ rendered: RenderedTemplate, isFramed: Bool, readsSpecialTokens: Bool) {
        self.isFramed = isFramed
        for run in rendered.runs { append(run.text, isMarkup: run.isFromTemplate || readsSpecialTokens) }
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// - Parameter isMarkup: whether special tokens in it are tokens.
    package mutating func append(_ text: String, isMarkup: Bool) {
        let start = bytes.count
        bytes += text.utf8
        guard isMarkup, bytes.count > start else { return }
        if let last = markup.last, last.upperBound == start {
            markup[markup.count - 1] = last.lowerBound..<bytes.count
        } else {
            markup.append(start..<bytes.count)
        }
    }

    /// The beginning, without responses.
    func prefix(_ byteCount: Int) -> RenderedPrompt {
        var prefix = RenderedPrompt(isFramed: isFramed)
        prefix.bytes = Array(bytes[..<byteCount])
        prefix.markup = markup.map { $0.clamped(to: 0..<byteCount) }.filter { !$0.isEmpty }
        return prefix
    }

    /// Whether another text begins with this one.
    func isPrefix(of other: RenderedPrompt) -> Bool { other.bytes.starts(with: bytes) }
}
