import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qtrain
@testable import qverify

/// Data of other people, from their files to the loss.
@Suite struct TrainDataTests {
    private static let model = Fixture.sample("llama-bnb4")

    private static func write(_ text: String, to path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    private static func evaluate(_ text: String, _ options: String...) throws -> JSONValue {
        let folder = try TemporaryFolder()
        try write(text, to: folder.path("data.jsonl"))
        let run = ToolRunner(
            qtrain, ["evaluate", model, "--data", folder.path("data.jsonl"), "--part", "train", "--split", "1,0,0", "--json"] + options)
        #expect(run.status == .done, "\(run.errors)")
        return try run.document()
    }

    /// The tokens of a text, cut alike, have one loss to the last bit, whichever tool measures it.
    @Test(arguments: [1, 2])
    func measuresTheLossThatQverifyMeasures(parts: Int) throws {
        let text = "Once there was a small ship that sailed to an island, and one that came back with nothing but sand and shells"
        let folder = try TemporaryFolder()
        try Self.write(text, to: folder.path("text.txt"))
        func measured(_ context: Int) throws -> JSONValue {
            let run = ToolRunner(
                qverify, ["perplexity", Self.model, "--text", folder.path("text.txt"), "--context", "\(context)", "--json"])
            #expect(run.status == .done, "\(run.errors)")
            return try run.document()
        }
        let tokenCount = try #require(try measured(512)["text"]?["tokens"]?.integer)
        let context = tokenCount / parts
        let expected = try measured(context)
        // An end token behind the text alone in its sample is nothing to learn.
        let evaluated = try Self.evaluate(#"{"text": "\#(text)"}"#, "--max-length", "\(context)")
        #expect(tokenCount % parts == 0 && evaluated["learned_tokens"]?.integer == tokenCount - parts)
        #expect(evaluated["learned_tokens"] == expected["text"]?["predicted_tokens"])
        #expect(evaluated["loss"]?.double == expected["perplexity"]?["loss"]?.double)
    }

    @Test func aConversationIsTheSameInEverySpelling() throws {
        let documents = try [
            #"{"messages": [{"role": "user", "content": "Count to 3."}, {"role": "assistant", "content": "one two"}]}"#,
            #"{"conversations": [{"from": "human", "value": "Count to 3."}, {"from": "gpt", "value": "one two"}]}"#,
            """
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Count to 3."}]}, \
            {"role": "assistant", "content": "one two", "tool_calls": null}]}
            """,
        ].map { try Self.evaluate($0, "--template", "chatml") }
        #expect(documents[0]["learned_tokens"]?.integer ?? 0 > 2)
        #expect(documents.allSatisfy { $0 == documents[0] })
    }

    @Test func recordsThatTheTemplateHasNoPlaceForAreRefused() throws {
        let folder = try TemporaryFolder()
        let good = #"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#
        let call = #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "x"}]}]}"#
        try Self.write(good + "\n" + call + "\n", to: folder.path("data.jsonl"))
        let run = ToolRunner(qtrain, [Self.model, "--data", folder.path("data.jsonl"), "-o", folder.path("x.lora")])
        #expect(run.status == .failed)
        #expect(
            run.errors.hasSuffix(
                "data.jsonl: line 2: the model's chat template fails: line 7, column 31: 'dict object' has no attribute 'content'\n"
                    + "hint: another --template, or leave out such records\n"), "\(run.errors)")
    }

    /// One text is no single record that all falls to one part.
    @Test func aTextIsSplitByItsWindows() throws {
        let folder = try TemporaryFolder()
        try Self.write(String(repeating: "the dog sleeps and the cat runs ", count: 600), to: folder.path("long.txt"))
        let line = [Self.model, "--data", folder.path("long.txt"), "--max-length", "64"]
        let run = ToolRunner(qtrain, line + ["-o", folder.path("x.lora"), "--steps", "3", "--json"])
        #expect(run.status == .done, "\(run.errors)")
        let document = try run.document()
        #expect(document["validation_loss"]?.double != nil && document["test_loss"]?.double != nil)
        let places = ["tokens 1 to 64", "tokens 65 to 128"].filter { run.errors.contains("qtrain: note: \($0), learned is what") }
        #expect(places.count == 1, "\(run.errors)")
        var counts: [String: Int] = [:]
        for part in ["train", "test", "validation"] {
            let measured = ToolRunner(qtrain, ["evaluate"] + line + ["--part", part, "--json", "--answers", "3"])
            #expect(measured.status == .done, "\(measured.errors)")
            counts[part] = try measured.document()["records"]?.integer
            #expect(try measured.document()["answers"]?.integer == 0)
        }
        let all = counts.values.reduce(0, +)
        #expect(counts["train"] == all * 85 / 100 && counts["test"] == all / 10 && counts["validation"] ?? 0 > 0, "\(counts)")
        let short = ToolRunner(qtrain, line.dropLast() + ["100000", "-o", folder.path("y.lora")])
        #expect(short.status == .failed)
        #expect(short.errors.contains("none of its 1 windows is left to learn from\nhint: --split gives the shares"), "\(short.errors)")
    }

    @Test func namesWhatItDoesNotRead() throws {
        let folder = try TemporaryFolder()
        try Self.write("PAR1....PAR1", to: folder.path("train.parquet"))
        let run = ToolRunner(qtrain, [Self.model, "--data", folder.path("train.parquet"), "-o", folder.path("x.lora")])
        #expect(run.status == .failed)
        #expect(run.errors.contains("train.parquet: is a Parquet file\nhint: make JSON lines of it in Python: "), "\(run.errors)")
    }
}
