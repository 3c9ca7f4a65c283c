import ByteIO
import Glibc
import JSONText
import Prompts
import TestSupport
import Testing

@testable import Records
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
                .conversation(Conversation([Conversation.message("user", "Hi"), Conversation.message("assistant", "Hello")])),
                .pair(prompt: "a", completion: "b"), .text("whole"),
            ])
        #expect(lines.places == ["line 1", "line 3", "line 4"])
        #expect(try Self.open("plain words", name: "data").records == [.text("plain words")])
        #expect(try Self.open("[not json]", name: "data.txt").records == [.text("[not json]")])
    }

    /// The same conversation in all of its spellings.
    @Test(arguments: [
        #"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}"#,
        #"{"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]}"#,
        #"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}], "system": "S"}"#,
        #"{"conversations": [{"role": "user", "content": "Hi"}, {"role": "model", "content": "Yes"}], "system": "S", "messages": null}"#,
        """
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "S"}]}, \
        {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i", "image_url": null}], "name": null}, \
        {"role": "assistant", "content": "Yes", "tool_calls": null, "function_call": {}}]}
        """,
    ])
    func readsConversations(_ text: String) throws {
        let set = try Self.open(text)
        var talk = Conversation(system: "S", user: "Hi")
        talk.append("assistant", "Yes")
        #expect(set.records == [.conversation(talk)])
        #expect(set.unusedFields.isEmpty)
    }

    /// Calls and their results in both spellings, and the tools of a record as a list and as its text.
    @Test(arguments: [
        """
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "reasoning": "Hm.", "tool_calls": \
        [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]}, {"role": "tool", "content": "3"}], \
        "tools": [{"name": "f"}]}
        """,
        """
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "reasoning": "Hm.", "tool_calls": [], \
        "function_call": {"name": "f", "arguments": {"a": 1}}}, {"role": "function", "content": "3"}], "tools": "[{\\"name\\": \\"f\\"}]"}
        """,
    ])
    func readsCallsOfTools(_ text: String) throws {
        let set = try Self.open(text)
        guard case .conversation(let conversation) = try #require(set.records.first) else { return #expect(Bool(false)) }
        #expect(conversation.tools?.text(.compact) == #"[{"name":"f"}]"#)
        #expect(conversation.messages.map { $0["role"]?.string } == ["user", "assistant", "tool"])
        #expect(conversation.messages[1]["reasoning"]?.string == "Hm." && conversation.messages[1]["content"] == nil)
        let call = #"[{"type":"function","function":{"name":"f","arguments":{"a":1}}}]"#
        #expect(conversation.messages[1]["tool_calls"]?.text(.compact) == call)
        #expect(set.unusedFields.isEmpty)
    }

    @Test func readsCallsThatAreTurns() throws {
        let set = try Self.open(
            """
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "function_call", "value": "{\\"name\\": \\"f\\"}"}, \
            {"from": "observation", "value": "3"}, {"from": "gpt", "value": "Three"}]}
            """)
        guard case .conversation(let conversation) = try #require(set.records.first) else { return #expect(Bool(false)) }
        #expect(conversation.messages.map { $0["role"]?.string } == ["user", "assistant", "tool", "assistant"])
        #expect(conversation.messages[1]["tool_calls"]?.text(.compact) == #"[{"type":"function","function":{"name":"f"}}]"#)
    }

    @Test func tellsOfWhatItDoesNotUseOfMessages() throws {
        let set = try Self.open(
            """
            {"conversations": [{"from": "human", "value": "a", "weight": 0}, {"from": "bot", "value": "b", "weight": 1}], "tools": "[]"}
            {"conversations": [{"from": "human", "value": "a"}, {"from": "bot", "value": "b", "thought": "c"}]}
            """)
        #expect(set.unusedFields.map(\.name) == ["conversations[].thought", "conversations[].weight"])
        #expect(set.unusedFields.map(\.count) == [1, 1])
    }

    static let foreign: [(bytes: [UInt8], name: String, what: String, hint: String)] = [
        (Array("PAR1\u{15}\u{4}".utf8), "train-00000-of-00001.parquet", "is a Parquet file", "load_dataset('parquet'"),
        (Array("ARROW1\0\0".utf8), "data.arrow", "is an Arrow file", "load_dataset('arrow'"),
        ([0xff, 0xff, 0xff, 0xff, 0x10, 1, 0, 0], "data-00000-of-00001.arrow", "is an Arrow file", "load_dataset('arrow'"),
        (Array("a,b\n1,2\n".utf8), "data.csv", "is a table of comma-separated values", "csv.DictReader(sys.stdin)]"),
        (Array("a\tb\n".utf8), "DATA.TSV", "is a table of tab-separated values", "delimiter='\\t')]"),
        (Array("PK\u{3}\u{4}".utf8), "data.xlsx", "is a zip archive or a spreadsheet", "save the sheet as CSV"),
        ([0x28, 0xb5, 0x2f, 0xfd], "data.jsonl.zst", "is a compressed file", "unpack it first"),
        (
            Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".utf8), "data.txt",
            "is a Git LFS pointer, not the file itself", "git lfs pull"
        ),
        (Array("\n<!DOCTYPE html><html>".utf8), "data.jsonl", "is an HTML page", "to be fetched again"),
        (Array("text: a".utf8), "data.jsonl", "is named as JSON, but begins with neither [ nor {", "named .txt"),
    ]

    @Test("names what is not read, and the way out", arguments: foreign)
    func namesForeignForms(_ foreign: (bytes: [UInt8], name: String, what: String, hint: String)) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(foreign.bytes, named: foreign.name)
        let error = try #require(throws: FileError.self) { try DataSet.open(path) }
        #expect(error.message == foreign.what)
        #expect(error.hint?.contains(foreign.hint) == true)
    }

    /// Larger than what is read of a data set, and compressed.
    @Test func namesForeignFormsOfAnySizeAndInGzip() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(Array("PAR1".utf8), named: "huge.parquet")
        #expect(truncate(path, DataSet.byteCountLimit + 1) == 0)
        #expect(try #require(throws: FileError.self) { try DataSet.open(path) }.message == "is a Parquet file")
        // gzip of "a,b" and a line feed.
        let table: [UInt8] = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff, 0x4b, 0xd4, 0x49, 0xe2, 0x02, 0x00, 0xc5, 0x10, 0x97, 0x24, 0x04, 0x00, 0x00, 0x00,
        ]
        let packed = try folder.file(table, named: "data.csv.gz")
        #expect(try #require(throws: FileError.self) { try DataSet.open(packed) }.message == "is a table of comma-separated values")
    }

    @Test func takesTextForTextWhereItsNameSaysSo() throws {
        for text in ["a,b\n1,2\n", "<html>", "{\"a\": 1}"] {
            #expect(try Self.open(text, name: "data.txt").records == [.text(text)])
        }
    }

    @Test func namesAFolder() throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: FileError.self) { try DataSet.open(folder.path) }
        #expect(error.message == "is a folder, not a file")
        #expect(error.hint?.contains("load_from_disk") == true)
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
        (
            "[1]",
            "record 1: a record is an object with instruction and output, messages or conversations, prompt and completion, or text"
        ),
        (
            #"[{"instruction": "a", "output": "b"}, {"question": "c"}]"#,
            "record 2: the fields are 'question', but instruction and output, messages or conversations, prompt and completion, or text are "
                + "known"
        ),
        (#"[{"instruction": "a"}]"#, "record 1: there is no 'output' beside its other half"),
        (#"[{"instruction": "a", "output": 5}]"#, "record 1: 'output' is not a string"),
        (#"{"prompt": "a""#, "line 1, byte 14 of it: ',' or '}' is expected here, but the text ends"),
        (#"{"messages": []}"#, "line 1: 'messages' is not a list of messages"),
        (
            #"{"messages": [{"role": "tool", "content": ""}]}"#,
            "line 1: none of its messages is of the assistant, so there is nothing to learn"
        ),
        (
            #"{"messages": [{"role": "narrator", "content": "x"}]}"#,
            "line 1, message 1: role 'narrator' is unknown; known are system, developer, user, human, assistant, gpt, model, bot, tool, "
                + "function, observation, ipython, tool_response, function_response, tool_result, tool_call, function_call"
        ),
        (
            #"{"conversations": [{"from": "function_call", "value": "f(3)"}]}"#,
            "line 1, message 1: a call of a tool is the text of an object with 'name' and 'arguments'"
        ),
        (
            #"{"messages": [{"role": "assistant", "content": "x"}], "tools": {}}"#,
            "line 1: 'tools' is not a list of tools"
        ),
        (#"{"messages": [{"role": 1, "content": "x"}]}"#, "line 1, message 1: 'role' is not a string"),
        (
            #"{"messages": [{"role": "assistant", "content": null, "tool_calls": []}]}"#,
            "line 1, message 1: 'content' is missing or null, and no call of a tool stands for it"
        ),
        (
            #"{"conversations": [{"from": "gpt"}]}"#,
            "line 1, message 1: 'value' is missing or null, and no call of a tool stands for it"
        ),
        (
            #"{"messages": [{"role": "user", "content": []}]}"#,
            "line 1, message 1: 'content' is an empty list, and no call of a tool stands for it"
        ),
        (
            #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}"#,
            "line 1, message 1, part 2: is of type 'image_url', but only parts of type 'text' can be learned"
        ),
        (#"{"messages": [{"role": "user", "content": ["a"]}]}"#, "line 1, message 1, part 1: a part is an object with a 'type'"),
        (#"{"messages": [{"role": "user", "content": 5}]}"#, "line 1, message 1: 'content' is neither a string nor a list of parts"),
        (
            #"{"messages": [{"role": "user", "from": "human", "value": "a"}]}"#,
            "line 1, message 1: a message has either 'role' and 'content' or 'from' and 'value', but this one has 'role', 'from', 'value'"
        ),
        (
            #"{"messages": [["user", "a"]]}"#,
            "line 1, message 1: a message is an object with 'role' and 'content', or 'from' and 'value'"
        ),
        (
            #"{"messages": [{"role": "assistant", "content": "a"}], "conversations": [{"from": "gpt", "value": "a"}]}"#,
            "line 1: there is a conversation in each of 'messages' and 'conversations'"
        ),
        (
            #"{"system": "a", "messages": [{"role": "system", "content": "b"}, {"role": "assistant", "content": "c"}]}"#,
            "line 1: there is a system message in 'messages', and another in 'system'"
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
