import JSONText
import Testing

@Suite struct JSONScannerTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let message: String

        init(_ text: String, _ message: String) {
            testDescription = text
            bytes = Array(text.utf8)
            self.message = message
        }

        init(bytes: [UInt8], _ message: String) {
            testDescription = "\(bytes)"
            self.bytes = bytes
            self.message = message
        }
    }

    static let structures: [Refusal] = [
        Refusal("", "byte 0: the text ends where a value should be"),
        Refusal(" \t\r\n", "byte 4: the text ends where a value should be"),
        Refusal("\u{feff}{}", "byte 0: the text begins with a byte order mark; JSON is UTF-8 without one"),
        Refusal("\u{a0}1", "byte 0: a value is expected here, but there is byte 194"),
        Refusal("\u{c}1", "byte 0: a value is expected here, but there is byte 12"),
        Refusal("nul", "byte 0: 'null' is expected here"),
        Refusal("nulL", "byte 0: 'null' is expected here"),
        Refusal("nullx", "byte 4: the end of the text is expected here, but there is 'x'"),
        Refusal("True", "byte 0: a value is expected here, but there is 'T'"),
        Refusal("tru", "byte 0: 'true' is expected here"),
        Refusal("falsy", "byte 0: 'false' is expected here"),
        Refusal("NaN", "byte 0: a value is expected here, but there is 'N'"),
        Refusal("Infinity", "byte 0: a value is expected here, but there is 'I'"),
        Refusal("1 2", "byte 2: the end of the text is expected here, but there is '2'"),
        Refusal("1\u{0}", "byte 1: the end of the text is expected here, but there is byte 0"),
        Refusal("[", "byte 1: the text ends where a value should be"),
        Refusal("[1", "byte 2: ',' or ']' is expected here, but the text ends"),
        Refusal("[1,", "byte 3: the text ends where a value should be"),
        Refusal("[1,]", "byte 3: a value is expected here, but there is ']'"),
        Refusal("[,1]", "byte 1: a value is expected here, but there is ','"),
        Refusal("[1 2]", "byte 3: ',' or ']' is expected here, but there is '2'"),
        Refusal("[1}", "byte 2: ',' or ']' is expected here, but there is '}'"),
        Refusal("]", "byte 0: a value is expected here, but there is ']'"),
        Refusal("[1] // end", "byte 4: the end of the text is expected here, but there is '/'"),
        Refusal("[/* no */1]", "byte 1: a value is expected here, but there is '/'"),
        Refusal("{", "byte 1: the text ends where a value should be"),
        Refusal("{1:2}", "byte 1: a string is expected here, but there is a number"),
        Refusal("{a:1}", "byte 1: a value is expected here, but there is 'a'"),
        Refusal("{'a':1}", "byte 1: a value is expected here, but there is '''"),
        Refusal("{\"a\"", "byte 4: ':' is expected here, but the text ends"),
        Refusal("{\"a\" 1}", "byte 5: ':' is expected here, but there is '1'"),
        Refusal("{\"a\":}", "byte 5: a value is expected here, but there is '}'"),
        Refusal("{\"a\":1", "byte 6: ',' or '}' is expected here, but the text ends"),
        Refusal("{\"a\":1,}", "byte 7: a value is expected here, but there is '}'"),
        Refusal("{\"a\":1]", "byte 6: ',' or '}' is expected here, but there is ']'"),
        Refusal("{\"a\":1,,\"b\":2}", "byte 7: a value is expected here, but there is ','"),
    ]

    static let numbers: [Refusal] = [
        Refusal("-", "byte 1: a digit is expected here, but the text ends"),
        Refusal("--1", "byte 1: a digit is expected here, but there is '-'"),
        Refusal("+1", "byte 0: a value is expected here, but there is '+'"),
        Refusal(".5", "byte 0: a value is expected here, but there is '.'"),
        Refusal("01", "byte 0: a number here begins with a superfluous zero"),
        Refusal("-01", "byte 0: a number here begins with a superfluous zero"),
        Refusal("00", "byte 0: a number here begins with a superfluous zero"),
        Refusal("1.", "byte 2: a digit is expected here, but the text ends"),
        Refusal("1.e5", "byte 2: a digit is expected here, but there is 'e'"),
        Refusal("1e", "byte 2: a digit is expected here, but the text ends"),
        Refusal("1e+", "byte 3: a digit is expected here, but the text ends"),
        Refusal("1e+-1", "byte 3: a digit is expected here, but there is '-'"),
        Refusal("1_000", "byte 1: the end of the text is expected here, but there is '_'"),
        Refusal("0x10", "byte 1: the end of the text is expected here, but there is 'x'"),
        Refusal("1f", "byte 1: the end of the text is expected here, but there is 'f'"),
        Refusal("\u{661}", "byte 0: a value is expected here, but there is byte 217"),
    ]

    static let strings: [Refusal] = [
        Refusal("\"", "byte 0: the string that begins here does not end"),
        Refusal("[\"a", "byte 1: the string that begins here does not end"),
        Refusal("\"a\\\"", "byte 0: the string that begins here does not end"),
        Refusal("\"a\\", "byte 2: the text ends inside an escape"),
        Refusal("\"a\nb\"", "byte 2: an unescaped control character (byte 10) stands in a string"),
        Refusal("\"a\u{0}b\"", "byte 2: an unescaped control character (byte 0) stands in a string"),
        Refusal("\"\\ta\u{1f}\"", "byte 4: an unescaped control character (byte 31) stands in a string"),
        Refusal("\"\\x41\"", "byte 1: there is no such escape"),
        Refusal("\"\\'\"", "byte 1: there is no such escape"),
        Refusal("\"\\U0041\"", "byte 1: there is no such escape"),
        Refusal("\"\\u\"", "byte 3: the text ends inside an escape"),
        Refusal("\"\\u12\"   ", "byte 3: four hexadecimal digits are expected here"),
        Refusal("\"\\u12g4\"", "byte 3: four hexadecimal digits are expected here"),
        Refusal("\"\\u+123\"", "byte 3: four hexadecimal digits are expected here"),
        Refusal("\"\\ud800\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\udc00\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\ud800x\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\ud800\\n\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\ud800\\ud800\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\ud800\\u0041\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\udc00\\ud800\"", "byte 1: half of a surrogate pair stands alone"),
        Refusal("\"\\ud800\\u00", "byte 9: the text ends inside an escape"),
    ]

    /// Quoted bytes that are no UTF-8, plain and after an escape.
    static let encodings: [Refusal] =
        ([
            [0x80], [0xff], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xf0, 0x80, 0x80, 0xaf], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x92],
            [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xc3, 0x28],
        ] as [[UInt8]]).flatMap { bytes in
            [
                Refusal(bytes: [0x22] + bytes + [0x22], "byte 1: the string that begins here is not UTF-8"),
                Refusal(bytes: [0x22, 0x5c, 0x6e] + bytes + [0x22], "byte 1: the string that begins here is not UTF-8"),
            ]
        }

    @Test("refuses what is no JSON, saying where and why", arguments: structures + numbers + strings + encodings)
    func refuses(refusal: Refusal) throws {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: refusal.bytes) }
        #expect(error?.description == refusal.message)
    }

    @Test("skips over a value as strictly as it reads one", arguments: structures + numbers + strings + encodings)
    func skipsStrictly(refusal: Refusal) throws {
        let error = #expect(throws: JSONError.self) {
            var scanner = JSONScanner(refusal.bytes)
            try scanner.skipValue()
            try scanner.expectEnd()
        }
        #expect(error?.description == refusal.message)
    }

    @Test(
        "reads strings",
        arguments: [
            (#""""#, ""), (#""plain""#, "plain"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (#""\u0041\u00e9\u20AC""#, "A\u{e9}\u{20ac}"),
            (#""\ud83d\ude00 \uD83D\uDE00""#, "\u{1f600} \u{1f600}"), (#""\udbff\udfff""#, "\u{10ffff}"), (#""\ud800\udc00""#, "\u{10000}"),
            (#""\u0000""#, "\u{0}"), (#""\uffff\ud7ff\ue000""#, "\u{ffff}\u{d7ff}\u{e000}"),
            ("\"\u{7f}\u{80}\u{e9}\u{20ac}\u{1f600}\u{10ffff}\"", "\u{7f}\u{80}\u{e9}\u{20ac}\u{1f600}\u{10ffff}"),
            ("\"e\u{301}\"", "e\u{301}"), (#""a\u0301""#, "a\u{301}"), (#""line\u2028separator""#, "line\u{2028}separator"),
        ])
    func readsStrings(text: String, expected: String) throws {
        var scanner = JSONScanner(Array(text.utf8))
        let read = try scanner.readString()
        try scanner.expectEnd()
        #expect(Array(read.utf8) == Array(expected.utf8))
    }

    @Test(
        "reads whole numbers",
        arguments: [
            ("0", 0), ("7", 7), (" 12 ", 12), ("-1", -1), ("999999999999999999", 999_999_999_999_999_999),
            ("1000000000000000000", 1_000_000_000_000_000_000), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
        ])
    func readsIntegers(text: String, expected: Int) throws {
        for suffix in ["", " ", "\n"] {
            var scanner = JSONScanner(Array((text + suffix).utf8))
            #expect(try scanner.readInteger() == expected)
            try scanner.expectEnd()
        }
        var scanner = JSONScanner(Array("[\(text),\(text)]".utf8))
        var values: [Int] = []
        try scanner.readArray { (scanner) throws(JSONError) in values.append(try scanner.readInteger()) }
        #expect(values == [expected, expected])
    }

    @Test(
        "refuses numbers that are no whole numbers in range",
        arguments: [
            ("1.0", "byte 0: 1.0 is not a whole number in range"), ("-0", "byte 0: -0 is not a whole number in range"),
            (" 1e3", "byte 1: 1e3 is not a whole number in range"),
            ("1E3 ", "byte 0: 1E3 is not a whole number in range"), ("-0.5", "byte 0: -0.5 is not a whole number in range"),
            ("9223372036854775808", "byte 0: 9223372036854775808 is not a whole number in range"),
            ("-9223372036854775809", "byte 0: -9223372036854775809 is not a whole number in range"),
            ("18446744073709551616", "byte 0: 18446744073709551616 is not a whole number in range"),
            ("007 ", "byte 0: a number here begins with a superfluous zero"), ("1.", "byte 2: a digit is expected here, but the text ends"),
            ("\"1\"", "byte 0: a number is expected here, but there is a string"),
            ("null", "byte 0: a number is expected here, but there is null"),
        ])
    func refusesOtherNumbers(text: String, message: String) throws {
        let error = #expect(throws: JSONError.self) {
            var scanner = JSONScanner(Array(text.utf8))
            _ = try scanner.readInteger()
        }
        #expect(error?.description == message)
    }

    @Test func messagesStayShortWhateverTheTextHolds() throws {
        let digits = String(repeating: "7", count: 1_000_000)
        let number = #expect(throws: JSONError.self) {
            var scanner = JSONScanner(Array(digits.utf8))
            _ = try scanner.readInteger()
        }
        #expect(number?.description == "byte 0: \(digits.prefix(200))... is not a whole number in range")
        let key = #expect(throws: JSONError.self) { try JSONValue(parsing: Array("{\"\(digits)\":1,\"\(digits)\":2}".utf8)) }
        #expect(key?.description == "byte 1000006: key '\(digits.prefix(200))...' stands here for the second time")
    }

    @Test(
        "says what it found instead",
        arguments: [
            ("{}", "an object"), ("[]", "an array"), ("\"\"", "a string"), ("0", "a number"), ("true", "a boolean"), ("null", "null"),
        ])
    func namesKinds(text: String, name: String) throws {
        var scanner = JSONScanner(Array("  \(text)".utf8))
        #expect(try scanner.peekKind().name == name)
        #expect(scanner.offset == 2)
        func message(_ read: (inout JSONScanner) throws(JSONError) -> Void) -> String? {
            do throws(JSONError) { try read(&scanner) } catch { return error.description }
            scanner = JSONScanner(Array("  \(text)".utf8))
            return nil
        }
        func expected(_ kind: String) -> String? { kind == name ? nil : "byte 2: \(kind) is expected here, but there is \(name)" }
        #expect(message { (s) throws(JSONError) in try s.readObject { (_, _, _) throws(JSONError) in } } == expected("an object"))
        #expect(message { (s) throws(JSONError) in try s.readArray { (_) throws(JSONError) in } } == expected("an array"))
        #expect(message { (s) throws(JSONError) in _ = try s.readString() } == expected("a string"))
        #expect(message { (s) throws(JSONError) in _ = try s.readNumber() } == expected("a number"))
        #expect(message { (s) throws(JSONError) in _ = try s.readBool() } == expected("a boolean"))
        #expect(message { (s) throws(JSONError) in try s.readNull() } == expected("null"))
    }

    @Test func nestingIsLimited() throws {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
        }
        let limit = JSONScanner.depthLimit
        #expect(limit == 128)
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
            let levels = open.utf8.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
            let deepest = limit / levels
            #expect(try JSONValue(parsing: nested(deepest, open, close)).text(.compact).utf8.count == nested(deepest, open, close).count)
            for depth in [deepest + 1, 100_000] {
                let error = #expect(throws: JSONError.self) { try JSONValue(parsing: nested(depth, open, close)) }
                #expect(error?.message == "values are nested more than 128 deep")
                let skipError = #expect(throws: JSONError.self) {
                    var scanner = JSONScanner(nested(depth, open, close))
                    try scanner.skipValue()
                }
                #expect(skipError == error)
            }
        }
        // Side by side is not inside each other.
        let wide = Array(("[" + String(repeating: "[],{},", count: 1000) + "[]]").utf8)
        #expect(try JSONValue(parsing: wide).array?.count == 2001)
    }

    @Test func handsOverKeysAndTheirOffsets() throws {
        var scanner = JSONScanner(Array(#" { "a" : [ 1 , 2 ] , "é" : { } , "a" : null } "#.utf8))
        var keys: [String] = []
        var offsets: [Int] = []
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            keys.append(key)
            offsets.append(offset)
            try scanner.skipValue()
        }
        try scanner.expectEnd()
        #expect(keys == ["a", "é", "a"])
        #expect(offsets == [3, 21, 34])
    }

    /// A document of every kind of value.
    static let document = Array(
        #" {"a": [1, -2.5e+10, true, false, null], "é\n\u20ac\ud83d\ude00": {"": "\\"}, "c": [[], {}, [[0]]]} "#.utf8)

    @Test func everyTruncationIsAnError() throws {
        _ = try JSONValue(parsing: Self.document)
        let end = Self.document.count - 1
        for count in 0..<end {
            #expect(throws: JSONError.self, "\(count) bytes") { try JSONValue(parsing: Array(Self.document[..<count])) }
        }
    }

    /// Whatever one byte becomes: an error with a place in the text, or a value that is written and read again as itself.
    @Test func everyByteMayChange() throws {
        for position in Self.document.indices {
            for replacement in UInt8.min ... .max {
                var bytes = Self.document
                bytes[position] = replacement
                var scanner = JSONScanner(bytes)
                let skipError = { () -> JSONError? in
                    do throws(JSONError) {
                        try scanner.skipValue()
                        try scanner.expectEnd()
                        return nil
                    } catch { return error }
                }()
                do throws(JSONError) {
                    let value = try JSONValue(parsing: bytes)
                    #expect(try JSONValue(parsing: Array(value.text(.compact).utf8)) == value)
                    #expect(skipError == nil)
                } catch {
                    #expect((0...bytes.count).contains(error.offset))
                    // Skipping does not look for repeated keys.
                    #expect(skipError == error || error.message.hasSuffix("for the second time"))
                }
            }
        }
    }
}
