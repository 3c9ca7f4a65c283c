import JSONText
import Testing

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test func keepsMembersInOrder() throws {
        let object = try #require(try parse(#"{"z": 1, "a": 2, "": 3, "m": 4}"#).object)
        #expect(object.members.map(\.key) == ["z", "a", "", "m"])
        #expect(object["a"] == .integer(2))
        #expect(object["b"] == nil)
    }

    @Test(
        "refuses a key that stands twice",
        arguments: [
            (#"{"a":1,"a":1}"#, "byte 7: key 'a' stands here for the second time"),
            (#"{"a":1,"b":2,"\u0061":3}"#, "byte 13: key 'a' stands here for the second time"),
            (#"[{"":1,"":2}]"#, "byte 7: key '' stands here for the second time"),
            (#"{"x":{"é":1,"é":2}}"#, "byte 13: key 'é' stands here for the second time"),
        ])
    func refusesRepeatedKeys(text: String, message: String) {
        let error = #expect(throws: JSONError.self) { try parse(text) }
        #expect(error?.description == message)
    }

    @Test func keysThatOnlyLookAlikeAreDifferent() throws {
        let object = try #require(try parse("{\"\u{e9}\": 1, \"e\u{301}\": 2, \"K\": 3, \"\u{212a}\": 4}").object)
        #expect(object.members.count == 4)
        #expect(object["\u{e9}"] == .integer(1))
        #expect(object["e\u{301}"] == .integer(2))
        #expect(object["\u{212a}"] == .integer(4))
        #expect(ByteKey("\u{e9}") != ByteKey("e\u{301}"))
        #expect(ByteKey("a") == ByteKey("a"))
        // Bridged or sliced text hashes by its bytes as well.
        #expect(ByteKey(String("xaby".dropFirst().dropLast())) == ByteKey("ab"))
        #expect(Set(["ab", String("xaby".dropFirst().dropLast())].map(ByteKey.init)).count == 1)
    }

    @Test func settingReplacesAppendsAndRemoves() {
        var object = JSONObject(["a": .integer(1), "b": .integer(2), "c": .integer(3)])
        object["b"] = .null
        object["d"] = .bool(true)
        object["a"] = nil
        object["nothing"] = nil
        #expect(JSONValue.object(object).text(.compact) == #"{"b":null,"c":3,"d":true}"#)
        #expect(object["c"] == .integer(3))
        object["a"] = .integer(9)
        #expect(object.members.map(\.key) == ["b", "c", "d", "a"])
        #expect(JSONObject(["k": .null, "k": .integer(1)]).members.count == 1)
    }

    @Test func objectsAreEqualByTheirMembersInOrder() throws {
        var shrunk = JSONObject(["x": .null, "a": .integer(1), "b": .integer(2)])
        shrunk["x"] = nil
        #expect(shrunk == JSONObject(["a": .integer(1), "b": .integer(2)]))
        #expect(shrunk.hashValue == JSONObject(["a": .integer(1), "b": .integer(2)]).hashValue)
        #expect(shrunk != JSONObject(["b": .integer(2), "a": .integer(1)]))
    }

    @Test func givesAValueOnlyAsWhatItIs() throws {
        let values = try #require(try parse(#"[null, true, 1, 1.5, "s", [], {}]"#).array)
        #expect(values.map(\.bool) == [nil, true, nil, nil, nil, nil, nil])
        #expect(values.map(\.integer) == [nil, nil, 1, nil, nil, nil, nil])
        #expect(values.map(\.double) == [nil, nil, 1, 1.5, nil, nil, nil])
        #expect(values.map(\.string) == [nil, nil, nil, nil, "s", nil, nil])
        #expect(values.map { $0.array != nil } == [false, false, false, false, false, true, false])
        #expect(values.map { $0.object != nil } == [false, false, false, false, false, false, true])
        #expect(values[0]["a"] == nil)
        #expect(JSONValue.object(["a": .strings(["x"])])["a"]?.array == [.string("x")])
    }

    static let numbers: [(literal: String, integer: Int?, double: Double)] = [
        ("0", 0, 0.0), ("-0", nil, -0.0), ("1.0", nil, 1), ("1e2", nil, 100), ("1E+02", nil, 100), ("-2.50", nil, -2.5),
        ("9223372036854775807", .max, 0x1p63), ("9223372036854775808", nil, 0x1p63), ("1e999", nil, .infinity), ("-1e999", nil, -.infinity),
        ("1e-999", nil, 0), ("4.9e-324", nil, .leastNonzeroMagnitude), ("0.1", nil, 0.1),
        ("123456789012345678901234567890", nil, 0x1.8EE90FF6C373Ep+96),
    ]

    @Test("keeps numbers as they were written", arguments: numbers)
    func keepsNumbers(literal: String, integer: Int?, double: Double) throws {
        let value = try parse("[\(literal)]")
        #expect(value.text(.compact) == "[\(literal)]")
        #expect(value.array?[0].integer == integer)
        #expect(value.array?[0].double == double)
    }

    /// Python's json writes them, and so do the configurations of models made with it.
    @Test func numbersThatAreNotFiniteAreTakenWhereAskedFor() throws {
        let text = "{\"a\": [0.0, Infinity], \"b\": NaN, \"c\": -Infinity}"
        let value = try JSONValue(parsing: Array(text.utf8), takesPythonNumbers: true)
        #expect(value["a"]?.array?[1].double == .infinity && value["c"]?.double == -.infinity)
        #expect(value["b"]?.double?.isNaN == true && value["b"]?.integer == nil)
        #expect(value.text(.compact) == "{\"a\":[0.0,Infinity],\"b\":NaN,\"c\":-Infinity}")
        #expect(value.withFiniteNumbers.text(.compact) == "{\"a\":[0.0,\"Infinity\"],\"b\":\"NaN\",\"c\":\"-Infinity\"}")
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
        for wrong in ["Inf", "nan", "+Infinity", "Infinity1", "-NaN", "I", "-I"] {
            #expect(throws: JSONError.self, "\(wrong)") { try JSONValue(parsing: Array(wrong.utf8), takesPythonNumbers: true) }
        }
    }
}
