package import ByteIO

/// A tokenizer as the metadata of a GGUF file states it: lists of tokens, types, scores and merges, and which tokens have a role.
///
///     let files = try stored.files(path: "model.gguf")          tokenizer.json, tokenizer_config.json, generation_config.json
///     let tokenizer = try Tokenizer.open(files, path: "model.gguf")
///
/// The files are what other programs need beside the weights, and what this one runs with: there is one reading of them. What such
/// metadata does not hold is lost: flags of added tokens that take white space along, a normalizer other than its family's, and
/// the order of merges between equal scores.
package struct StoredTokenizer: Hashable, Sendable {
    /// `tokenizer.ggml.model`: `gpt2` merges bytes by a list, `llama` characters by scores.
    package let model: String
    /// `tokenizer.ggml.pre`; nil where the file has none.
    package let splitting: String?
    /// By id. Of `gpt2` in GPT-2's alphabet of bytes, of `llama` with `▁` for a space; added ones are plain text.
    package let tokens: [String]
    /// By id: 1 normal, 2 unknown, 3 control, 4 added by users, 5 unused, 6 a byte.
    package let types: [Int]
    /// By id; of `llama`.
    package var scores: [Float] = []
    /// `left right`, the most urgent first; of `gpt2`.
    package var merges: [String] = []
    /// `bos_token_id` and others, by the names that tokenizer_config.json has for the tokens: `bos_token`.
    package var roles: [String: Int] = [:]
    /// Ids at which generation stops besides the end of text, such as that of `tokenizer.ggml.eot_token_id`.
    package var otherEnds: [Int] = []
    /// Nil where the file does not say, and the habit of its kind counts.
    package var addsBeginning: Bool?
    package var addsEnd: Bool?
    /// Between two texts of one input; no program looks at it.
    package var addsSeparator: Bool?
    package var addsSpacePrefix: Bool?
    /// Whether the files that it was read from state the prefix, and it does not only follow from them.
    package var statesSpacePrefix = false
    /// In which roles are written, and flags of what is added to texts, by the words in their keys.
    package var roleOrder = Self.usualRoleOrder
    package var flagOrder = Self.usualFlagOrder
    /// By name; the one without a name is `default`.
    package var chatTemplates: [String: String] = [:]

    /// Texts of tokens after which every program that runs GGUF files stops, whether or not a key names them.
    package static let knownEnds: Set<String> = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>",
        "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
    ]

    package init(model: String, splitting: String?, tokens: [String], types: [Int]) {
        self.model = model
        self.splitting = splitting
        self.tokens = tokens
        self.types = types
    }

    /// What is odd about the metadata, but no reason to refuse it.
    package var warnings: [String] {
        guard model == "gpt2", splitting == nil else { return [] }
        return ["the file does not say how text is cut ('tokenizer.ggml.pre' is missing); it is cut as for GPT-2"]
    }

    /// Refuses a kind of tokenizer or a way to cut text that is not known, by name; lists are not looked at.
    package static func requireKnown(model: String, splitting: String?, path: String) throws(FileError) {
        let bare = StoredTokenizer(model: model, splitting: splitting, tokens: [], types: [])
        do throws(Malformed) { _ = try StoredTokenizerWriter.splitting(bare) } catch {
            throw FileError(path, at: error.place, error.message, hint: error.hint)
        }
    }

    /// The files of a Hugging Face model that say the same.
    ///
    /// - Parameter path: of the model, for errors.
    /// - Throws: for kinds of tokenizers and ways to cut text that are not known, by name, and for lists that contradict each other.
    package func files(path: String) throws(FileError) -> [TokenizerFile] {
        do throws(Malformed) {
            let writer = try StoredTokenizerWriter(self)
            return [
                TokenizerFile(name: "tokenizer.json", bytes: try writer.tokenizer()),
                TokenizerFile(name: "tokenizer_config.json", bytes: writer.configuration()),
                TokenizerFile(name: "generation_config.json", bytes: writer.generation()),
            ]
        } catch { throw FileError(path, at: error.place, error.message, hint: error.hint) }
    }
}
