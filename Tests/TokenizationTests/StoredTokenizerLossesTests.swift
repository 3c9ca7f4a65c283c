import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

/// What a GGUF file cannot say of a tokenizer: told where texts get other ids, refused where it would be another tokenizer.
@Suite struct StoredTokenizerLossesTests {
    /// A tokenizer.json of pieces: `▁` for a space, merges of characters.
    private static func pieces(
        merges: String = #""a b", "b c", "ab c", "a bc""#, added: String = "", normalizer: String = replace, words: String = "null",
        vocabulary: String = #""<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5, "abc": 6, "▁": 7"#
    ) -> TokenizerFile {
        json(
            #"{"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "vocab": {\#(vocabulary)}, "merges": [\#(merges)]}"#, added: added,
            normalizer: normalizer, words: words,
            decoder: #"{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}"#)
    }

    private static let replace = #"{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}"#

    /// One of bytes.
    private static func bytes(
        words: String = #"{"type": "ByteLevel", "add_prefix_space": false}"#, added: String = "", normalizer: String = "null",
        ignoresMerges: Bool = false, merges: String = #"["a", "b"]"#, post: String = "null",
        vocabulary: String = #""a": 0, "b": 1, "ab": 2"#
    ) -> TokenizerFile {
        json(
            #"{"type": "BPE", "ignore_merges": \#(ignoresMerges), "vocab": {\#(vocabulary)}, "merges": [\#(merges)]}"#, added: added,
            normalizer: normalizer, words: words, post: post, decoder: #"{"type": "ByteLevel"}"#)
    }

    private static func json(
        _ model: String, added: String, normalizer: String, words: String, post: String = "null", decoder: String
    ) -> TokenizerFile {
        let text =
            #"{"added_tokens": [\#(added)], "normalizer": \#(normalizer), "pre_tokenizer": \#(words), "post_processor": \#(post), "#
            + #""decoder": \#(decoder), "model": \#(model)}"#
        return TokenizerFile(name: "tokenizer.json", bytes: Array(text.utf8))
    }

    private static func read(_ files: [TokenizerFile], rows: Int) throws(FileError) -> (tokenizer: StoredTokenizer, remarks: [String]) {
        try StoredTokenizer.read(files, rowCount: rows, path: "m")
    }

    private static func remarks(_ file: TokenizerFile, rows: Int = 16) throws -> [String] {
        try read([file], rows: rows).remarks.filter { !$0.contains("<0x00>") }
    }

    // MARK: - Stated

    @Test func scoresGoDownWithTheMerges() throws {
        let (stored, remarks) = try Self.read([Self.pieces()], rows: 10)
        #expect(stored.scores == [-3, -4, -5, -6, 0, -1, -2, -7, -10000, -10000].enumerated().map { $0 == 0 ? stored.scores[0] : $1 })
        #expect(stored.types == [2, 1, 1, 1, 1, 1, 1, 1, 5, 5] && stored.tokens[9] == "[PAD9]")
        #expect(
            remarks == ["the vocabulary has no token '<0x00>': llama.cpp stops at characters that it does not know"])
    }

    @Test func unknownTokensAreStatedUnlessTheyAreTheFirst() throws {
        #expect(try Self.read([Self.pieces()], rows: 8).tokenizer.roles.isEmpty)
        let moved = Self.pieces(vocabulary: #""▁": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5, "abc": 6, "<unk>": 7"#)
        let stored = try Self.read([moved], rows: 8).tokenizer
        #expect(stored.roles == ["unk_token": 7] && stored.types[7] == 2)
    }

    @Test func tokensThatLookSpecialControlTheModel() throws {
        let names = ["<|x|>", "<｜x｜>", "<unused7>", "<pad>", "<mask>", "<x>", "a▁b"]
        let added = names.enumerated().map { #"{"id": \#(3 + $0), "content": "\#($1)", "special": false}"# }.joined(separator: ", ")
        let stored = try Self.read([Self.bytes(added: added)], rows: 10).tokenizer
        #expect(stored.types.suffix(7) == [3, 3, 3, 3, 3, 4, 4] && stored.tokens.last == "a b")
    }

    @Test func spacesInMergesAreSpelledAsBytes() throws {
        let vocabulary = #""a": 0, "b": 1, "ab": 2, "a ": 3, "a b": 4, "aĠ": 5, "aĠb": 6"#
        let file = Self.bytes(merges: #"["a", "b"], ["a ", "b"]"#, vocabulary: vocabulary)
        #expect(try Self.read([file], rows: 7).tokenizer.merges == ["a b", "aĠ b"])
    }

    /// Readers expect no BOS before texts of GPT-2's kind, and one before those of pieces and of Llama 3.
    @Test func flagsAreStatedWhereReadersExpectOtherOnes() throws {
        let llama3 =
            #"{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": \#(JSONValue.string(SplittingExpressions.llama3).text(.compact))}, "behavior": "Isolated"}, {"type": "ByteLevel", "use_regex": false, "add_prefix_space": false}]}"#
        let stored = try Self.read([Self.bytes(words: llama3, ignoresMerges: true)], rows: 3).tokenizer
        #expect(stored.splitting == "llama-bpe" && stored.addsBeginning == false && stored.addsEnd == nil)
        #expect(try Self.read([Self.bytes()], rows: 3).tokenizer.addsBeginning == nil)
        #expect(try Self.read([Self.pieces()], rows: 8).tokenizer.addsBeginning == false)
        let frame =
            #"{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "b"}}], "special_tokens": {"b": {"id": "b", "ids": [1]}}}"#
        let ending = try Self.read([Self.bytes(post: frame)], rows: 3).tokenizer
        #expect(ending.addsEnd == true && ending.roles["eos_token"] == 1 && ending.addsBeginning == nil)
    }

    @Test func rolesComeFromTokensThenFromIDs() throws {
        let added = ["<e>", "<p>"].enumerated().map { #"{"id": \#(3 + $0), "content": "\#($1)", "special": true}"# }.joined(separator: ", ")
        let configuration = TokenizerFile(name: "tokenizer_config.json", bytes: Array(#"{"eos_token": "<e>", "pad_token": "<p>"}"#.utf8))
        let model = TokenizerFile(
            name: "config.json", bytes: Array(#"{"bos_token_id": 0, "eos_token_id": [3, 2], "pad_token_id": 9}"#.utf8))
        let stored = try Self.read([Self.bytes(added: added), configuration, model], rows: 5).tokenizer
        #expect(stored.roles == ["eos_token": 3, "pad_token": 4, "bos_token": 0] && stored.otherEnds == [2])
        #expect(stored.roleOrder.prefix(3) == ["eos_token", "pad_token", "bos_token"])
    }

    // MARK: - Told

    @Test func saysWhatIsLost() throws {
        #expect(
            try Self.remarks(Self.bytes(words: #"{"type": "ByteLevel"}"#)) == [
                "a space is put before text that begins without one; llama.cpp does not do that"
            ])
        #expect(
            try Self.remarks(Self.bytes(added: #"{"id": 3, "content": "<x>", "special": true, "lstrip": true}"#)) == [
                "the added token '<x>' takes white space along, or is none inside of a word (lstrip, rstrip, single_word), which llama.cpp "
                    + "does not do"
            ])
        #expect(
            try Self.remarks(Self.bytes(ignoresMerges: true)) == [
                "words that are tokens are taken as they are, but 'gpt-2' merges them from their bytes"
            ])
        #expect(
            try Self.remarks(Self.bytes(added: #"{"id": 3, "content": "<x>", "special": true}"#), rows: 3) == [
                "the added token '<x>' is left out: the embedding has 3 rows"
            ])
        #expect(
            try Self.remarks(Self.pieces(normalizer: #"{"type": "NFKC"}"#)) == [
                "text is changed before it is cut; llama.cpp leaves it as it is, and some texts get other ids"
            ])
        #expect(
            try Self.remarks(
                Self.pieces(
                    added: #"{"id": 8, "content": "<x>", "special": true, "normalized": true}"#,
                    normalizer: #"{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, \#(Self.replace)]}"#)) == [
                    "the added token '<x>' is looked for in text that was changed (normalized); llama.cpp looks for it in text as it is written"
                ])
        let metaspace = #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}"#
        #expect(
            try Self.remarks(Self.pieces(normalizer: "null", words: metaspace)) == [
                "only the beginning of a text gets a space in front; llama.cpp puts one after every special token, too"
            ])
        #expect(
            try Self.remarks(Self.pieces(words: #"{"type": "Digits", "individual_digits": true}"#)) == [
                "text is cut into words before anything is merged; llama.cpp merges across their borders"
            ])
        let framed =
            #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "b"}}, {"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"b": {"id": "b", "ids": [1]}, "a": {"id": "a", "ids": [0]}}}"#
        #expect(
            try Self.remarks(Self.bytes(post: framed)) == ["every text begins with 'b' 'a', which is left out: only one BOS can be stated"])
    }

    /// The scores of a SentencePiece file that is not read are made of the merges instead.
    @Test func mergesStandInForAModelThatIsNotRead() throws {
        let (stored, remarks) = try Self.read([Self.pieces(), TokenizerFile(name: "tokenizer.model", bytes: [1])], rows: 8)
        #expect(stored.scores[4] == 0 && stored.scores[6] == -2)
        #expect(remarks.first?.hasPrefix("tokenizer.model is not read (m: tokenizer.model: does not begin like a SentencePiece") == true)
    }

    // MARK: - Refused

    private static let listHint = "\nhint: where the model has a tokenizer.model, keep it beside tokenizer.json"

    static let refusals: [(TokenizerFile, Int, String)] = [
        (
            pieces(merges: #""a b", "b c", "ab c""#), 8,
            "tokenizer.json: merges: do not have 'a' and 'bc', whose concatenation is a token: a GGUF file has scores instead of merges, and none "
                + "mean this list" + listHint
        ),
        (
            pieces(merges: #""ab c", "a b", "b c", "a bc""#), 8,
            "tokenizer.json: merge 3: of 'a' and 'bc' is less urgent than another one that makes the same, with others between: a GGUF file has "
                + "scores instead of merges, and none mean this list" + listHint
        ),
        (
            bytes(
                words:
                    #"{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "ByteLevel", "add_prefix_space": false}]}"#
            ),
            3,
            "tokenizer.json: pre_tokenizer: cuts text in a way that no known name of GGUF files stands for\nhint: these are known: gpt-2, mpt, "
                + "smollm, command-r, llama-bpe, qwen2, tekken, gpt-4o, falcon, deepseek-coder, deepseek-v3, bloom"
        ),
        (
            bytes(), 2,
            "tokenizer.json: token 'ab': has the id 2, but the embedding has 2 rows\nhint: tokenizer and weights belong to different models"
        ),
    ]

    @Test(arguments: refusals) func refuses(_ file: TokenizerFile, _ rows: Int, _ message: String) {
        let error = #expect(throws: FileError.self) { try Self.read([file], rows: rows) }
        #expect(error?.report == "m: \(message)")
    }

    @Test func refusesPiecesOfAnotherModel() throws {
        let model = TokenizerFile(
            name: "tokenizer.model", bytes: try Fixture.bytes(Fixture.path("tokenizers/sentencepiece/tokenizer.model")))
        let error = #expect(throws: FileError.self) { try Self.read([Self.pieces(), model], rows: 8) }
        #expect(
            error?.report
                == "m: tokenizer.json: token 1: is 'a', but '<s>' in tokenizer.model\nhint: tokenizer.json and tokenizer.model belong to different models"
        )
    }
}
