import ByteIO
import CheckpointTestSupport
import Testing
import Tokenization

@testable import Training

extension TemporaryFolder {
    /// The path of a new file.
    func file(_ bytes: [UInt8], named name: String) throws -> String {
        try write(bytes, to: name)
        return path(name)
    }
}

@Suite struct DataSetTests {
    private static func open(_ text: String, name: String = "data.json") throws -> DataSet {
        let folder = try TemporaryFolder()
        return try DataSet.open(try folder.file(Array(text.utf8), named: name))
    }

    /// The error without its path.
    private static func error(_ bytes: [UInt8], name: String = "data.json") throws -> String? {
        let folder = try TemporaryFolder()
        let path = try folder.file(bytes, named: name)
        let error = #expect(throws: FileError.self) { try DataSet.open(path) }
        return error.map { ($0.place.map { $0 + ": " } ?? "") + $0.message }
    }

    @Test func readsEveryFormOfRecord() throws {
        let array = try Self.open(
            #"[{"instruction": "Add", "input": "1 2", "output": "3", "id": 7}, {"instruction": "Go", "output": "ok"}]"#)
        #expect(array.form == .array)
        #expect(array.records == [.instruction("Add", input: "1 2", output: "3"), .instruction("Go", input: "", output: "ok")])
        #expect(array.unusedFields.map(\.name) == ["id"])
        let lines = try Self.open(
            """
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}

            {"prompt": "a", "completion": "b"}
            {"text": "whole"}
            """)
        #expect(lines.form == .lines)
        #expect(
            lines.records == [
                .conversation([ChatMessage(.user, "Hi"), ChatMessage(.assistant, "Hello")]),
                .pair(prompt: "a", completion: "b"), .text("whole"),
            ])
        #expect(lines.places == ["line 1", "line 3", "line 4"])
        #expect(try Self.open("plain words").records == [.text("plain words")])
        #expect(try Self.open("[not json]", name: "data.txt").records == [.text("[not json]")])
    }

    @Test func readsGzip() throws {
        // gzip of {"text": "hello"} and a line feed, twice: members one after another are one text.
        let member: [UInt8] = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff, 0xab, 0x56, 0x2a, 0x49, 0xad, 0x28, 0x51, 0xb2, 0x52, 0x50, 0xca, 0x48, 0xcd, 0xc9,
            0xc9, 0x57, 0xaa, 0xe5, 0x02, 0x00, 0x94, 0xdc, 0x87, 0x76, 0x12, 0x00, 0x00, 0x00,
        ]
        let folder = try TemporaryFolder()
        let set = try DataSet.open(try folder.file(member + member, named: "data.jsonl.gz"))
        #expect(set.records == [.text("hello"), .text("hello")])
        #expect(try Self.error(Array(member.dropLast(9)))?.contains("the gzip data end before they are complete") == true)
        var damaged = member
        damaged[12] ^= 0x55
        #expect(try Self.error(damaged)?.contains("the gzip data are damaged") == true)
    }

    static let refusals: [(text: String, error: String)] = [
        ("", "there is nothing in it to learn from"),
        (" \n ", "there is nothing in it to learn from"),
        ("[]", "there are no records in it to learn from"),
        ("[1]", "record 1: a record is an object with instruction and output, messages, prompt and completion, or text"),
        (
            #"[{"instruction": "a", "output": "b"}, {"question": "c"}]"#,
            "record 2: the fields are 'question', but instruction and output, messages, prompt and completion, or text are known"
        ),
        (#"[{"instruction": "a"}]"#, "record 1: there is no 'output' beside its other half"),
        (#"[{"instruction": "a", "output": 5}]"#, "record 1: 'output' is not a string"),
        (#"{"prompt": "a""#, "line 1, byte 14 of it: ',' or '}' is expected here, but the text ends"),
        (#"{"messages": []}"#, "line 1: 'messages' is not a list of messages"),
        (
            #"{"messages": [{"role": "tool", "content": ""}]}"#,
            "line 1, message 1: role 'tool' is unknown; known are system, user, assistant"
        ),
        (
            #"{"messages": [{"role": "user", "content": "x"}]}"#,
            "line 1: none of its messages is of the assistant, so there is nothing to learn"
        ),
    ]

    @Test("says where a data set is wrong", arguments: refusals)
    func refuses(_ text: String, _ error: String) throws {
        #expect(try Self.error(Array(text.utf8)) == error)
    }

    @Test func refusesOtherEncodings() throws {
        #expect(try Self.error([0x7b, 0x0a, 0xe9, 0x0a]) == "line 2: the text is not UTF-8")
        #expect(try Self.error([0xff, 0xfe, 0x5b, 0x00]) == "line 1: the text is UTF-16, but UTF-8 is read")
    }

    @Test func splitsBySeedAndKeepsEveryRecord() {
        let split = DataSplit(count: 1100, shares: (0.85, 0.10), seed: 1)
        #expect([split.train.count, split.test.count, split.validation.count] == [935, 110, 55])
        #expect(Set(split.train + split.test + split.validation).count == 1100)
        #expect(split == DataSplit(count: 1100, shares: (0.85, 0.10), seed: 1))
        #expect(split != DataSplit(count: 1100, shares: (0.85, 0.10), seed: 2))
        #expect(DataSplit(count: 3, shares: (1, 0), seed: 1).train.count == 3)
        #expect(DataSplit(count: 1, shares: (0.85, 0.1), seed: 1).validation == [0])
    }
}
