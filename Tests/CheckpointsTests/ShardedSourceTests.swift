import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Index and shards agree completely, or the model is refused.
@Suite struct ShardedSourceTests {
    /// A folder with shards `a.safetensors` ... and an index; `stated` overrides what the index says.
    static func folder(_ shards: [(name: String, tensors: [String])], index: String? = nil) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        var weightMap: [String] = []
        for shard in shards {
            let tensors = shard.tensors.enumerated().map { StoredTensor($1, [2], [Float($0), 1]) }
            try folder.write(tensors.safetensors(), to: shard.name)
            weightMap += shard.tensors.map { "\"\($0)\": \"\(shard.name)\"" }
        }
        try folder.write(index ?? "{\"weight_map\": {\(weightMap.joined(separator: ", "))}}", to: "model.safetensors.index.json")
        return folder
    }

    static let two = [(name: "a.safetensors", tensors: ["x", "y"]), (name: "b.safetensors", tensors: ["z"])]

    private static func map(_ members: String) -> String { "{\"weight_map\": {\(members)}}" }

    @Test func servesTheTensorsOfAllShards() throws {
        let folder = try Self.folder(Self.two)
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.kind == .huggingFace)
        #expect(checkpoint.source.files.map(\.name) == ["a.safetensors", "b.safetensors"])
        #expect(checkpoint.source.tensors.indices.map { checkpoint.source.fileIndex(ofTensor: $0) } == [0, 0, 1])
        #expect(
            try checkpoint.source.storedTensors() == [
                StoredTensor("x", [2], [0, 1]), StoredTensor("y", [2], [1, 1]), StoredTensor("z", [2], [0, 1]),
            ])
    }

    private static let mixed = "; hint: index and shards are not of the same model or revision; fetch all of them again"

    static let disagreements: [(index: String, refusal: String)] = [
        (
            map("\"x\": \"a.safetensors\", \"y\": \"a.safetensors\""),
            "opened as Hugging Face folder"
        ),
        (
            map("\"x\": \"a.safetensors\", \"z\": \"b.safetensors\""),
            "FOLDER/a.safetensors: tensor 'y': is not in the index model.safetensors.index.json" + mixed
        ),
        (
            map("\"x\": \"a.safetensors\", \"y\": \"b.safetensors\", \"z\": \"b.safetensors\""),
            "FOLDER/a.safetensors: tensor 'y': is here, but the index says it is in 'b.safetensors'" + mixed
        ),
        (
            map(
                "\"x\": \"a.safetensors\", \"y\": \"a.safetensors\", \"z\": \"b.safetensors\", \"l.9\": \"a.safetensors\", \"l.10\": \"b.safetensors\""
            ),
            "FOLDER/model.safetensors.index.json: tensor 'l.9': should be in 'a.safetensors', but is not there (2 of 5 tensors are missing)"
                + mixed
        ),
        (
            map("\"x\": \"a.safetensors\", \"y\": \"a.safetensors\", \"z\": \"b.safetensors\", \"w\": \"c.safetensors\""),
            "FOLDER/model.safetensors.index.json: 1 of 3 shards are missing: c.safetensors; hint: download them into FOLDER"
        ),
        (
            map("\"1\": \"1\", \"2\": \"2\", \"3\": \"3\", \"4\": \"4\", \"5\": \"5\", \"6\": \"6\", \"7\": \"7\""),
            "FOLDER/model.safetensors.index.json: 7 of 7 shards are missing: 1, 2, 3, 4, 5 and 2 more; hint: download them into FOLDER"
        ),
        (
            map("\"x\": \"a.safetensors\", \"x\": \"b.safetensors\""),
            "FOLDER/model.safetensors.index.json: byte 38: key 'x' stands here for the second time"
        ),
        (map(""), "FOLDER/model.safetensors.index.json: lists no tensors"),
        (map("\"x\": 3"), "FOLDER/model.safetensors.index.json: weight_map 'x': is 3, but the name of a file is expected"),
        (
            "{\"weight_map\": []}",
            "FOLDER/model.safetensors.index.json: is JSON, but without an object 'weight_map', so it is no index of safetensors shards; "
                + "hint: if it came in place of a model, it is the server's answer: look into it, and fetch the file again"
        ),
        (
            "[1]",
            "FOLDER/model.safetensors.index.json: is no model file of a known kind; "
                + "hint: known are safetensors, GGUF, PyTorch, llm.c and llama2.c files, .qnf, Hugging Face folders and TensorFlow checkpoints"
        ),
    ]

    @Test(arguments: disagreements) func refusesAnIndexThatDisagrees(_ disagreement: (index: String, refusal: String)) throws {
        let folder = try Self.folder(Self.two, index: disagreement.index)
        #expect(OpeningTests.refusal(in: folder) == disagreement.refusal)
    }

    @Test func refusesATensorInTwoShards() throws {
        let shards = [(name: "a.safetensors", tensors: ["x", "y"]), (name: "b.safetensors", tensors: ["y"])]
        let folder = try Self.folder(
            shards, index: Self.map("\"x\": \"a.safetensors\", \"y\": \"a.safetensors\", \"q\": \"b.safetensors\""))
        #expect(OpeningTests.refusal(in: folder) == "FOLDER/b.safetensors: tensor 'y': is also in shard 'a.safetensors'" + Self.mixed)
    }

    /// A slash that carries a combining mark is one character and no "/" to Swift, but one to the system.
    @Test(arguments: [
        "../secret.safetensors", "/etc/passwd", "sub/a.safetensors", "..", ".", "", "a\u{0}b", "../\u{301}a.safetensors", "\u{1}/..",
    ]) func refusesShardsOutsideTheFolder(_ name: String) throws {
        let folder = try Self.folder(Self.two, index: Self.map("\"x\": \(JSONValue.string(name).text(.compact))"))
        let expected =
            "FOLDER/model.safetensors.index.json: weight_map 'x': '\(name)' is no name of a file in this folder; "
            + "hint: do not use this index: it would have other files read"
        #expect(OpeningTests.refusal(in: folder) == expected)
    }

    /// Names that are the same text to Swift, but not the same bytes.
    @Test func tellsNamesApartByTheirBytes() throws {
        let folder = try Self.folder([(name: "a.safetensors", tensors: ["caf\u{e9}"]), (name: "b.safetensors", tensors: ["cafe\u{301}"])])
        #expect(try Checkpoint.open(folder.path).tensors.count == 2)
    }

    @Test func warnsOfAWrongTotal() throws {
        let members = "\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"a.safetensors\", \"z\": \"b.safetensors\"}"
        for (size, warnings) in [
            ("24", []), ("25", ["the index says that the tensors have 25 bytes together, but they have 24"]), ("2.4e1", []),
        ] {
            let folder = try Self.folder(Self.two, index: "{\"metadata\": {\"total_size\": \(size)}, \(members)}")
            #expect(try Checkpoint.open(folder.path).warnings == warnings)
        }
    }

    @Test func damagedShardIsNamed() throws {
        let folder = try Self.folder(Self.two)
        try folder.write(Array(try folder.bytes("b.safetensors").dropLast(4)), to: "b.safetensors")
        #expect(
            OpeningTests.refusal(in: folder) == "FOLDER/b.safetensors: the header describes 8 bytes of data, but 4 follow it "
                + "(4 missing); hint: the download is incomplete; fetch the file again")
    }
}
