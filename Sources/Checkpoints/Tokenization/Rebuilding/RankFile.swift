package import ByteIO
import JSONText

/// Llama 3's own tokenizer.model: tokens in the order in which they merge, a line each.
///
///     IQ== 0          base64 of the bytes, and the rank
///     Ig== 1
///
/// The id of a token is its rank. How text is cut, and the 256 special tokens behind the others, are not in the file: Meta's program has
/// them. The merges of the tokenizer.json that is made are all ways to cut a token into two others, by rank, as in the one that Meta
/// published for transformers.
///
/// Sources: tokenizer.py of llama3 and llama-models; names of special tokens as in transformers' conversion.
package enum RankFile {
    private static let specialTokenCount = 256

    /// - Parameters:
    ///   - isLater: of Llama 3.1 and later, where some tokens that Llama 3 keeps free have a use.
    ///   - path: of the file, for errors.
    package static func llama3(_ bytes: [UInt8], isLater: Bool, path: String) throws(FileError) -> StoredTokenizer {
        do throws(Malformed) {
            let tokens = try self.tokens(bytes)
            let special = specialTokens(isLater: isLater)
            var stored = StoredTokenizer(
                model: "gpt2", splitting: "llama-bpe", tokens: tokens.map(RankedTokens.spelling(of:)) + special,
                types: tokens.map { _ in 1 } + special.map { _ in 3 })
            var words = Vocabulary()
            for (rank, token) in tokens.enumerated() { try words.add(token, id: rank) }
            stored.merges = try RankedTokens.merges(of: tokens[...], in: words).map { "\($0.left) \($0.right)" }
            stored.roles = ["bos_token": tokens.count, "eos_token": tokens.count + 1]
            stored.otherEnds = ["<|eom_id|>", "<|eot_id|>"].compactMap { special.firstIndex(of: $0) }.map { tokens.count + $0 }
            return stored
        } catch { throw FileError(path, at: error.place, error.message, hint: error.hint) }
    }

    private static func tokens(_ bytes: [UInt8]) throws(Malformed) -> [[UInt8]] {
        var tokens: [[UInt8]] = []
        var isByte = [Bool](repeating: false, count: 256)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2, let token = Base64.bytes(of: parts[0]), !token.isEmpty,
                Int(String(decoding: parts[1], as: UTF8.self)) == tokens.count
            else {
                throw Malformed(
                    at: "line \(tokens.count + 1)",
                    "is '\(JSONError.excerpt(String(decoding: line.prefix(100), as: UTF8.self)))', but base64 of a token and its rank, "
                        + "\(tokens.count), are expected")
            }
            guard tokens.count < Vocabulary.idLimit - specialTokenCount else {
                throw Malformed("has more than \(Vocabulary.idLimit - specialTokenCount) tokens")
            }
            if token.count == 1 { isByte[Int(token[0])] = true }
            tokens.append(token)
        }
        if let missing = isByte.firstIndex(of: false) {
            throw Malformed(
                "has no token for the byte \(missing): text that has it would be lost", hint: "the file is damaged; fetch it again")
        }
        return tokens
    }

    /// By id behind the other tokens.
    private static func specialTokens(isLater: Bool) -> [String] {
        func reserved(_ number: Int) -> String { "<|reserved_special_token_\(number)|>" }
        var tokens = ["<|begin_of_text|>", "<|end_of_text|>", reserved(0), reserved(1)]
        tokens += isLater ? ["<|finetune_right_pad_id|>", reserved(2)] : [reserved(2), reserved(3)]
        tokens += ["<|start_header_id|>", "<|end_header_id|>"]
        tokens += isLater ? ["<|eom_id|>", "<|eot_id|>", "<|python_tag|>"] : [reserved(4), "<|eot_id|>"]
        let next = isLater ? 3 : 5
        return tokens + (0..<specialTokenCount - tokens.count).map { reserved(next + $0) }
    }
}
