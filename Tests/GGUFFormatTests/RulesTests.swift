import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import GGUFFormat

/// A file made for every rule that no file of the reference breaks.
@Suite struct RulesTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let message: String

        init(_ name: String, _ message: String, isBigEndian: Bool = false, _ change: (inout GGUFImage) -> Void) {
            testDescription = name
            self.message = message
            var image = isBigEndian ? GGUFImage(isBigEndian: true) : GGUFImage.small
            change(&image)
            bytes = image.bytes
        }
    }

    private static let cut = "; hint: the download is incomplete; fetch the file again"

    static let refusals: [Refusal] = [
        Refusal("a key with a NUL", "byte 68: key 'a\\u{0}b' holds a NUL character") { $0.add("a\0b", type: 0, [1]) },
        Refusal("a key of more than 1 MiB", "byte 68: key 1 has 1048577 bytes, but at most 1048576 are read") {
            $0.add(String(repeating: "k", count: 1 << 20 | 1), type: 0, [1])
        },
        Refusal("keys that only differ in their accents' spelling, twice", "byte 99: key 'e\u{301}' stands in the file for the second time")
        {
            for key in ["\u{e9}", "e\u{301}", "e\u{301}"] { $0.add(key, type: 0, [1]) }
        },
        Refusal("a string that is not UTF-8 in an array", "byte 114: string 1 of key 'list' is not UTF-8") {
            $0.add("list", type: 9, $0.array(of: 8, [$0.string("ab"), $0.string([0xc0, 0xaf])]))
        },
        Refusal("a surrogate in an array", "byte 104: string 0 of key 'list' is not UTF-8") {
            $0.add("list", type: 9, $0.array(of: 8, [$0.string([0xed, 0xa0, 0x80])]))
        },
        Refusal("a string in an array longer than the file", "byte 106: string 1 of key 'list' has 1000 bytes, but 302 follow\(cut)") {
            $0.add("list", type: 9, $0.array(of: 8, [$0.string("ab"), $0.bytes(of: UInt64(1000))]))
        },
        Refusal(
            "a string in an array of more than 1 MiB", "byte 96: string 0 of key 'list' has 1048577 bytes, but at most 1048576 are read"
        ) {
            $0.add("list", type: 9, $0.array(of: 8, [$0.string([UInt8](repeating: 0x61, count: 1 << 20 | 1))]))
        },
        Refusal("arrays nested nine deep", "byte 180: arrays in key 'list' are nested more than 8 deep") {
            var value = $0.array(of: 0, [[7]])
            for _ in 0..<8 { value = $0.array(of: 9, [value]) }
            $0.add("list", type: 9, value)
        },
        Refusal("an array of arrays without end", "byte 100: key 'list' is an array of 1000 u8, but only 308 bytes follow\(cut)") {
            $0.add("list", type: 9, $0.array(of: 9, [$0.array(of: 0, count: 1000, [])]))
        },
        Refusal("a tensor of blocks without dimensions", "tensor 'x': shape [] has rows of 1 elements, but Q4_0 has blocks of 32") {
            $0.tensors = []
            $0.add(tensor: "x", [], type: 2)
        },
        Refusal("a product that overflows behind a zero", tooMany("[0, 4611686018427387904, 4]")) {
            $0.tensors = []
            $0.add(tensor: "x", [0, 1 << 62, 4], type: 0)
        },
        Refusal("a product that overflows before a zero", tooMany("[4611686018427387904, 4, 0]")) {
            $0.tensors = []
            $0.add(tensor: "x", [1 << 62, 4, 0], type: 0)
        },
        Refusal(
            "bytes that overflow together",
            "tensor 't8': begins at 9223372036854775552 and has 1152921504606846944 bytes, which no file can hold"
        ) {
            $0.tensors = []
            for number in 0..<9 {
                $0.add(tensor: "t\(number)", [1 << 60 - 32], type: 24)
                $0.tensors[number].offset = UInt64(number) * (1 << 60 - 32)
            }
        },
        Refusal(
            "blocks in a big-endian file",
            "tensor 'x': is of Q8_0 in the byte order of big-endian machines, whose blocks are not read; "
                + "hint: take the little-endian file of the same model", isBigEndian: true
        ) { $0.add(tensor: "x", [32], type: 8, [UInt8](repeating: 0, count: 34)) },
        Refusal(
            "a description that is not counted",
            "byte 116: the header ends at byte 116 and the data begins at 128, but byte 8 stands here in place of zeros; "
                + "hint: the counts of keys and tensors are not those of the file; fetch it again"
        ) { $0.tensorCount = 1 },
        Refusal(
            "a count of tensors that the file is too short for",
            "byte 8: 100000 tensors take 2500000 bytes or more from byte 68 on, but 316 follow\(cut)"
        ) {
            $0.tensorCount = 100_000
        },
        Refusal("more tensors than are read", "byte 8: the count of tensors is 262145, but at most 262144 are read") {
            $0.tensorCount = 1 << 18 | 1
        },
    ]

    private static func tooMany(_ dimensions: String) -> String {
        "tensor 'x': dimensions \(dimensions) are more elements than can be counted (2^63 or more)"
    }

    @Test(arguments: refusals) func refuses(_ refusal: Refusal) throws {
        let answer = try HostileFilesTests.answer(to: refusal.bytes)
        #expect(answer == refusal.message)
    }

    @Test func refusesEveryTruncation() throws {
        let whole = GGUFImage.small.bytes
        // The last tensor's padding may be missing, and nothing else.
        for count in 0..<whole.count - 28 { #expect(try HostileFilesTests.answer(to: Array(whole[..<count])) != "opens", "\(count) bytes") }
        for count in whole.count - 28...whole.count { #expect(try HostileFilesTests.answer(to: Array(whole[..<count])) == "opens") }
    }

    /// A file of any kind of damage opens or is refused, whatever the damage: each byte of a header is set to every kind of value.
    @Test func survivesEveryByte() throws {
        var image = GGUFImage.small
        image.add("list", type: 9, image.array(of: 8, [image.string("ab"), image.string("\u{e9}")]))
        image.add("nest", type: 9, image.array(of: 9, [image.array(of: 4, [image.bytes(of: UInt32(7))])]))
        image.addSplit(number: 0, count: 1, tensorCount: 2)
        let whole = image.bytes
        var answers: Set<String> = []
        for place in 0..<whole.count - 200 {
            for byte: UInt8 in [0, 0xff, whole[place] &+ 1] {
                var bytes = whole
                bytes[place] = byte
                answers.insert(try HostileFilesTests.answer(to: bytes))
            }
        }
        #expect(answers.count > 60 && answers.contains("opens"))
    }

    @Test func readsEmptyArraysOfEveryType() throws {
        var image = GGUFImage.small
        for type in GGUFValueType.allCases { image.add("none.\(type)", type: 9, image.array(of: type.rawValue, [])) }
        let folder = try TemporaryFolder()
        let metadata = try GGUFSource(path: folder.write(image.bytes, to: "m")).metadata
        for type in GGUFValueType.allCases {
            let array = try metadata.array("none.\(type)", of: type)
            #expect(try array?.values() == [] && array?.itemType == type)
        }
    }

    /// The getters of the metadata refuse what is of another type.
    @Test func saysWhatAKeyShouldBe() throws {
        var image = GGUFImage.small
        image.add("f", type: 6, image.bytes(of: Float(0.5).bitPattern))
        image.add("big", type: 10, image.bytes(of: UInt64.max))
        image.add("many", type: 9, image.array(of: 10, [image.bytes(of: UInt64(1)), image.bytes(of: UInt64.max)]))
        image.add("yes", type: 7, [7])
        let folder = try TemporaryFolder()
        let metadata = try GGUFSource(path: folder.write(image.bytes, to: "m")).metadata
        func refusal(_ body: () throws -> Void) -> String? {
            let error = #expect(throws: FileError.self) { try body() }
            return error.map { folder.report($0) }
        }
        #expect(try metadata.float("f") == 0.5 && metadata.bool("yes") == true && metadata.string("f.none") == nil)
        #expect(refusal { _ = try metadata.integer("f") } == "m: key 'f': is f32, but an integer is expected")
        #expect(refusal { _ = try metadata.integer("big") } == "m: key 'big': is the u64 18446744073709551615, but an integer is expected")
        #expect(refusal { _ = try metadata.string("many") } == "m: key 'many': is array of u64, but a string is expected")
        #expect(
            refusal { _ = try metadata.array("many", of: .string) } == "m: key 'many': is array of u64, but an array of string is expected")
        let outOfRange = refusal { _ = try metadata.array("many", of: .u64)?.integers() }
        #expect(outOfRange?.hasSuffix("18446744073709551615 is out of range") == true)
    }
}
