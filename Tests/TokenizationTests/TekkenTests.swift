import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

/// tekken.json, alone or beside other files; ids against Mistral's library are in `VectorTests`.
@Suite struct TekkenTests {
    private static let path = "\(TokenizerFolder.fixtureRoot)/tekken-json/tekken.json"

    private static func open(_ text: String, _ others: (String, String)...) throws(FileError) -> Tokenizer {
        let files = [("tekken.json", text)] + others
        return try Tokenizer.open(files.map { TokenizerFile(name: $0.0, bytes: Array($0.1.utf8)) }, path: "model")
    }

    private static func fixture() throws -> String { String(decoding: try Fixture.bytes(path), as: UTF8.self) }

    private static func refusal(_ text: String) -> String? {
        do {
            _ = try open(text)
            return nil
        } catch { return error.report }
    }

    @Test func specialTokensComeFirst() throws {
        let tokenizer = try Self.open(Self.fixture())
        #expect(tokenizer.idCount == 564 && tokenizer.frame.before == [1] && tokenizer.frame.after.isEmpty)
        #expect(tokenizer.specialTokens.end == 2 && tokenizer.roleTexts["bos_token"] == "<s>")
        #expect(tokenizer.id(of: "[/INST]") == 4 && tokenizer.id(of: "<SPECIAL_11>") == 11 && tokenizer.isSpecial(11))
        #expect(!tokenizer.isSpecial(12) && Array(tokenizer.bytes(of: 12)) == [0])
        #expect(tokenizer.encode("<s>[INST]", EncodingOptions(addsSpecialTokens: false)) == [1, 3])
        // As a person's text they are no tokens.
        let plain = tokenizer.encode(Array("[INST]".utf8), markup: []).joined()
        #expect(plain.count > 1 && plain.allSatisfy { $0 >= 12 } && tokenizer.decode(plain) == "[INST]")
    }

