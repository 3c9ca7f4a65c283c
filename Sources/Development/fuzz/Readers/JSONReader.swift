import JSONText

extension Reader {
    /// The two ways through JSON agree, and what is written of a value reads back as the same value.
    static let json = Reader(
        "json", words: ["true", "false", "null", "\\u00e9", "\\ud83d\\ude00", "-0", "1e5", "{\"a\":", "[[[["],
        mutation: .texts(prefixByteCount: 0),
        seeds: { samples in
            let texts = [
                "{\"a\": [1, -2.5e+10, \"\\u00e9\\ud83d\\ude00\\n\"], \"b\": {\"c\": null, \"d\": true}, \"\": false}", "[]", "{}",
                "\"\u{e9}\"",
                " [0, -0, 0.0, 1e999, 123456789012345678901234567890]\n",
                String(repeating: "[", count: 128) + String(repeating: "]", count: 128),
            ]
            let files = ["config.json", "generation_config.json", "hparams.json", "special_tokens_map.json", "tokenizer_config.json"]
            return texts.map { Array($0.utf8) } + Samples.folders.flatMap { folder in files.flatMap { samples.file("\(folder)/\($0)") } }
                + samples.header("samples/llama-hf/model-00001-of-00003.safetensors") + samples.file("Tests/Fixtures/nf4/codebooks.json")
        },
        read: { bytes in
            let skipError = Self.skip(bytes)
            do throws(JSONError) {
                let value = try JSONValue(parsing: bytes)
                require(skipError == nil, "what is read can be skipped")
                for style in [JSONStyle.compact, .python, .indented] {
                    let text = value.text(style)
                    let copy = try? JSONValue(parsing: Array(text.utf8))
                    require(copy == value, "the text of a value is the value's")
                    require(copy.map { $0.text(style).utf8.elementsEqual(text.utf8) } ?? false, "the text of a value is the same each time")
                }
                Self.requireSameNumber(bytes, value)
            } catch {
                tell(error)
                let isRepeatedKey = error.message.hasSuffix("for the second time")
                require(skipError != nil || isRepeatedKey, "what can be skipped is read, but for keys that stand twice")
                require(error.offset <= bytes.count, "errors name a place in the text")
                if let skipError, !isRepeatedKey { require(skipError == error, "both ways refuse a text for the same reason") }
            }
        })

    private static func skip(_ bytes: [UInt8]) -> JSONError? {
        var scanner = JSONScanner(bytes)
        do throws(JSONError) {
            try scanner.skipValue()
            try scanner.expectEnd()
            return nil
        } catch {
            return error
        }
    }

    /// A whole number is the same whether it is asked for or happens to be one.
    private static func requireSameNumber(_ bytes: [UInt8], _ value: JSONValue) {
        var scanner = JSONScanner(bytes)
        let integer = try? scanner.readInteger()
        require(integer == value.integer, "\(String(describing: integer)) is \(String(describing: value.integer))")
        if case .number(let number) = value { require(!number.double.isNaN, "a number is one") }
    }
}
