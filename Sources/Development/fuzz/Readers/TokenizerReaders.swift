import ByteIO
import Tokenization

extension Reader {
    /// tokenizer.json, NUL, tokenizer_config.json, NUL, a text.
    static let tokenizer = Reader(
        "tokenizer",
        words: [
            "\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true,\"lstrip\":true}]", "\"ignore_merges\":true",
            "\"byte_fallback\":true", "\"normalizer\":{\"type\":\"NFC\"}", "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"▁\"}",
            "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"}", "{\"type\":\"Sequence\",\"normalizers\":[]}",
            "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}", "\"type\":\"Metaspace\"",
            "{\"type\":\"Digits\",\"individual_digits\":true}", "\"type\":\"Split\"", "\"behavior\":\"MergedWithNext\"", "\"invert\":true",
            "\\\\p{L}", "\\\\s+(?!\\\\S)", "(?i:'s|'ll)", "[^\\\\r\\\\n&&[a-z]]", "{1,3}", "++", "*?", "(?=a)", "$",
            "{\"type\":\"Punctuation\"}",
            "{\"type\":\"Whitespace\"}", "{\"type\":\"NFKC\"}", "{\"Regex\":\" {2,}\"}",
            "\"post_processor\":{\"type\":\"TemplateProcessing\"",
            "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}", "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}", "\"unk_token\":\"u\"",
            "\"merges\":[[\"a\",\"b\"]]", "4194303", "<0x41>", "\"fuse_unk\":true", "\"bos_token\":\"<s>\"", "\"chat_template\":\"{{a}}\"",
        ],
        mutation: .texts(prefixByteCount: 0),
        seeds: { _ in
            let config = "{\"add_bos_token\":true,\"bos_token\":\"<s>\",\"tokenizer_class\":\"LlamaTokenizer\"}"
            return [Self.characters, Self.byteLevel, Self.expressions].map {
                Array($0.utf8) + [0] + Array(config.utf8) + [0] + Array("abb <s>é 12".utf8)
            }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let files = [TokenizerFile(name: "tokenizer.json", bytes: input.text())]
            let config = input.text()
            readTokenizer(
                config.isEmpty ? files : files + [TokenizerFile(name: "tokenizer_config.json", bytes: config)], text: input.rest())
        })

    /// A byte that chooses the names, vocabulary, NUL, merges, NUL, added_tokens.json, NUL, a text.
    static let merges = Reader(
        "merges", words: ["#version: 0.2", "a b", "\n", "\r\n", "\"ab\":257", "Ġ", "<|begin_of_text|>", "<|start_header_id|>"],
        mutation: .texts(prefixByteCount: 1),
        seeds: { _ in
            let tail =
                [0] + Array("#version: 0.2\na b\nĠ ab\n".utf8) + [0] + Array("{\"<s>\":258}".utf8) + [0] + Array("ab abab\u{e9}".utf8)
            return [[0] + Array(Self.byteVocabulary.utf8) + tail, [1] + Array(Self.byteVocabulary.utf8) + tail]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isOpenAI = input.byte() & 1 == 0
            var files = [TokenizerFile(name: isOpenAI ? "encoder.json" : "vocab.json", bytes: input.text())]
            files.append(TokenizerFile(name: isOpenAI ? "vocab.bpe" : "merges.txt", bytes: input.text()))
            let added = input.text()
            if !added.isEmpty { files.append(TokenizerFile(name: "added_tokens.json", bytes: added)) }
            readTokenizer(files, text: input.rest())
        })

