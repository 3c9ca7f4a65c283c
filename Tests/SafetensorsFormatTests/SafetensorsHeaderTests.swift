import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore
import Testing

@Suite struct SafetensorsHeaderTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let header: [UInt8]
        let message: String

        init(_ name: String, _ header: String, _ message: String) {
            testDescription = name
            self.header = Array(header.utf8)
            self.message = message
        }

        init(_ name: String, bytes: [UInt8], _ message: String) {
            testDescription = name
            header = bytes
            self.message = message
        }
    }

    static let structure: [Refusal] = [
        Refusal("nothing", "", "m: byte 0: the header length is 0, but '{}' is the shortest header"),
        Refusal("white space first", " {}", "m: byte 8: the header begins with byte 32, but '{' (byte 123) is expected"),
        Refusal("a byte order mark", "\u{feff}{}", "m: byte 8: the header begins with byte 239, but '{' (byte 123) is expected"),
        Refusal("an array", "[]", "m: byte 8: the header begins with byte 91, but '{' (byte 123) is expected"),
        Refusal("no end", "{", "m: byte 9: the text ends where a value should be"),
        Refusal("bytes after the end", "{}  {}", "m: byte 12: the end of the text is expected here, but there is '{'"),
        Refusal("zeros after the end", "{}\u{0}", "m: byte 10: the end of the text is expected here, but there is byte 0"),
        Refusal("a comma too many", "{\(member("a", "U8", "[1]", "[0,1]")),}", "m: byte 61: a value is expected here, but there is '}'"),
        Refusal("a tensor that is no object", #"{"a":[1]}"#, "m: byte 13: an object is expected here, but there is an array"),
        Refusal("null for a tensor", #"{"a":null}"#, "m: byte 13: an object is expected here, but there is null"),
        Refusal(
            "a name that is not UTF-8", bytes: [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d],
            "m: byte 10: the string that begins here is not UTF-8"),
        Refusal("half a surrogate pair", #"{"\ud800":{}}"#, "m: byte 10: half of a surrogate pair stands alone"),
        Refusal("a control character", "{\"a\nb\":{}}", "m: byte 11: an unescaped control character (byte 10) stands in a string"),
        Refusal("metadata that is no object", #"{"__metadata__":"pt"}"#, "m: byte 24: an object is expected here, but there is a string"),
        Refusal("null in metadata", #"{"__metadata__":{"a":null}}"#, "m: byte 29: a string is expected here, but there is null"),
        Refusal("a list for metadata", #"{"__metadata__":[]}"#, "m: byte 24: an object is expected here, but there is an array"),
        Refusal("a number in metadata", #"{"__metadata__":{"a":1}}"#, "m: byte 29: a string is expected here, but there is a number"),
        Refusal("an object in metadata", #"{"__metadata__":{"a":{}}}"#, "m: byte 29: a string is expected here, but there is an object"),
        Refusal(
            "nesting without end", "{\"a\":{\"x\":" + String(repeating: "[", count: 127),
            "m: byte 144: values are nested more than 128 deep"),
    ]

    static let repetitions: [Refusal] = [
        Refusal(
            "a tensor twice", "{\(member("a", "U8", "[1]", "[0,1]")),\(member("a", "U8", "[1]", "[1,2]"))}",
            "m: byte 61: 'a' stands in the header for the second time"),
        Refusal(
            "a tensor twice, once escaped", "{\(member("a", "U8", "[1]", "[0,1]")),\(member("\\u0061", "U8", "[1]", "[1,2]"))}",
            "m: byte 61: 'a' stands in the header for the second time"),
        Refusal(
            "metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#,
            "m: byte 27: '__metadata__' stands in the header for the second time"),
        Refusal(
            "a key of metadata twice", #"{"__metadata__":{"format":"pt","format":"pt"}}"#,
            "m: byte 39: 'format' stands in __metadata__ for the second time"),
        Refusal(
            "dtype twice", #"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            "m: byte 27: 'dtype' stands in tensor 'a' for the second time"),
        Refusal(
            "shape twice", #"{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}"#,
            "m: byte 39: 'shape' stands in tensor 'a' for the second time"),
        Refusal(
            "data_offsets twice", #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}}"#,
            "m: byte 60: 'data_offsets' stands in tensor 'a' for the second time"),
    ]

    static let members: [Refusal] = [
        Refusal("no dtype", #"{"a":{"shape":[1],"data_offsets":[0,1]}}"#, "m: byte 9: tensor 'a' has no 'dtype'"),
        Refusal("no shape", #"{"a":{"dtype":"U8","data_offsets":[0,1]}}"#, "m: byte 9: tensor 'a' has no 'shape'"),
        Refusal("no data_offsets", #"{"a":{"dtype":"U8","shape":[1]}}"#, "m: byte 9: tensor 'a' has no 'data_offsets'"),
        Refusal("nothing of a tensor", #"{"a":{}}"#, "m: byte 9: tensor 'a' has no 'dtype'"),
        Refusal("a number for dtype", "{\"a\":{\"dtype\":7}}", "m: byte 22: a string is expected here, but there is a number"),
        Refusal("an unknown dtype", "{\(member("a", "F128", "[1]", "[0,16]"))}", "m: tensor 'a': dtype 'F128' is unknown"),
        Refusal("a dtype in lower case", "{\(member("a", "f32", "[1]", "[0,4]"))}", "m: tensor 'a': dtype 'f32' is unknown"),
        Refusal(
            "a shape that is no array", "{\(member("a", "U8", "1", "[0,1]"))}",
            "m: byte 35: an array is expected here, but there is a number"),
        Refusal(
            "a dimension with a fraction", "{\(member("a", "U8", "[1.0]", "[0,1]"))}", "m: byte 36: 1.0 is not a whole number in range"),
        Refusal(
            "a dimension in a string", "{\(member("a", "U8", "[\"1\"]", "[0,1]"))}",
            "m: byte 36: a number is expected here, but there is a string"),
        Refusal(
            "a dimension of 2^63", "{\(member("a", "U8", "[9223372036854775808]", "[0,1]"))}",
            "m: byte 36: 9223372036854775808 is not a whole number in range"),
        Refusal("a negative dimension", "{\(member("a", "U8", "[2,-1]", "[0,1]"))}", "m: tensor 'a': shape [2, -1] has a dimension of -1"),
        Refusal(
            "two negative dimensions", "{\(member("a", "U8", "[-2,-3]", "[0,6]"))}", "m: tensor 'a': shape [-2, -3] has a dimension of -2"),
        Refusal(
            "more elements than can be counted", "{\(member("a", "U8", "[4294967296,2147483648]", "[0,0]"))}",
            "m: tensor 'a': shape [4294967296, 2147483648] has more elements than can be counted (2^63 or more)"),
        Refusal(
            "an overflow before a zero", "{\(member("a", "U8", "[9223372036854775807,2,0]", "[0,0]"))}",
            "m: tensor 'a': shape [9223372036854775807, 2, 0] has more elements than can be counted (2^63 or more)"),
        Refusal(
            "more bits than can be counted", "{\(member("a", "F64", "[1152921504606846976]", "[0,0]"))}",
            "m: tensor 'a': shape [1152921504606846976] of F64 is 2^63 bits or more"),
        Refusal(
            "255 dimensions", "{\(member("a", "U8", "[\(Array(repeating: "1", count: 255).joined(separator: ","))]", "[0,1]"))}",
            "m: byte 544: there are more than 254 numbers here"),
        Refusal(
            "half a byte", "{\(member("a", "F4", "[3]", "[0,2]"))}", "m: tensor 'a': shape [3] of F4 is 12 bits, no whole number of bytes"),
        Refusal(
            "three quarters of a byte", "{\(member("a", "F6_E2M3", "[1]", "[0,1]"))}",
            "m: tensor 'a': shape [1] of F6_E2M3 is 6 bits, no whole number of bytes"),
        Refusal(
            "one and a half bytes", "{\(member("a", "F6_E3M2", "[2]", "[0,2]"))}",
            "m: tensor 'a': shape [2] of F6_E3M2 is 12 bits, no whole number of bytes"),
    ]

    static let offsets: [Refusal] = [
        Refusal("no offsets", "{\(member("a", "U8", "[0]", "[]"))}", "m: tensor 'a': data_offsets [] are 0 numbers, but must be 2"),
        Refusal("one offset", "{\(member("a", "U8", "[0]", "[0]"))}", "m: tensor 'a': data_offsets [0] are 1 numbers, but must be 2"),
        Refusal(
            "three offsets", "{\(member("a", "U8", "[1]", "[0,1,2]"))}",
            "m: tensor 'a': data_offsets [0, 1, 2] are 3 numbers, but must be 2"),
        Refusal("negative offsets", "{\(member("a", "U8", "[1]", "[-1,0]"))}", "m: tensor 'a': data_offsets [-1, 0] begin before the data"),
        Refusal(
            "offsets whose span overflows", "{\(member("a", "U8", "[1]", "[-9223372036854775808,9223372036854775807]"))}",
            "m: tensor 'a': data_offsets [-9223372036854775808, 9223372036854775807] begin before the data"),
        Refusal("reversed offsets", "{\(member("a", "U8", "[1]", "[1,0]"))}", "m: tensor 'a': data_offsets [1, 0] end before they begin"),
        Refusal(
            "an offset of 2^63", "{\(member("a", "U8", "[1]", "[0,9223372036854775808]"))}",
            "m: byte 57: 9223372036854775808 is not a whole number in range"),
        Refusal(
            "a span that is too short", "{\(member("wte.weight", "F32", "[50257,768]", "[0,154389500]"))}",
            "m: tensor 'wte.weight': shape [50257, 768] of F32 is 154389504 bytes, but data_offsets span 154389500"),
        Refusal(
            "a span of an empty tensor", "{\(member("a", "F32", "[0]", "[0,4]"))}",
            "m: tensor 'a': shape [0] of F32 is 0 bytes, but data_offsets span 4"),
        Refusal(
            "a gap before the first tensor", "{\(member("a", "U8", "[1]", "[1,2]"))}",
            "m: tensor 'a': data_offsets leave a gap: it begins at 1, but the data begins at 0"),
        Refusal(
            "a gap", "{\(member("a", "U8", "[1]", "[0,1]")),\(member("b", "U8", "[1]", "[2,3]"))}",
            "m: tensor 'b': data_offsets leave a gap: it begins at 2, but tensor 'a' ends at 1"),
        Refusal(
            "an overlap", "{\(member("a", "U8", "[2]", "[0,2]")),\(member("b", "U8", "[2]", "[1,3]"))}",
            "m: tensor 'b': data_offsets overlap: it begins at 1, but tensor 'a' ends at 2"),
        Refusal(
            "the same bytes twice", "{\(member("a", "U8", "[2]", "[0,2]")),\(member("b", "U8", "[2]", "[0,2]"))}",
            "m: tensor 'b': data_offsets overlap: it begins at 0, but tensor 'a' ends at 2"),
        Refusal(
            "an empty tensor inside another", "{\(member("a", "U8", "[4]", "[0,4]")),\(member("e", "U8", "[0]", "[2,2]"))}",
            "m: tensor 'e': data_offsets overlap: it begins at 2, but tensor 'a' ends at 4"),
        Refusal(
            "a huge offset", "{\(member("a", "U8", "[1]", "[9223372036854775806,9223372036854775807]"))}",
            "m: tensor 'a': data_offsets leave a gap: it begins at 9223372036854775806, but the data begins at 0"),
    ]

    @Test("refuses", arguments: structure + repetitions + members + offsets)
    func refuses(refusal: Refusal) {
        #expect(problem(inHeader: refusal.header) == refusal.message)
    }

    @Test func namesTheFirstTensorThatIsWrong() {
        let header =
            "{\(member("good", "U8", "[1]", "[0,1]")),\(member("bad", "X", "[1]", "[1,2]")),\(member("worse", "Y", "[1]", "[2,3]"))}"
        #expect(problem(inHeader: Array(header.utf8)) == "m: tensor 'bad': dtype 'X' is unknown")
        // Text that is no JSON comes first: what stands behind it cannot be known.
        #expect(problem(inHeader: Array("\(header.dropLast()),}".utf8))?.hasSuffix("a value is expected here, but there is '}'") == true)
    }

    @Test func messagesStayShort() throws {
        let name = String(repeating: "n", count: 1_000_000)
        let shown = "'\(name.prefix(200))...'"
        #expect(problem(inHeader: Array("{\(member(name, "X", "[1]", "[0,1]"))}".utf8)) == "m: tensor \(shown): dtype 'X' is unknown")
        #expect(problem(inHeader: Array("{\(member("a", name, "[1]", "[0,1]"))}".utf8)) == "m: tensor 'a': dtype \(shown) is unknown")
        #expect(problem(inHeader: Array("{\"\(name)\":{}}".utf8)) == "m: byte 9: tensor \(shown) has no 'dtype'")
        #expect(
            problem(inHeader: Array("{\(member(name, "U8", "[1]", "[0,1]")),\"\(name)\":1}".utf8))
                == "m: byte 1000060: \(shown) stands in the header for the second time")
        #expect(
            problem(inHeader: Array("{\(member(name, "U8", "[1]", "[0,1]")),\(member("b", "U8", "[1]", "[2,3]"))}".utf8))
                == "m: tensor 'b': data_offsets leave a gap: it begins at 2, but tensor \(shown) ends at 1")
    }

    private func header(_ text: String) throws -> SafetensorsHeader { try SafetensorsHeader(parsing: Array(text.utf8), path: "m") }

    @Test(
        "accepts headers without tensors",
        arguments: ["{}", "{ }", "{}        ", "{\n}\n\t\r ", #"{"__metadata__":{}}"#, #"{"__metadata__":null}"#])
    func acceptsNoTensors(text: String) throws {
        let header = try header(text)
        #expect(header.entries.isEmpty)
        #expect(header.metadata.isEmpty)
        #expect(header.dataByteCount == 0)
    }

    @Test func keepsMetadataInOrder() throws {
        let header = try header(#"{"__metadata__":{"z":"1","a":"","\u00e9":"\n","e\u0301":"2"},\#(member("a", "U8", "[1]", "[0,1]"))}"#)
        #expect(header.metadata.map(\.key).map { Array($0.utf8) } == ["z", "a", "\u{e9}", "e\u{301}"].map { Array($0.utf8) })
        #expect(header.metadata.map(\.value) == ["1", "", "\n", "2"])
    }

    @Test func listsTensorsInTheOrderOfTheirData() throws {
        let header = try header(
            "{\(member("c", "U8", "[2]", "[3,5]")),\(member("a", "U8", "[1]", "[2,3]")),"
                + "\"__metadata__\":{},\(member("b", "BF16", "[1]", "[0,2]"))}")
        #expect(header.entries.map(\.info.name) == ["b", "a", "c"])
        #expect(header.entries.map(\.dataOffset) == [0, 2, 3])
        #expect(header.dataByteCount == 5)
    }

    /// As the reference library does, which sorts by both offsets.
    @Test(
        "puts empty tensors before the one that begins there",
        arguments: [
            ["e", "a", "b"], ["a", "e", "b"], ["a", "b", "e"], ["b", "a", "e"],
        ])
    func ordersEmptyTensors(names: [String]) throws {
        for (offset, order) in [(0, ["e", "a", "b"]), (4, ["a", "e", "b"]), (8, ["a", "b", "e"])] {
            let members = [
                "a": member("a", "F32", "[1]", "[0,4]"), "b": member("b", "F32", "[1]", "[4,8]"),
                "e": member("e", "F32", "[3,0]", "[\(offset),\(offset)]"),
            ]
            let header = try header("{\(names.compactMap { members[$0] }.joined(separator: ","))}")
            #expect(header.entries.map(\.info.name) == order)
            #expect(header.isConsistent)
        }
    }

    @Test func severalEmptyTensorsKeepTheOrderOfTheHeader() throws {
        let names = ["d", "b", "c", "a"]
        let header = try header("{\(names.map { member($0, "F32", "[0]", "[0,0]") }.joined(separator: ","))}")
        #expect(header.entries.map(\.info.name) == names)
        #expect(header.dataByteCount == 0)
    }

    @Test("accepts every scalar type", arguments: ScalarType.allCases)
    func acceptsEveryScalarType(type: ScalarType) throws {
        let byteCount = type.bitCount
        let header = try header("{\(member("a", type.rawValue, "[2,4]", "[0,\(byteCount)]"))}")
        #expect(header.entries.first?.info.scalarType == type)
        #expect(header.entries.first?.info.byteCount == byteCount)
        #expect(header.dataByteCount == byteCount)
    }

    @Test(
        "accepts what is unusual",
        arguments: [
            ("no dimensions", member("a", "F32", "[]", "[0,4]"), 4),
            ("254 dimensions", member("a", "U8", "[\(Array(repeating: "1", count: 254).joined(separator: ","))]", "[0,1]"), 1),
            ("a zero before what would overflow", member("a", "U8", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), 0),
            ("an empty name", member("", "U8", "[1]", "[0,1]"), 1), ("a NUL in the name", member("\\u0000", "U8", "[1]", "[0,1]"), 1),
            ("members in another order", #""a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}"#, 1),
            ("white space everywhere", " \"a\" :\n{ \"dtype\" : \"U8\" ,\t\"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 1 ] }\r\n", 1),
            ("members nobody knows", #""a":{"dtype":"U8","x":{"dtype":[1,{}]},"shape":[1],"x":null,"data_offsets":[0,1]}"#, 1),
            ("escapes", #""\u0061":{"\u0064type":"\u00558","shape":[1],"data_offsets":[0,1]}"#, 1),
            ("names that only look alike", member("\u{e9}", "U8", "[1]", "[0,1]") + "," + member("e\u{301}", "U8", "[1]", "[1,2]"), 2),
            ("a name like metadata", member("__metadata__ ", "U8", "[1]", "[0,1]"), 1),
        ])
    func acceptsWhatIsUnusual(name: String, members: String, dataByteCount: Int) throws {
        let header = try header("{\(members)}")
        #expect(header.dataByteCount == dataByteCount)
        #expect(header.isConsistent)
    }

    @Test func everyTruncationIsRefused() {
        let header = SafetensorsImage.small.header
        #expect(problem(inHeader: header) == nil)
        for count in header.indices { #expect(problem(inHeader: Array(header[..<count])) != nil, "\(count) bytes") }
    }

    /// Whatever one byte becomes: an error, or a header that is as sound as any.
    @Test func everyByteMayChange() throws {
        let original = SafetensorsImage.small.header
        var acceptedCount = 0
        for position in original.indices {
            for replacement in UInt8.min ... .max where replacement != original[position] {
                var changed = original
                changed[position] = replacement
                do throws(FileError) {
                    let header = try SafetensorsHeader(parsing: changed, path: "m")
                    acceptedCount += 1
                    #expect(header.isConsistent, "byte \(position) as \(replacement)")
                } catch { #expect(error.path == "m") }
            }
        }
        // Names, metadata, unknown members and a few types and shapes may change; numbers and structure may not.
        #expect(acceptedCount > 0 && acceptedCount < original.count * 255 / 3)
    }
}
