import JSONText
import Testing

@Suite struct JSONWriterTests {
    private let value: JSONValue = .object([
        "a": .integer(1), "b": .array([.integer(2), .double(0.5), .array([])]), "c": .object([:]),
        "d": .object(["e": .null, "f": .bool(false)]),
    ])

    @Test func writesCompactText() {
        #expect(value.text(.compact) == #"{"a":1,"b":[2,0.5,[]],"c":{},"d":{"e":null,"f":false}}"#)
    }

    /// `json.dumps(value)`.
    @Test func writesAsPythonDoes() {
        #expect(value.text(.python) == #"{"a": 1, "b": [2, 0.5, []], "c": {}, "d": {"e": null, "f": false}}"#)
    }

    /// `json.dumps(value, indent=2)`.
    @Test func writesIndentedText() {
        #expect(
            value.text(.indented) == """
                {
                  "a": 1,
                  "b": [
                    2,
                    0.5,
                    []
                  ],
                  "c": {},
                  "d": {
                    "e": null,
                    "f": false
                  }
                }
                """)
    }

    @Test func escapesWhatMustBeEscaped() {
        let text = "\"\\/\n\r\t\u{0}\u{8}\u{c}\u{1f}\u{7f}\u{80}é\u{2028}\u{1f600}"
        #expect(
            JSONValue.string(text).text(.compact) == "\"\\\"\\\\/\\n\\r\\t\\u0000\\u0008\\u000c\\u001f\\u007f\u{80}é\u{2028}\u{1f600}\"")
        #expect(JSONValue.object(["\n": .null]).text(.compact) == #"{"\n":null}"#)
    }

    @Test func everyScalarIsReadBackAsItself() throws {
        var text = ""
        for value in UInt32(0)...0x10ffff where value < 0x800 || value % 17 == 0 || value >= 0x10fff0 {
            if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
        }
        let read = try JSONValue(parsing: Array(JSONValue.string(text).text(.compact).utf8))
        #expect(read.string.map { Array($0.utf8) } == Array(text.utf8))
    }

    @Test func valuesThatAreNotFiniteBecomeNull() {
        #expect([.nan, .infinity, -.infinity].map(JSONValue.double) == [.null, .null, .null])
    }

    /// The right-hand sides are what CPython 3.11 prints.
    static let spellings: [(value: Double, text: String)] = [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (0.1, "0.1"), (1.0 / 3, "0.3333333333333333"), (1e-4, "0.0001"), (9.9e-5, "9.9e-05"),
        (1e-5, "1e-05"), (1.5e-7, "1.5e-07"), (123456.789, "123456.789"), (1e15, "1000000000000000.0"), (0x1p53, "9007199254740992.0"),
        (0x1p53 + 2, "9007199254740994.0"), (-0x1p53 - 2, "-9007199254740994.0"), (9999999999999998, "9999999999999998.0"),
        (1e16, "1e+16"), (0x1p54, "1.8014398509481984e+16"), (1e22, "1e+22"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (.leastNonzeroMagnitude, "5e-324"), (2.2250738585072014e-308, "2.2250738585072014e-308"),
        (-1.1754945054449876e-38, "-1.1754945054449876e-38"),
        (Double(Float(0.1)), "0.10000000149011612"),
    ]

    @Test("spells numbers as Python does", arguments: spellings)
    func spellsNumbersAsPython(value: Double, expected: String) throws {
        #expect(pythonRepresentation(of: value) == expected)
        let read = try JSONValue(parsing: Array(JSONValue.double(value).text(.compact).utf8))
        #expect(read.double?.bitPattern == value.bitPattern)
    }
}
