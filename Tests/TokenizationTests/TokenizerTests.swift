import ByteIO
import Testing
import Tokenization

@Suite struct TokenizerTests {
    @Test func framesAndFindsSpecialTokensAsAsked() throws {
        let tokenizer = try TokenizerFolder.fixture("llama3")
        let begin = try #require(tokenizer.id(of: "<|begin_of_text|>"))
        let end = try #require(tokenizer.id(of: "<|endoftext|>"))
        let plain = EncodingOptions(addsSpecialTokens: false)
        #expect(tokenizer.encode("").elementsEqual([begin]))
        #expect(tokenizer.encode("", plain).isEmpty)
        #expect(tokenizer.encode("<|endoftext|>", plain) == [end])
        let asText = tokenizer.encode("<|endoftext|>", EncodingOptions(addsSpecialTokens: false, findsSpecialTokens: false))
        #expect(asText.count > 1 && !asText.contains(end))
        #expect(tokenizer.decode(asText) == "<|endoftext|>")
    }

    /// A text cut between words and encoded in two parts gives the ids of the whole.
    @Test(arguments: ["sample", "llama3", "qwen2", "digits", "added", "sentencepiece", "marks-legacy", "marks-first", "marks-always"])
    func continuesText(_ name: String) throws {
        let tokenizer = try TokenizerFolder.fixture(name)
        for (first, second) in [("The end", " of the line."), ("The end.", "\nThe"), ("said", " \"no\""), ("", "The end")] {
            let going = EncodingOptions(addsSpecialTokens: false, continuesText: !first.isEmpty)
            let parts = tokenizer.encode(first) + tokenizer.encode(second, going)
            // Only what is cut at spaces can be cut here: a line break belongs to a word of some vocabularies.
            guard !second.hasPrefix("\n") || parts == tokenizer.encode(first + second) else { continue }
            #expect(parts == tokenizer.encode(first + second))
        }
    }

    /// Whether a token that is a word of its own is found before a character; a letter of Unicode 17 is none to the library.
    @Test(arguments: [
        ("", true), ("-", true), ("½", true), ("\u{18dda}", true), ("\u{10ffff}", true), ("é", false), ("_", false), ("7", false),
        ("\u{301}", false), ("Ⅷ", false), ("\u{200d}", false), ("語", false), ("\u{e01ef}", false),
    ])
    func findsWordsOnTheirOwn(_ next: String, _ isFound: Bool) throws {
        let tokenizer = try TokenizerFolder.fixture("added")
        let word = try #require(tokenizer.id(of: "word"))
        #expect(tokenizer.encode("word" + next).contains(word) == isFound)
        #expect(tokenizer.encode(next + "word").contains(word) == isFound)
    }

    @Test func knowsTheRolesOfTokens() throws {
        let sample = try TokenizerFolder.fixture("sample")
        #expect(sample.idCount == 1280)
        #expect(sample.specialTokens.beginning == 1279)
        #expect(sample.specialTokens.end == 1279)
        #expect(sample.specialTokens.padding == 1279)
        #expect(sample.specialTokens.stops == [1279])
        #expect(sample.chatTemplates["default"]?.contains("### Response:") == true)
        #expect(sample.warnings.isEmpty)
        let pieces = try TokenizerFolder.fixture("sentencepiece")
        #expect(pieces.specialTokens.beginning == 1)
        #expect(pieces.specialTokens.end == 2)
        #expect(pieces.isSpecial(0) && pieces.isSpecial(2) && !pieces.isSpecial(3))
    }

    @Test func saysWhatTheVocabularyLacks() throws {
        let json = try fixtureBytes("llama3")
        let config = Array(#"{"bos_token": "<nope>", "eos_token": {"content": "<|endoftext|>"}}"#.utf8)
        let generation = Array(#"{"eos_token_id": [7, 3]}"#.utf8)
        let tokenizer = try Tokenizer.open(
            [
                TokenizerFile(name: "tokenizer.json", bytes: json), TokenizerFile(name: "tokenizer_config.json", bytes: config),
                TokenizerFile(name: "generation_config.json", bytes: generation),
            ], path: "m")
        #expect(tokenizer.warnings == ["'<nope>' has a role, but no id in the files: it becomes token 502"])
        #expect(tokenizer.specialTokens.beginning == 502)
        #expect(tokenizer.vocabularyIDCount <= 502)
        #expect(tokenizer.specialTokens.stops == [3, 7, try #require(tokenizer.id(of: "<|endoftext|>"))])
    }

    /// As in OpenAI's GPT-2 on Hugging Face, whose tokenizer_config.json names no end.
    @Test("takes the end from config.json where nothing names it", arguments: [("7", 7), ("[7]", 7), ("[7, 3]", nil), ("100000", nil)])
    func takesTheEndFromTheConfiguration(_ ids: String, _ end: TokenID?) throws {
        let config = Array(#"{"model_type": "gpt2", "eos_token_id": \#(ids)}"#.utf8)
        let files = [
            TokenizerFile(name: "tokenizer.json", bytes: try fixtureBytes("llama3")), TokenizerFile(name: "config.json", bytes: config),
        ]
        #expect(try Tokenizer.open(files, path: "m").specialTokens.end == end)
    }

    @Test func encodesOnSeveralThreadsAtOnce() async throws {
        let tokenizer = try TokenizerFolder.fixture("sample")
        let expected = tokenizer.encode("The end of the line, said Paul.")
        await withTaskGroup(of: [TokenID].self) { group in
            for _ in 0..<8 { group.addTask { tokenizer.encode("The end of the line, said Paul.") } }
            for await ids in group { #expect(ids == expected) }
        }
    }

    private func fixtureBytes(_ name: String) throws -> [UInt8] {
        try InputFile(path: "\(TokenizerFolder.fixtureRoot)/\(name)/tokenizer.json").allBytes(limit: 1 << 20)
    }
}
