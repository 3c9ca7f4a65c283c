package import JSONText

/// What the lineage says of a calibration: all that is needed to do it again.
package struct CalibrationNote: Sendable, Hashable {
    /// Names of the texts; `default` for the one that ships with the tools.
    package let texts: [String]
    /// `sha256:...` of what was read.
    package let textDigest: String
    /// All that were run, those held out included.
    package let tokenCount: Int
    package let heldOutCount: Int
    package let window: Int
    package let damping: Double

    package init(texts: [String], textDigest: String, tokenCount: Int, heldOutCount: Int, window: Int, damping: Double) {
        self.texts = texts
        self.textDigest = textDigest
        self.tokenCount = tokenCount
        self.heldOutCount = heldOutCount
        self.window = window
        self.damping = damping
    }

    /// What a lineage says; nil where it is no such thing.
    package init?(_ document: JSONValue) {
        guard let texts = document["texts"]?.array, let textDigest = document["text"]?.string,
            let tokenCount = document["tokens"]?.integer, let heldOutCount = document["held_out"]?.integer,
            let window = document["window"]?.integer, case .number(let damping)? = document["damping"], damping.double > 0,
            damping.double.isFinite
        else { return nil }
        self.init(
            texts: texts.compactMap(\.string), textDigest: textDigest, tokenCount: tokenCount, heldOutCount: heldOutCount, window: window,
            damping: damping.double)
    }

    /// - Parameter moments: digest of all moments; nil before they are known, which makes it no shorter.
    package func document(moments: String?) -> JSONValue {
        .object([
            "texts": .strings(texts), "text": .string(textDigest), "tokens": .integer(tokenCount), "held_out": .integer(heldOutCount),
            "window": .integer(window), "damping": .double(damping),
            "moments": .string(moments ?? "sha256:" + String(repeating: "0", count: 64)),
        ])
    }
}
