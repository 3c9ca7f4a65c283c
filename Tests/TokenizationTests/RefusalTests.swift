import ByteIO
import Testing
import Tokenization

/// Files that are refused, each with the error it gives.
@Suite struct RefusalTests {
    /// A tokenizer.json of three characters, with some parts replaced.
    private static func json(
        model: String = #""type":"BPE","unk_token":"u","vocab":{"u":0,"a":1,"b":2,"ab":3},"merges":["a b"]"#,
        decoder: String = #"{"type":"Metaspace","replacement":"▁"}"#, _ more: String = ""
    ) -> String { "{\"model\":{\(model)},\"decoder\":\(decoder)\(more)}" }

    private static func opened(_ files: [(String, String)]) -> FileError? {
        do {
            _ = try Tokenizer.open(files.map { TokenizerFile(name: $0.0, bytes: Array($0.1.utf8)) }, path: "model")
            return nil
        } catch { return error }
    }

    @Test func readsWhatTheOthersAreMadeFrom() {
        #expect(Self.opened([("tokenizer.json", Self.json())]) == nil)
    }

    @Test(arguments: [
        ("", "byte 0: the text ends where a value should be"),
        ("[]", "byte 0: an object is expected here, but there is an array"),
        ("{}", "has no 'model'"),
        (#"{"model":{},"model":{}}"#, "byte 12: key 'model' stands here for the second time"),
        (
            json(model: #""type":"Unigram","vocab":[["a",0.5]]"#),
            "model: is of type 'Unigram', which is not read; byte pair encoding (BPE) is"
        ),
        (json(model: #""type":"BPE","merges":[]"#), "model: has no object 'vocab'"),
        (json(model: #""vocab":{"a":-1},"merges":[]"#), "token 'a': has the id -1, which is not between 0 and 4194303"),
        (json(model: #""vocab":{"a":4194304},"merges":[]"#), "token 'a': has the id 4194304, which is not between 0 and 4194303"),
        (json(model: #""unk_token":"x","vocab":{"a":0},"merges":[]"#), "model: 'unk_token' is 'x', which the vocabulary does not have"),
        (
            json(model: #""unk_token":"a","vocab":{"a":0,"b":1},"merges":["a b"]"#),
            "merge 0: of 'a' and 'b' needs the token 'ab', which the vocabulary does not have"
        ),
        (
            json(model: #""unk_token":"a","vocab":{"a":0},"merges":["ab"]"#),
            "byte 52: a merge is 'ab', which is not two tokens with a space between"
        ),
        (json(model: #""unk_token":"a","vocab":{"a":0},"merges":[["a"]]"#), "byte 52: a merge has 1 tokens, not 2"),
        (json(model: #""unk_token":"a","vocab":{"a":0},"merges":[],"dropout":0.1"#), "model: has a 'dropout': its ids would be random"),
        (
            json(model: #""unk_token":"a","vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>""#),
            "model: has a 'end_of_word_suffix', which is not read"
        ),
        (
            json(model: #""unk_token":"a","vocab":{"a":0},"merges":[],"byte_fallback":1"#),
            "model: 'byte_fallback' is neither true nor false"
        ),
        (json(decoder: #"{"type":"WordPiece"}"#), "decoder: 'WordPiece' is not read"),
        (json(decoder: #"{"type":"Sequence","decoders":[{"type":"Fuse"}]}"#), "decoder: leaves '▁' as it is, which is not read"),
        (json(#","normalizer":{"type":"Lowercase"}"#), "normalizer: 'Lowercase' is not read"),
        (json(#","normalizer":{"type":"Sequence"}"#), "normalizer: is a Sequence without an array 'normalizers'"),
        (
            json(#","normalizer":{"type":"Replace","pattern":{"Regex":"(a)\\1"},"content":""}"#),
            #"normalizer: 'Replace' has the expression '(a)\1' with '\1', which is not read"#
        ),
        (
            json(#","pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=a)b"},"behavior":"Isolated"}"#),
            "pre_tokenizer: 'Split' has the expression '(?<=a)b' with a look-behind or a name, which is not read"
        ),
        (
            json(#","pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Odd"}"#),
            "pre_tokenizer: 'Split' with the behavior 'Odd' is not read"
        ),
        (json(#","pre_tokenizer":{"type":"UnicodeScripts"}"#), "pre_tokenizer: 'UnicodeScripts' is not read"),
        (
            json(#","pre_tokenizer":{"type":"ByteLevel"}"#),
            "decoder: 'Metaspace' after a 'ByteLevel' pre_tokenizer is not read"
        ),
        (
            json(decoder: "null", #","pre_tokenizer":{"type":"ByteLevel"}"#),
            "has no 'decoder', which after a 'ByteLevel' pre_tokenizer is not read"
        ),
        (json(#","post_processor":{"type":"BertProcessing"}"#), "post_processor: 'BertProcessing' has no 'cls' with the id of a token"),
        (json(#","post_processor":{"type":"Odd"}"#), "post_processor: 'Odd' is not read"),
        (
            json(#","post_processor":{"type":"TemplateProcessing","single":[]}"#),
            "post_processor: 'TemplateProcessing' has the text 0 times in 'single', not once"
        ),
        (
            json(
                #","post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}],"special_tokens":{"s":{"ids":[9]}}}"#
            ),
            "post_processor: 'TemplateProcessing' gives the special token 's' an id that no token has"
        ),
        (json(#","added_tokens":[{"content":"b"}]"#), "added_tokens[0]: has no whole number 'id'"),
        (json(#","added_tokens":[{"id":9,"content":"c","lstrip":3}]"#), "added token 'c': 'lstrip' is neither true nor false"),
    ])
    func refusesTokenizerJSON(text: String, message: String) throws {
        let error = try #require(Self.opened([("tokenizer.json", text)]))
        #expect(error.description == "model: tokenizer.json: \(message)")
    }

    @Test(
        arguments: [
            ([("vocab.json", "{"), ("merges.txt", "")], "vocab.json: byte 1: the text ends where a value should be"),
            (
                [("vocab.json", #"{"a":0}"#), ("merges.txt", "a b c\n")],
                "merges.txt: line 1: is 'a b c', which is not two tokens with a space between"
            ),
            (
                [("vocab.json", #"{"a":0}"#), ("merges.txt", "#version: 0.2\r\na a\r\n")],
                "merges.txt: merge 0: of 'a' and 'a' needs the token 'aa', which the vocabulary does not have"
            ),
            (
                [("vocab.json", "{}"), ("merges.txt", ""), ("tokenizer_config.json", #"{"tokenizer_class":"CLIPTokenizer"}"#)],
                "vocab.json: how 'CLIPTokenizer' cuts text is not known"
            ),
            ([("tokenizer.model", "IQ== 0\n")], "tokenizer.model: does not begin like a SentencePiece model"),
            ([("tokenizer.model", "")], "tokenizer.model: does not begin like a SentencePiece model"),
            ([("tokenizer.model", "\n\u{5}abc")], "tokenizer.model: byte 2: 5 bytes are needed here, but 3 are left"),
            ([("tokenizer.model", "\n\u{3}\n\u{1}a")], "tokenizer.model: model_type: is UNIGRAM, which is not read; BPE is"),
            ([("tokenizer.model", "\n\u{0}")], "tokenizer.model: byte 0: piece 0 is empty or not UTF-8"),
            ([("tokenizer.model", "\n\u{5}\n\u{1}a\u{18}\u{5}")], "tokenizer.model: byte 5: piece 0 has type 5, which is not read"),
            (
                [("vocab.json", "{}")],
                "has no tokenizer: neither tokenizer.json, nor tekken.json, nor tokenizer.model, nor vocab.json and merges.txt, nor encoder.json "
                    + "and vocab.bpe"
            ),
            (
                [("tokenizer.json", json()), ("tokenizer_config.json", #"{"added_tokens_decoder":{"x":{}}}"#)],
                "tokenizer_config.json: added_tokens_decoder: has the key 'x', which is no id"
            ),
        ] as [([(String, String)], String)])
    func refusesOtherFiles(files: [(String, String)], message: String) throws {
        let error = try #require(Self.opened(files))
        #expect(error.description == "model: \(message)")
    }
}