    /// A SentencePiece model.
    static let sentencePiece = Reader(
        "sentencepiece", words: ["▁", "<0x0A>", "<unk>", "</s>"],
        seeds: { _ in
            func piece(_ spelling: String, _ type: UInt8) -> [UInt8] {
                let text = Array(spelling.utf8)
                let fields = [0x0a, UInt8(text.count)] + text + [0x15, 0, 0, 0x80, 0xbf] + (type == 1 ? [] : [0x18, type])
                return [0x0a, UInt8(fields.count)] + fields
            }
            let pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("▁a", 1), ("▁", 1), ("a", 1), ("b", 1), ("ab", 1), ("c", 4)]
            let bytes = (0..<256).flatMap { byte in
                let digits = String(byte, radix: 16, uppercase: true)
                return piece("<0x\(digits.utf8.count == 1 ? "0" : "")\(digits)>", 6)
            }
            let known = pieces.flatMap { piece($0.0, UInt8($0.1)) }
            return [
                known + [0x12, 2, 0x18, 2], known + bytes + [0x12, 5, 0x18, 2, 0x98, 0x02, 1],
                known + [0x12, 2, 0x18, 2, 0x1a, 2, 0x18, 0],
            ]
        },
        read: { bytes in readTokenizer([TokenizerFile(name: "tokenizer.model", bytes: bytes)], text: Array(bytes.suffix(64))) })

    private static let characters = """
        {"added_tokens":[{"id":4,"content":"<s>","special":true}],"normalizer":{"type":"Sequence","normalizers":[\
        {"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,\
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],\
        "special_tokens":{"<s>":{"id":"<s>","ids":[4],"tokens":["<s>"]}}},"decoder":{"type":"Metaspace","replacement":"▁"},\
        "model":{"type":"BPE","unk_token":"u","fuse_unk":true,"vocab":{"u":0,"a":1,"b":2,"ab":3,"<s>":4,"▁":5},"merges":["a b"]}}
        """

    private static let byteLevel = """
        {"added_tokens":[{"id":258,"content":"<s>","special":true,"normalized":false}],"normalizer":{"type":"NFC"},\
        "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"decoder":{"type":"ByteLevel"},\
        "model":{"type":"BPE","ignore_merges":true,"vocab":\(byteVocabulary),"merges":["a b","Ġ ab"]}}
        """

    /// A vocabulary with gaps and a token twice, cut by expressions before and behind the mapping of bytes.
    private static let expressions = #"""
        {"added_tokens":[{"id":9,"content":"<s>","special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},\#
        {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[\#
        {"type":"Split","pattern":{"Regex":"(?i:'s|'ll)|[^\\r\\n\\p{L}]?\\p{L}++|\\s+(?!\\S)|\\s+$"},"behavior":"Isolated","invert":false},\#
        {"type":"Punctuation","behavior":"Contiguous"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},\#
        {"type":"Digits","individual_digits":true},{"type":"Split","pattern":{"String":"1"},"behavior":"MergedWithPrevious"}]},\#
        "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":"u","vocab":{"u":0,"a":1,"b":2,"ab":3,"Ġ":4,"a":5,"c":2},\#
        "merges":["a b"]}}
        """#

    /// A token for every byte, spelled as GPT-2 does, and two longer ones.
    private static let byteVocabulary: String = {
        let shown = Array(0x21...0x7e) + Array(0xa1...0xac) + Array(0xae...0xff)
        var hiddenCount = 0
        let spellings = (0..<256).map { byte -> Unicode.Scalar in
            if !shown.contains(byte) { hiddenCount += 1 }
            return Unicode.Scalar(UInt16(shown.contains(byte) ? byte : 255 + hiddenCount)) ?? " "
        }
        let members = spellings.enumerated().map { byte, scalar in
            scalar == "\"" || scalar == "\\" ? "\"\\\(scalar)\":\(byte)" : "\"\(scalar)\":\(byte)"
        }
        return "{\(members.joined(separator: ",")),\"ab\":256,\"Ġab\":257}"
    }()

    /// Opens a tokenizer; what is accepted encodes and decodes any text.
    static func readTokenizer(_ files: [TokenizerFile], text: [UInt8]) {
        do throws(FileError) {
            let tokenizer = try Tokenizer.open(files, path: "f")
            let text = String(decoding: text, as: UTF8.self)
            let ids = tokenizer.encode(text)
            require(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.idCount }, "ids are below their count")
            require(tokenizer.encode(text) == ids, "a text has the same ids each time")
            let shown = tokenizer.decode(ids, showsSpecialTokens: true)
            var decoder = StreamingDecoder(tokenizer, beginsText: true, showsSpecialTokens: true)
            let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
            require(streamed.utf8.elementsEqual(shown.utf8), "ids one by one give the text of all")
            _ = tokenizer.encode(text, EncodingOptions(addsSpecialTokens: false, findsSpecialTokens: false, continuesText: true))
            _ = tokenizer.decode([0, TokenID(tokenizer.idCount), .max])
        } catch {
            tell(error)
        }
    }
}