    @Test func otherFilesSayWhatItDoesNot() throws {
        let tokenizer = try Self.open(
            Self.fixture(), ("tokenizer_config.json", #"{"add_bos_token": false, "eos_token": "[/INST]", "chat_template": "x"}"#))
        #expect(tokenizer.frame.before.isEmpty && tokenizer.specialTokens.end == 4 && tokenizer.chatTemplates == ["default": "x"])
        // What transformers reads comes first.
        let other = #"{"model":{"vocab":{"a":0},"merges":[],"unk_token":"a"},"decoder":{"type":"Metaspace","replacement":"▁"}}"#
        #expect(try Self.open(Self.fixture(), ("tokenizer.json", other)).idCount == 1)
    }

    /// Files up to version 7 list no special tokens.
    @Test func earlyFilesHaveTheTokensOfTheirTime() throws {
        func document(_ version: String) throws -> String {
            var document = try #require(JSONValue(parsing: Array(Self.fixture().utf8)).object)
            var config = try #require(document["config"]?.object)
            config["version"] = .string(version)
            config["default_num_special_tokens"] = .integer(24)
            document["config"] = .object(config)
            document["special_tokens"] = nil
            return JSONValue.object(document).text(.compact)
        }
        let tokenizer = try Self.open(document("v3"))
        #expect(tokenizer.id(of: "[TOOL_CONTENT]") == 19 && tokenizer.id(of: "<SPECIAL_20>") == 20 && tokenizer.bytes(of: 24).first == 0)
        #expect(tokenizer.idCount == 564)
        #expect(try Self.refusal(document("v11")) == "model: tekken.json: has no 'special_tokens', which files of version 'v11' list")
    }

    /// What is replaced by what, and the error.
    static let damage: [(String, String, String)] = [
        (#""rank": 300,"#, #""rank": 301,"#, "token 300 has the rank 301: ranks are counted from 0"),
        (#""rank": 300,"#, #""rank": 299,"#, "token 300 has the rank 299: ranks are counted from 0"),
        (#""rank": 300,"#, #""rank": "300","#, "token 300 has no whole number 'rank' or no text 'token_bytes'"),
        (#""token_bytes": "AA==""#, #""token_bytes": "AA=""#, "token 0: 'token_bytes' is 'AA=', which is no base64 of a byte or more"),
        (#""token_bytes": "AA==""#, #""token_bytes": "AB==""#, "token 0: 'token_bytes' is 'AB==', which is no base64 of a byte or more"),
        (#""token_bytes": "AA==""#, #""token_bytes": """#, "token 0: 'token_bytes' is '', which is no base64 of a byte or more"),
        (#""token_bytes": "AA==""#, #""token_bytes": "AQ==""#, "token 0 is not the byte 0: the first 256 are the single bytes"),
        (
            #""rank": 3, "token_str": "[INST]""#, #""rank": 4, "token_str": "[INST]""#,
            "special token 3 has the rank 4: ranks are counted from 0"
        ),
        (#""rank": 3, "token_str": "[INST]""#, #""rank": 3"#, "special token 3 has no whole number 'rank' or no text 'token_str'"),
    ]

    @Test(arguments: damage) func refusesTokens(_ text: String, _ replacement: String, _ message: String) throws {
        let fixture = try Self.fixture()
        #expect(fixture.contains(text))
        let refusal = try #require(Self.refusal(fixture.replacing(text, with: replacement)))
        #expect(refusal.hasPrefix("model: tekken.json: byte ") && refusal.hasSuffix(": \(message)"), "\(refusal)")
    }

    static let contradictions: [(String, String, String)] = [
        (#""token_str": "[INST]""#, #""token_str": "<s>""#, "token '<s>': stands in the vocabulary for the second time"),
        (
            #""default_vocab_size": 564"#, #""default_vocab_size": 570"#,
            "vocab: has 557 tokens, but 'default_vocab_size' 570 without 12 special tokens is 558"
        ),
        (
            #""default_vocab_size": 564"#, #""default_vocab_size": 267"#,
            "config: 'default_vocab_size' is 267, but 12 special tokens and 256 bytes are at least 268"
        ),
        (
            #""default_vocab_size": 564"#, #""default_vocab_size": 1e3"#,
            "config: 'default_vocab_size' is no whole number, but 12 special tokens and 256 bytes are at least 268"
        ),
        (
            #""default_num_special_tokens": 12"#, #""default_num_special_tokens": 8"#,
            "special_tokens: has 9 tokens, but 'default_num_special_tokens' is 8"
        ),
        (
            #""default_num_special_tokens": 12"#, #""default_num_special_tokens": 4000000"#,
            "config: 'default_num_special_tokens' is 4000000, but 0 to 65536 are read"
        ),
        (#"|\\s+(?!\\S)|\\s+""#, #"|\\s+""#, "config: how the pattern "),
    ]

    @Test(arguments: contradictions) func refusesContradictions(_ text: String, _ replacement: String, _ message: String) throws {
        let fixture = try Self.fixture()
        #expect(fixture.contains(text))
        let refusal = try #require(Self.refusal(fixture.replacing(text, with: replacement)))
        #expect(refusal.hasPrefix("model: tekken.json: \(message)"), "\(refusal)")
    }

    @Test func refusesATokenThatStandsTwice() throws {
        // The last one that there is room for takes the bytes of the one before it.
        var document = try #require(JSONValue(parsing: Array(Self.fixture().utf8)).object)
        var list = try #require(document["vocab"]?.array)
        var last = try #require(list[551].object)
        last["token_bytes"] = list[550]["token_bytes"]
        list[551] = .object(last)
        document["vocab"] = .array(list)
        let refusal = Self.refusal(JSONValue.object(document).text(.compact))
        #expect(refusal?.hasSuffix(": stands in the vocabulary for the second time") == true, "\(refusal ?? "")")
    }

    /// All ways to cut tokens take the square of their length, and are bounded before they are tried.
    @Test func refusesTokensThatTakeTooLong() throws {
        var document = try #require(JSONValue(parsing: Array(Self.fixture().utf8)).object)
        var list = try #require(document["vocab"]?.array)
        for rank in 400..<403 {
            // 24,576 bytes, of which the first differ.
            let text = ["aaaa", "aaab", "aaac"][rank - 400] + String(repeating: "aaaa", count: 8191)
            list[rank] = .object(["rank": .integer(rank), "token_bytes": .string(text), "token_str": .null])
        }
        document["vocab"] = .array(list)
        let refusal = Self.refusal(JSONValue.object(document).text(.compact))
        #expect(refusal?.hasPrefix("model: tekken.json: token 402: has 24576 bytes, and with those before it takes too long") == true)
    }

    @Test func readsOnlyBase64AsWritten() {
        func bytes(_ text: String) -> [UInt8]? { Base64.bytes(of: text.utf8) }
        #expect(bytes("") == [] && bytes("AA==") == [0] && bytes("/+8=") == [0xff, 0xef] && bytes("SGkh") == Array("Hi!".utf8))
        for text in ["A", "AA", "AAA", "A===", "====", "=AAA", "AA=A", "AAA=AAAA", "AB==", "AAB=", "AA AA", "AA-_", "AAAA\n", "AAé"] {
            #expect(bytes(text) == nil, "\(text)")
        }
    }
}
