import Tokenization

extension Reader {
    /// tekken.json, NUL, a text.
    static let tekken = Reader(
        "tekken",
        words: [
            "\"version\":\"v3\"", "\"default_vocab_size\":262", "\"default_num_special_tokens\":4", "\"special_tokens\":null",
            "\"rank\":258",
            "\"token_bytes\":\"YWI=\"", "\"token_str\":\"<s>\"", "\"is_control\":false", "4194304", "65536", "====",
        ],
        mutation: .texts(prefixByteCount: 0),
        seeds: { _ in [Array(file.utf8) + [0] + Array("abc <s>é 12 abcabc".utf8)] },
        read: { bytes in
            var input = FuzzInput(bytes)
            let file = TokenizerFile(name: "tekken.json", bytes: input.text())
            readTokenizer([file], text: input.rest())
        })

    /// The bytes, `ab`, `abc`, `  ` and one for which there is no room; three special tokens, one of them without a name.
    private static let file: String = {
        let tokens = (0..<256).map { byte in base64(of: UInt8(byte)) } + ["YWI=", "YWJj", "ICA=", "enp6"]
        let vocabulary = tokens.enumerated().map { "{\"rank\":\($0),\"token_bytes\":\"\($1)\",\"token_str\":null}" }
        let special = ["<unk>", "<s>"].enumerated().map { "{\"rank\":\($0),\"token_str\":\"\($1)\",\"is_control\":true}" }
        let pattern =
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
        return """
            {"config":{"pattern":"\(pattern)","default_vocab_size":262,"default_num_special_tokens":3,"version":"v11"},\
            "special_tokens":[\(special.joined(separator: ","))],"vocab":[\(vocabulary.joined(separator: ","))]}
            """
    }()

    private static func base64(of byte: UInt8) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        return String(decoding: [alphabet[Int(byte >> 2)], alphabet[Int(byte & 3) << 4], 0x3d, 0x3d], as: UTF8.self)
    }
}
