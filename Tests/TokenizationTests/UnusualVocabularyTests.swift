import ByteIO
import Testing
import Tokenization

/// Vocabularies with gaps and repeats; every value is what the tokenizers library 0.23.3 gives.
@Suite struct UnusualVocabularyTests {
    private static let bytes = #","pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#
    private static let byteLevel = #"{"type":"ByteLevel"}"#

    /// A byte without a token is the unknown token where there is one, else it is left out.
    @Test(
        arguments: [
            (#""vocab":{"a":0,"U":1,"b":2},"merges":[]"#, [0, 2]),
            (#""unk_token":"U","vocab":{"a":0,"U":1,"b":2},"merges":[]"#, [0, 1, 1, 2, 1, 1]),
            (#""unk_token":"U","fuse_unk":true,"vocab":{"a":0,"U":1,"b":2},"merges":[]"#, [0, 1, 2, 1]),
            (#""byte_fallback":true,"vocab":{"a":0,"<0xC4>":1,"<0xA0>":4,"b":2},"merges":[]"#, [0, 1, 4, 1, 4, 2]),
        ] as [(String, [TokenID])])
    func readsBytesWithoutTokens(model: String, ids: [TokenID]) throws {
        let tokenizer = try StoredJSON.open(model: model, decoder: Self.byteLevel, Self.bytes)
        #expect(tokenizer.encode("a  bé") == ids)
        let isLossy = !model.contains("unk_token")
        #expect((tokenizer.lostByteCount(in: "a  bé") > 0) == isLossy)
    }

    @Test func namesAnUnknownTokenThatIsNeededAndMissing() {
        let error = #expect(throws: FileError.self) {
            try StoredJSON.open(model: #""unk_token":"U","vocab":{"a":0},"merges":[]"#, decoder: Self.byteLevel, Self.bytes)
        }
        #expect(error?.message == "'unk_token' is 'U', which the vocabulary does not have")
    }

    /// Of two ids the later one counts; two spellings may have one id.
    @Test(
        arguments: [
            (#"{"a":0,"b":1,"a":2}"#, [2, 1], "the vocabulary has tokens twice: 'a' has the ids 0 and 2"),
            (#"{"a":0,"b":0,"c":2}"#, [0, 0], "the vocabulary has tokens twice: 'a' and 'b' have the id 0"),
        ] as [(String, [TokenID], String)])
    func readsTokensListedTwice(vocabulary: String, ids: [TokenID], warning: String) throws {
        let tokenizer = try StoredJSON.open(
            model: "\"vocab\":\(vocabulary),\"merges\":[]", decoder: Self.byteLevel, Self.bytes)
        #expect(tokenizer.encode("ab") == ids)
        #expect(tokenizer.warnings == [warning])
        #expect(tokenizer.decode([2]) == (ids == [2, 1] ? "a" : "c"))
    }

    /// Added tokens have the ids that their places give them, and the flags that stand last.
    @Test func numbersAddedTokensByTheirPlaces() throws {
        let tokenizer = try StoredJSON.open(
            model: #""vocab":{"a":0,"b":1,"<s>":2},"merges":[]"#, decoder: Self.byteLevel,
            Self.bytes + #","added_tokens":[{"id":7,"content":"<x>","special":true},{"id":9,"content":"<y>"},"#
                + #"{"id":5,"content":"<s>","special":true},{"id":10,"content":"<y>","rstrip":true,"special":true}]"#)
        #expect(tokenizer.encode("a<x><y> b<s>") == [0, 3, 4, 1, 2])
        #expect(tokenizer.decode([0, 3, 4, 1]) == "ab")
        #expect(
            tokenizer.warnings == [
                "the file gives the added token '<x>' the id 7, but its place gives it 3, which counts, and 3 more like it"
            ])
        #expect(tokenizer.vocabularyIDCount == 2)
    }

    /// What tokenizer_config.json names is found in text, whether or not tokenizer.json lists it; what is new gets the next id.
    @Test func findsTokensThatOnlyTheConfigurationNames() throws {
        let tokenizer = try StoredJSON.open(
            model: #""vocab":{"a":0,"b":1,"<s>":2},"merges":[]"#, decoder: Self.byteLevel, Self.bytes,
            config: #"{"bos_token":"<s>","pad_token":{"content":"[PAD]"},"added_tokens_decoder":{"2":{"content":"<s>","special":true}}}"#)
        #expect(tokenizer.encode("a<s>b[PAD]") == [0, 2, 1, 3])
        #expect(tokenizer.isSpecial(2) && tokenizer.isSpecial(3))
        #expect(tokenizer.vocabularyIDCount == 2 && tokenizer.idCount == 4)
        #expect(tokenizer.warnings == ["'[PAD]' has a role, but no id in the files: it becomes token 3"])
    }

    /// Words between spaces and punctuation, characters as symbols, and no decoder: words with a space between.
    @Test(
        arguments: [
            (#"{"type":"Whitespace"}"#, "ab,  a", [3, 4, 1]), (#"{"type":"WhitespaceSplit"}"#, "ab,  a", [3, 4, 1]),
            (#"{"type":"BertPreTokenizer"}"#, "ab,  a", [3, 4, 1]), (#"{"type":"CharDelimiterSplit","delimiter":"b"}"#, "abaa", [1, 1, 1]),
            (#"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true}]}"#, "ab1", [3, 5]),
        ] as [(String, String, [TokenID])])
    func cutsWords(_ preTokenizer: String, _ text: String, _ ids: [TokenID]) throws {
        let tokenizer = try StoredJSON.open(
            model: #""vocab":{"u":0,"a":1,"b":2,"ab":3,",":4,"1":5},"merges":["a b"]"#, decoder: "null",
            ",\"pre_tokenizer\":\(preTokenizer)")
        #expect(tokenizer.encode(text) == ids)
        #expect(tokenizer.decode([3, 4, 1]) == "ab , a")
        #expect(tokenizer.warnings == ["characters that the vocabulary does not have are left out, as the tokenizers library does"])
    }

    /// A character that was only added is an unknown one wherever it is not found as an added token.
    @Test(
        arguments: [
            (
                #","normalizer":{"type":"Prepend","prepend":"▁"},"added_tokens":[{"id":4,"content":"x","normalized":true}]"#, "axb",
                [1, 2, 0, 3]
            ),
            (#","normalizer":{"type":"Prepend","prepend":"▁"},"added_tokens":[{"id":4,"content":"x","normalized":true}]"#, "xb", [4, 3]),
            (#","added_tokens":[{"id":4,"content":"x","single_word":true}]"#, "axb", [2, 0, 3]),
            (#","added_tokens":[{"id":4,"content":"x","single_word":true}]"#, "a x b", [2, 0, 4, 0, 3]),
        ] as [(String, String, [TokenID])])
    func addedCharactersAreNoneOfTheModel(_ more: String, _ text: String, _ ids: [TokenID]) throws {
        let model = #""unk_token":"U","vocab":{"U":0,"▁":1,"a":2,"b":3},"merges":[]"#
        #expect(try StoredJSON.open(model: model, more).encode(text) == ids)
    }

    /// Of an added token that strips both ways nothing is left where one before it took it as white space.
    @Test(arguments: [(false, [0, 2, 2, 0]), (true, [0, 2, 0])] as [(Bool, [TokenID])])
    func whiteSpaceIsTakenOnce(_ stripsLeft: Bool, _ ids: [TokenID]) throws {
        let token = #"{"id":2,"content":"\n\n","lstrip":\#(stripsLeft),"rstrip":true}"#
        let tokenizer = try StoredJSON.open(
            model: #""vocab":{"a":0,"Ċ":1},"merges":[]"#, decoder: Self.byteLevel, Self.bytes + ",\"added_tokens\":[\(token)]")
        #expect(tokenizer.encode("a\n\n\n\na") == ids)
    }

    @Test(arguments: [
        (#"{"type":"NFKC"}"#, "ﬁ½①ｶﾞ", "fi1⁄21\u{30ac}"), (#"{"type":"NFKD"}"#, "ﬁé", "fie\u{301}"),
        (#"{"type":"NFD"}"#, "é", "e\u{301}"), (#"{"type":"NFC"}"#, "e\u{301}", "é"),
        (#"{"type":"NFC"}"#, "xe\u{301}\u{323}y é\u{323} \u{1112}\u{1161}\u{11ab} \u{323}\u{301}", "xẹ\u{301}y ẹ\u{301} 한 \u{323}\u{301}"),
        // Marks and letters of later Unicodes than the tokenizers library's are as if they were letters that nothing is done to.
        (#"{"type":"NFC"}"#, "q\u{357}\u{335}\u{d3c}\u{334}", "q\u{335}\u{357}\u{d3c}\u{334}"),
        (#"{"type":"NFC"}"#, "a\u{10d24}\u{301} \u{105d2}\u{307}", "a\u{10d24}\u{301} \u{105d2}\u{307}"),
        (#"{"type":"NFD"}"#, "ế\u{10d24}\u{323}\u{105c9}", "e\u{302}\u{301}\u{10d24}\u{323}\u{105c9}"),
        (#"{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"-"}"#, "a   b c", "a-b c"),
    ])
    func normalizes(_ normalizer: String, _ text: String, _ expected: String) throws {
        let model =
            #""byte_fallback":true,"vocab":{"# + (0..<256).map { "\"<0x\(Self.hexadecimal($0))>\":\($0)" }.joined(separator: ",") + "}"
        let tokenizer = try StoredJSON.open(model: model + #","merges":[]"#, ",\"normalizer\":\(normalizer)")
        #expect(tokenizer.encode(text).map { UInt8($0) } == Array(expected.utf8))
    }

    private static func hexadecimal(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.utf8.count == 1 ? "0" + digits : digits
    }
}
