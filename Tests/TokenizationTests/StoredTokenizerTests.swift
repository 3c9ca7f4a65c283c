import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

/// Tokenizers rebuilt from what a GGUF file states.
@Suite struct StoredTokenizerTests {
    private static let names = ["gemma", "gpt-2", "llama-bpe", "phi", "qwen2", "smollm", "spm"]

    private static func fixture(_ name: String) throws -> (stored: StoredTokenizer, rows: [JSONValue]) {
        let document = try StoredTokenizers.json(Fixture.path("gguf-tokenizers/\(name).json"))
        return (StoredTokenizers.stored(try #require(document["metadata"])), document["rows"]?.array ?? [])
    }

    private static func open(_ stored: StoredTokenizer) throws(FileError) -> Tokenizer {
        try Tokenizer.open(stored.files(path: "m.gguf"), path: "m.gguf")
    }

    /// Ids by transformers, with the tokenizers that the files were made of.
    @Test(arguments: names) func hasTheIDsOfTheOriginal(_ name: String) throws {
        let (stored, rows) = try Self.fixture(name)
        let tokenizer = try Self.open(stored)
        #expect(rows.count == 27 && tokenizer.warnings.isEmpty && stored.warnings.isEmpty)
        for row in rows {
            let text = try #require(row["text"]?.string)
            func ids(_ key: String) -> [TokenID]? { row[key]?.array?.map { TokenID($0.integer ?? -1) } }
            let plain = tokenizer.encode(text, EncodingOptions(addsSpecialTokens: false))
            #expect(plain == ids("ids"), "\(text.debugDescription)")
            #expect(tokenizer.encode(text) == ids("framed"), "\(text.debugDescription)")
        }
    }

    /// The names of the ways to cut text, and the family whose tokenizer.json cuts it so.
    static let splittings = [
        ("gpt-2", "digits", false), ("mpt", "gpt-neox", true), ("starcoder", "starcoder", true), ("refact", "starcoder", true),
        ("command-r", "command-r", true), ("falcon", "falcon", true), ("llama-bpe", "llama3", true), ("llama3", "llama3", true),
        ("qwen2", "qwen2", true), ("tekken", "tekken", true), ("gpt-4o", "o200k", true),
        ("deepseek-coder", "deepseek-coder", true), ("deepseek-v3", "deepseek-v3", true), ("bloom", "bloom", true),
    ]

    /// With the family's vocabulary, all texts have the ids that the tokenizers library gives them, but for those in which an added
    /// token takes white space along, which such a file does not say.
    @Test(arguments: splittings) func cutsAsTheFamilyDoes(_ name: String, _ family: String, _ isSame: Bool) throws {
        let folder = Fixture.path(isSame ? "tokenizers/families/\(family)" : "tokenizers/\(family)")
        let tokenizer = try Self.open(StoredTokenizers.stored(StoredTokenizers.json("\(folder)/tokenizer.json"), splitting: name))
        var different = 0
        for vector in try TokenizerFolder.vectors(in: folder).cases where !vector.text.contains("<|") {
            if tokenizer.encode(vector.text) != vector.ids { different += 1 }
        }
        #expect(isSame ? different == 0 : different > 0, "\(different)")
    }

    /// As in SmolLM2 and StarCoder: the tokens that control the model have the first ids, and others may lie between.
    @Test func addedTokensMayStandAnywhere() throws {
        let (stored, rows) = try Self.fixture("smollm")
        let count = stored.tokens.count
        let added = stored.types.indices.filter { stored.types[$0] != 1 }
        #expect(added == Array(count - added.count..<count) && added.count > 2)
        // The last one stays in the middle, the others go to the front.
        var order = added.dropLast() + stored.types.indices.filter { stored.types[$0] == 1 }
        order.insert(added[added.count - 1], at: 100)
        var moved = StoredTokenizer(
            model: "gpt2", splitting: "smollm", tokens: order.map { stored.tokens[$0] }, types: order.map { stored.types[$0] })
        moved.merges = stored.merges
        moved.roles = stored.roles.mapValues { id in order.firstIndex(of: id) ?? -1 }
        let tokenizer = try Self.open(moved)
        #expect(tokenizer.warnings.isEmpty && tokenizer.idCount == count)
        for row in rows {
            let ids = (row["ids"]?.array ?? []).map { TokenID(order.firstIndex(of: $0.integer ?? -1) ?? -1) }
            let text = try #require(row["text"]?.string)
            #expect(tokenizer.encode(text, EncodingOptions(addsSpecialTokens: false)) == ids, "\(text.debugDescription)")
        }
    }

    @Test func writesWhatOtherProgramsRead() throws {
        var stored = try Self.fixture("llama-bpe").stored
        stored.otherEnds = [351, 349]
        stored.chatTemplates = ["default": "a", "tool_use": "b"]
        let files = try stored.files(path: "m.gguf")
        #expect(files.map(\.name) == ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
        let configuration = try JSONValue(parsing: files[1].bytes)
        #expect(configuration["tokenizer_class"]?.string == "PreTrainedTokenizerFast" && configuration["add_bos_token"]?.bool == true)
        #expect(configuration["chat_template"]?.array?.map { $0["name"]?.string } == ["default", "tool_use"])
        #expect(try JSONValue(parsing: files[2].bytes)["eos_token_id"]?.array?.map(\.integer) == [349, 351])
        let tokenizer = try Self.open(stored)
        #expect(tokenizer.chatTemplates == ["default": "a", "tool_use": "b"] && tokenizer.specialTokens.stops == [349, 351])
        #expect(tokenizer.roleTexts["pad_token"] == stored.tokens[349] && tokenizer.frame.before == [348])
    }

    /// Where the file does not say what goes around a text, the habit of its kind counts.
    @Test func knowsWhatIsUsual() throws {
        for (name, before) in [("llama-bpe", [348]), ("spm", [1]), ("smollm", []), ("gpt-2", [])] as [(String, [TokenID])] {
            var stored = try Self.fixture(name).stored
            (stored.addsBeginning, stored.addsEnd) = (nil, nil)
            #expect(try Self.open(stored).frame.before == before, "\(name)")
            stored.addsEnd = true
            let end = try #require(stored.roles["eos_token"])
            #expect(try Self.open(stored).frame.after == [TokenID(end)], "\(name)")
        }
        var spm = try Self.fixture("spm").stored
        spm.roles = [:]
        let tokenizer = try Self.open(spm)
        #expect(tokenizer.frame.before == [1] && tokenizer.specialTokens.end == 2 && tokenizer.specialTokens.unknown == 0)
        let missing = StoredTokenizer(model: "gpt2", splitting: nil, tokens: ["a"], types: [1])
        #expect(missing.warnings == ["the file does not say how text is cut ('tokenizer.ggml.pre' is missing); it is cut as for GPT-2"])
    }

    /// Readers count added tokens on from the vocabulary: what stands before its end, or before a gap, belongs into it.
    @Test func keepsTheIDsOfAddedTokensAnywhere() throws {
        let stored = try Self.fixture("smollm").stored
        let own = zip(stored.tokens, stored.types).filter { $0.1 == 1 }.map(\.0)
        let tokens = ["<|first|>", "<|second|>"] + own + ["<|third|>", "[PAD\(own.count + 3)]", "<|fourth|>"]
        var moved = StoredTokenizer(
            model: "gpt2", splitting: "smollm", tokens: tokens, types: [3, 4] + own.map { _ in 1 } + [3, 5, 3])
        moved.merges = stored.merges
        let tokenizer = try Self.open(moved)
        #expect(tokenizer.warnings == [])
        for (id, token) in tokens.enumerated() where token.hasPrefix("<|") {
            #expect(tokenizer.encode(token, EncodingOptions(addsSpecialTokens: false)) == [TokenID(id)], "\(token)")
        }
    }

    /// The rows of the embedding beyond the tokens have names of their own, which are no tokens.
    @Test func leavesOutWhatOnlyFillsUp() throws {
        for name in ["spm", "smollm"] {
            let stored = try Self.fixture(name).stored
            let count = stored.tokens.count
            var padded = StoredTokenizer(
                model: stored.model, splitting: stored.splitting, tokens: stored.tokens + ["[PAD\(count)]", "[PAD\(count + 1)]"],
                types: stored.types + [5, 5])
            padded.scores = stored.scores.isEmpty ? [] : stored.scores + [-10000, -10000]
            padded.merges = stored.merges
            padded.roles = stored.roles
            padded.roles["pad_token"] = count
            let tokenizer = try Self.open(padded)
            #expect(tokenizer.idCount == count && tokenizer.roleTexts["pad_token"] == nil)
            padded.roles["bos_token"] = count + 1
            padded.addsBeginning = true
            #expect(
                Self.refusal(padded)
                    == "m.gguf: bos_token: is token \(count + 1) ('[PAD\(count + 1)]'), which is unused, but belongs around every text")
        }
    }

    // MARK: - Refusals

    private static func refusal(_ stored: StoredTokenizer) -> String? {
        do {
            _ = try open(stored)
            return nil
        } catch { return error.report }
    }

    /// A small one of each kind.
    private static func small(
        model: String = "gpt2", splitting: String? = "gpt-2", tokens: [String] = ["a", "b", "ab", "<s>"], types: [Int] = [1, 1, 1, 3],
        merges: [String] = ["a b"], scores: [Float] = []
    ) -> StoredTokenizer {
        var stored = StoredTokenizer(model: model, splitting: splitting, tokens: tokens, types: types)
        (stored.merges, stored.scores) = (merges, scores)
        return stored
    }

    private static func pieces(
        tokens: [String] = ["<unk>", "<s>", "</s>", "a", "b", "ab", "ba"], types: [Int] = [2, 3, 3, 1, 1, 1, 1],
        scores: [Float] = [0, 0, 0, -1, -2, -3, -4]
    ) -> StoredTokenizer { small(model: "llama", splitting: "default", tokens: tokens, types: types, merges: [], scores: scores) }

    @Test func readsWhatTheOthersAreMadeFrom() {
        #expect(Self.refusal(Self.small()) == nil && Self.refusal(Self.pieces()) == nil)
    }

    static let refusals: [(StoredTokenizer, String)] = [
        (
            small(model: "bert"),
            "tokenizer.ggml.model: is 'bert', which is not read; gpt2 and llama are\nhint: a tokenizer.json of the same model may be read"
        ),
        (
            small(splitting: "jina-v2-code"),
            "tokenizer.ggml.pre: is 'jina-v2-code', and how that cuts text is not known\n"
                + "hint: a tokenizer.json of the same model says it"
        ),
        (small(tokens: [], types: []), "tokenizer.ggml.tokens: has 0 tokens, but 1 to 4194304 are read"),
        (small(types: [1, 1]), "tokenizer.ggml.token_type: has 2 types for 4 tokens"),
        (
            small(types: []),
            "tokenizer.ggml.token_type: has 0 types for 4 tokens\nhint: without them nobody knows which tokens control the model"
        ),
        (small(types: [1, 1, 1, 7]), "tokenizer.ggml.token_type[3]: is 7, but 1 to 6 are known"),
        (small(tokens: ["a", "b", "ab", "a"]), "tokenizer.ggml.tokens[3]: 'a' stands there for the second time"),
        (
            small(tokens: ["a", "b", "ab", String(repeating: "x", count: 1025)]),
            "tokenizer.ggml.tokens[3]: has 1025 bytes, but at most 1024 are read"
        ),
        (small(merges: []), "tokenizer.ggml.merges: is missing or empty: no two bytes would become one token"),
        (small(merges: ["a b", "ab"]), "tokenizer.ggml.merges[1]: is 'ab', which is not two tokens with a space between"),
        (small(merges: ["b a"]), "tokenizer.ggml.merges[0]: 'b a' needs the token 'ba', which is not among the normal ones"),
        (small(merges: ["a <s>"]), "tokenizer.ggml.merges[0]: 'a <s>' needs the token '<s>', which is not among the normal ones"),
        (pieces(scores: [0, 0]), "tokenizer.ggml.scores: has 2 scores for 7 tokens"),
        (pieces(scores: [0, 0, 0, -1, .nan, -3, -4]), "tokenizer.ggml.scores[4]: is nan, which is no score"),
        (
            pieces(scores: [0, 0, 0, -1000, -1000, -1000, -1000]),
            "tokenizer.ggml.scores: are -1000.0 for all 2 tokens: the order of merges is lost\n"
                + "hint: the file was made without the SentencePiece model; a tokenizer.json of the same model has the order"
        ),
    ]

    @Test(arguments: refusals) func refuses(_ stored: StoredTokenizer, _ message: String) {
        #expect(Self.refusal(stored) == "m.gguf: \(message)")
    }

    @Test func refusesRolesThatNoTokenHas() {
        var stored = Self.small()
        stored.roles = ["eos_token": 4]
        #expect(Self.refusal(stored) == "m.gguf: eos_token: has the id 4, but there are 4 tokens")
        stored.roles = ["bos_token": -1]
        #expect(Self.refusal(stored) == "m.gguf: bos_token: has the id -1, but there are 4 tokens")
        stored.roles = [:]
        stored.otherEnds = [9]
        #expect(Self.refusal(stored) == "m.gguf: an end token: has the id 9, but there are 4 tokens")
    }

    /// All ways to cut pieces take the square of their length, and are bounded before they are tried.
    @Test func refusesPiecesThatTakeTooLong() {
        let long = ["x", "y", "z"].map { String(repeating: "a", count: 24575) + $0 }
        let stored = Self.pieces(
            tokens: ["<unk>", "<s>", "</s>"] + long, types: [2, 3, 3, 1, 1, 1], scores: [0, 0, 0, -1, -2, -3])
        #expect(Self.refusal(stored)?.hasPrefix("m.gguf: tokenizer.ggml.tokens[4]: has 24576 bytes, and with those before it") == true)
    }
}
