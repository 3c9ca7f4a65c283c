import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

/// What a GGUF file would state of the tokenizers of Hugging Face models.
@Suite struct StoredTokenizerReadingTests {
    // MARK: - There and back

    private static func read(_ files: [TokenizerFile], rows: Int) throws(FileError) -> (tokenizer: StoredTokenizer, remarks: [String]) {
        try StoredTokenizer.read(files, rowCount: rows, path: "m")
    }

    /// What is stated becomes files, and what is read from those is what was stated.
    @Test(arguments: ["gemma", "gpt-2", "llama-bpe", "phi", "qwen2", "smollm", "spm"])
    func filesOfWhatIsStatedStateTheSame(_ name: String) throws {
        let document = try StoredTokenizers.json(Fixture.path("gguf-tokenizers/\(name).json"))
        let stored = StoredTokenizers.stored(try #require(document["metadata"]))
        let files = try stored.files(path: "m.gguf")
        let (again, remarks) = try Self.read(files, rows: stored.tokens.count)
        #expect(again.model == stored.model && again.splitting == stored.splitting)
        #expect(again.tokens == stored.tokens && again.types == stored.types)
        #expect(again.merges == stored.merges)
        #expect(again.roles == stored.roles && again.otherEnds == stored.otherEnds)
        let habit = stored.model == "llama"
        #expect(again.addsBeginning ?? habit == stored.addsBeginning ?? habit && again.addsEnd ?? false == stored.addsEnd ?? false)
        #expect(again.addsSpacePrefix ?? habit == stored.addsSpacePrefix ?? habit)
        #expect(again.chatTemplates == stored.chatTemplates)
        #expect(remarks.allSatisfy { $0.contains("Unicode's form C") } && remarks.count == (name == "qwen2" ? 1 : 0))
        // Scores are made anew, and mean the same merges: the files are the same, too.
        for (own, other) in zip(try again.files(path: "m.gguf"), files) { #expect(own.bytes == other.bytes, "\(own.name)") }
    }

    /// Mistral's own file states what a tokenizer.json of the same would: texts have the ids that Mistral's library gives them.
    @Test func filesOfTekkenHaveItsIDs() throws {
        let folder = "\(TokenizerFolder.fixtureRoot)/tekken-json"
        let file = TokenizerFile(name: "tekken.json", bytes: try Fixture.bytes("\(folder)/tekken.json"))
        let (stored, remarks) = try Self.read([file], rows: 570)
        #expect(stored.splitting == "tekken" && stored.tokens.count == 570 && stored.tokens[569] == "[PAD569]")
        #expect(stored.roles["bos_token"] == 1 && stored.types[3] == 3 && stored.types[12] == 1 && remarks.isEmpty, "\(remarks)")
        let tokenizer = try Tokenizer.open(stored.files(path: "m"), path: "m")
        let cases = try TokenizerFolder.vectors(in: folder).cases
        #expect(cases.count > 20)
        for vector in cases { #expect(tokenizer.encode(vector.text) == vector.ids, "\(vector.text.debugDescription)") }
    }

    private static func family(_ name: String) throws -> (files: [TokenizerFile], rows: Int) {
        let folder = Fixture.path(name)
        var files: [TokenizerFile] = []
        for file in try FilePath.entries(of: folder) where TokenizerFile.names.contains(file) {
            files.append(TokenizerFile(name: file, bytes: try Fixture.bytes("\(folder)/\(file)")))
        }
        return (files, try Tokenizer.open(files, path: name).idCount)
    }

    private static let form =
        "text is brought into Unicode's form C before it is cut; llama.cpp leaves it as it is, and texts in another form "
        + "get other ids"

    /// Families, the name of how they cut text, and what is lost of them.
    static let families: [(String, String, [String])] = [
        ("families/bloom", "bloom", []), ("families/command-r", "command-r", [form]), ("families/deepseek-coder", "deepseek-coder", []),
        ("families/deepseek-v3", "deepseek-v3", []), ("families/falcon", "falcon", []),
        ("families/gpt-neox", "mpt", [form]), ("families/llama3", "llama-bpe", []), ("families/o200k", "gpt-4o", []),
        ("families/qwen2", "qwen2", [form]), ("families/starcoder", "smollm", []), ("families/tekken", "tekken", []),
    ]

    /// Ids of all texts are those of the tokenizers library, but for those in which an added token takes white space along.
    @Test(arguments: families) func hasTheIDsOfTheFamily(_ name: String, _ splitting: String, _ expected: [String]) throws {
        let (files, rows) = try Self.family("tokenizers/\(name)")
        let (stored, remarks) = try Self.read(files, rows: rows + 2)
        #expect(stored.splitting == splitting)
        #expect(stored.tokens.suffix(2) == ["[PAD\(rows)]", "[PAD\(rows + 1)]"] && stored.types.suffix(2) == [5, 5])
        #expect(remarks.filter { !$0.contains("takes white space along") } == expected)
        let tokenizer = try Tokenizer.open(stored.files(path: "m.gguf"), path: "m.gguf")
        let takes = remarks.contains { $0.contains("takes white space along") }
        for vector in try TokenizerFolder.vectors(in: Fixture.path("tokenizers/\(name)")).cases where !takes || !vector.text.contains("<") {
            #expect(tokenizer.encode(vector.text) == vector.ids, "\(vector.text.debugDescription)")
        }
    }

    /// A vocabulary in two files, and SentencePiece's own file.
    @Test func readsOtherFilesThanTokenizerJSON() throws {
        var (files, rows) = try Self.family("tokenizers/sentencepiece")
        var stored = try Self.read(files, rows: rows).tokenizer
        #expect(stored.model == "llama" && stored.types.prefix(3) == [2, 3, 3] && Set(stored.scores).count > 3)
        var tokenizer = try Tokenizer.open(stored.files(path: "m.gguf"), path: "m.gguf")
        for vector in try TokenizerFolder.vectors(in: Fixture.path("tokenizers/sentencepiece")).cases {
            #expect(tokenizer.encode(vector.text) == vector.ids, "\(vector.text.debugDescription)")
        }
        let vectors = try TokenizerFolder.vectors(in: Fixture.path("tokenizers/sample-openai"))
        files = try ["encoder.json", "vocab.bpe"].map { TokenizerFile(name: $0, bytes: try Fixture.bytes("\(vectors.path)/\($0)")) }
        rows = try Tokenizer.open(files, path: "m").idCount
        stored = try Self.read(files, rows: rows).tokenizer
        #expect(stored.model == "gpt2" && stored.splitting == "gpt-2")
        tokenizer = try Tokenizer.open(stored.files(path: "m.gguf"), path: "m.gguf")
        for vector in vectors.cases { #expect(tokenizer.encode(vector.text) == vector.ids, "\(vector.text.debugDescription)") }
    }

    /// Merges that were learned from texts lack some that scores would make.
    @Test(arguments: ["gemma", "llama2", "metaspace"]) func refusesMergesThatNoScoresMean(_ name: String) throws {
        let (files, rows) = try Self.family("tokenizers/families/\(name)")
        let error = #expect(throws: FileError.self) { try Self.read(files, rows: rows) }
        #expect(error?.place == "tokenizer.json: merges" && error?.message.hasSuffix("and none mean this list") == true)
    }

    /// Without SentencePiece's file, scores are made of the merges, and mean the same merges.
    @Test(arguments: ["llama-spm", "gemma2"]) func scoresOfMergesMeanTheMerges(_ name: String) throws {
        let (files, rows) = try Self.family("gguf/tokenizers/\(name)")
        let own = try Self.read(files, rows: rows).tokenizer
        let made = try Self.read(files.filter { $0.name != "tokenizer.model" }, rows: rows).tokenizer
        #expect(own.tokens == made.tokens && own.types == made.types && own.scores != made.scores)
        #expect(try own.files(path: "m")[0].bytes == made.files(path: "m")[0].bytes)
    }
}
