package import JSONText

/// What the lineage says of a calibration: all that is needed to do it again.
package struct CalibrationNote: Sendable, Hashable {
    /// A file that was read.
    package struct Text: Sendable, Hashable {
        /// Of the file; `default` for the text that ships with the tools.
        package let name: String
        /// CRC-32C of what was in it.
        package let checksum: String
        /// That were taken of it.
        package let tokenCount: Int

        package init(name: String, checksum: String, tokenCount: Int) {
            self.name = name
            self.checksum = checksum
            self.tokenCount = tokenCount
        }

        package init?(_ document: JSONValue) {
            guard let name = document["name"]?.string, let checksum = document["crc32c"]?.string,
                let tokenCount = document["tokens"]?.integer
            else { return nil }
            self.init(name: name, checksum: checksum, tokenCount: tokenCount)
        }

        package var document: JSONValue {
            .object(["name": .string(name), "crc32c": .string(checksum), "tokens": .integer(tokenCount)])
        }
    }

    /// In the order in which they were given.
    package let texts: [Text]
    /// How many tokens were asked for.
    package let tokenLimit: Int
    /// All that were run, those held out included.
    package let tokenCount: Int
    package let heldOutCount: Int
    /// `sha256:...` of the windows.
    package let samplesDigest: String
    package let window: Int
    package let damping: Double
    /// Inputs of a layer that are taken together at most; nil for all.
    package let chunkWidth: Int?

    package init(
        texts: [Text], tokenLimit: Int, tokenCount: Int, heldOutCount: Int, samplesDigest: String, window: Int, damping: Double,
        chunkWidth: Int? = nil
    ) {
        self.texts = texts
        self.tokenLimit = tokenLimit
        self.tokenCount = tokenCount
        self.heldOutCount = heldOutCount
        self.samplesDigest = samplesDigest
        self.window = window
        self.damping = damping
        self.chunkWidth = chunkWidth
    }

    /// What a lineage says; nil where it is no such thing.
    package init?(_ document: JSONValue) {
        guard let rows = document["texts"]?.array, let tokenLimit = document["token_limit"]?.integer, tokenLimit > 0,
            let tokenCount = document["tokens"]?.integer, let heldOutCount = document["held_out"]?.integer,
            let samplesDigest = document["samples"]?.string, let window = document["window"]?.integer,
            case .number(let damping)? = document["damping"], damping.double > 0, damping.double.isFinite
        else { return nil }
        let texts = rows.compactMap { Text($0) }
        let chunkWidth = document["chunk"]?.integer
        guard texts.count == rows.count, (document["chunk"] == nil) == (chunkWidth == nil), chunkWidth ?? 64 >= 64 else { return nil }
        self.init(
            texts: texts, tokenLimit: tokenLimit, tokenCount: tokenCount, heldOutCount: heldOutCount, samplesDigest: samplesDigest,
            window: window, damping: damping.double, chunkWidth: chunkWidth)
    }

    /// What is known before the moments are.
    package var document: JSONValue { document(moments: nil) }

    /// - Parameter moments: digest of all moments; nil before they are known, which makes it no shorter.
    package func document(moments: String?) -> JSONValue {
        var object = JSONObject([
            "texts": .array(texts.map(\.document)), "token_limit": .integer(tokenLimit), "tokens": .integer(tokenCount),
            "held_out": .integer(heldOutCount), "samples": .string(samplesDigest), "window": .integer(window), "damping": .double(damping),
            "moments": .string(moments ?? "sha256:" + String(repeating: "0", count: 64)),
        ])
        if let chunkWidth { object["chunk"] = .integer(chunkWidth) }
        return .object(object)
    }
}
