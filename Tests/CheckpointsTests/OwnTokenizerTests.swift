import ByteIO
import JSONText
import TestSupport
import Testing
import Tokenization

@testable import Checkpoints

/// Tokenizers beside models in their makers' own files.
@Suite struct OwnTokenizerTests {
    private static func tokenizer(_ checkpoint: Checkpoint) throws -> Tokenizer {
        let files = try checkpoint.files.filter { TokenizerFile.isRead($0.name) }.map {
            TokenizerFile(name: $0.name, bytes: try $0.bytes())
        }
        return try Tokenizer.open(files, path: checkpoint.path)
    }

    // MARK: - llama2.c

    /// The pieces of a GGUF file's tokenizer, with their scores.
    private static func pieces() throws -> (tokens: [String], scores: [Float], rows: [JSONValue]) {
        let document = try JSONValue(parsing: Fixture.bytes(Fixture.path("gguf-tokenizers/spm.json")))
        let metadata = document["metadata"]
        return (
            metadata?["tokenizer.ggml.tokens"]?.array?.compactMap(\.string) ?? [],
            metadata?["tokenizer.ggml.scores"]?.array?.map { Float($0.double ?? .nan) } ?? [], document["rows"]?.array ?? []
        )
    }

    /// tokenizer.bin, as llama2.c's export writes it.
    private static func binary(_ tokens: [String], _ scores: [Float]) -> [UInt8] {
        func bytes(_ value: some BitwiseCopyable) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        return bytes(Int32(20))
            + zip(tokens, scores).enumerated().flatMap { id, token in
                let name = [1: "\n<s>\n", 2: "\n</s>\n"][id] ?? token.0
                let text = Array(name.replacing("\u{2581}", with: " ").utf8)
                return bytes(token.1) + bytes(Int32(text.count)) + text
            }
    }

    @Test func piecesOfLlama2CHaveTheIDsOfTheirModel() throws {
        let (tokens, scores, rows) = try Self.pieces()
        let stored = try Llama2CTokenizer.tokenizer(Self.binary(tokens, scores), tokenCount: tokens.count, path: "t")
        let tokenizer = try Tokenizer.open(stored.files(path: "t"), path: "t")
        #expect(stored.tokens == tokens && stored.scores == scores && rows.count > 20)
        // Another model's own added tokens are pieces like any other here.
        for row in rows {
            let text = try #require(row["text"]?.string)
            guard !text.contains("<|") else { continue }
            #expect(tokenizer.encode(text) == row["framed"]?.array?.map { TokenID($0.integer ?? -1) }, "\(text.debugDescription)")
        }
    }

    @Test func damagedPiecesAreRefused() throws {
        let (tokens, scores, _) = try Self.pieces()
        let sound = Self.binary(tokens, scores)
        func refusal(_ bytes: [UInt8], _ count: Int = 512) -> String? {
            do throws(FileError) {
                _ = try Llama2CTokenizer.tokenizer(bytes, tokenCount: count, path: "t")
                return nil
            } catch { return error.description }
        }
        #expect(refusal(sound) == nil)
        #expect(refusal(sound, 511) == "t: has 512 tokens, but the model has 511")
        #expect(refusal(Array(sound.dropLast(1)))?.hasSuffix("bytes, but \(tokens[511].utf8.count - 1) are left") == true)
        #expect(refusal(sound + [0, 0]) == "t: byte \(sound.count): 4 bytes are needed here, but the file has \(sound.count + 2)")
        var long = sound
        long.replaceSubrange(8..<12, with: [0xff, 0xff, 0xff, 0xff])
        #expect(refusal(long)?.hasPrefix("t: byte 8: token 0 has 4294967295 bytes, but ") == true)
        var text = sound
        text[12] = 0xff
        #expect(refusal(text) == "t: byte 12: token 0 is not UTF-8")
        #expect(
            refusal(Self.binary(Array(tokens[..<100]), Array(scores[..<100])), 100)
                == "t: does not begin with the tokens <unk>, <s>, </s> and the 256 bytes, as those of Llama do")
    }

    // MARK: - Others

    private static func folder(_ name: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for file in try FilePath.entries(of: Fixture.path("layouts/\(name)")) { try folder.copy(Fixture.path("layouts/\(name)/\(file)")) }
        return folder
    }

    /// Without one, what to fetch is said; the weights are read.
    @Test(arguments: [
        ("mistral", "fetch tekken.json or tokenizer.model.v3 of the same model into the folder"),
        ("meta-llama", "fetch tokenizer.model of the same model into the folder"),
        ("nanogpt", "the model has 40 tokens of its own; put the tokenizer.json that it was trained with into the folder"),
        (
            "llama2.c",
            "put the tokenizer.bin of llama2.c, or the tokenizer.model or tokenizer.json that it was trained with, into the folder"
        ),
    ])
    func missingOnesAreNamed(_ name: String, _ advice: String) throws {
        let checkpoint = try Checkpoint.open(Fixture.path("layouts/\(name)"))
        #expect(checkpoint.warnings.last == "no tokenizer lies beside it: \(advice)" && checkpoint.files.map(\.name) == ["config.json"])
    }

    /// tekken.json, else SentencePiece's file under whichever name, else the list of Llama 3.
    @Test func theOneBesideItIsTaken() throws {
        let folder = try Self.folder("mistral")
        let pieces = try Fixture.bytes(Fixture.path("tokenizers/sentencepiece/tokenizer.model"))
        try folder.write("x", to: "tokenizer.model.v1")
        try folder.write(pieces, to: "tokenizer.model.v3")
        var checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.files.map(\.name) == ["config.json", "tokenizer.model"])
        #expect(try checkpoint.files[1].bytes() == pieces && Self.tokenizer(checkpoint).idCount > 300)
        try folder.copy(Fixture.path("tokenizers/tekken-json/tekken.json"))
        checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.files.map(\.name) == ["config.json", "tekken.json"])
        #expect(try Self.tokenizer(checkpoint).idCount == 564)
        #expect(!checkpoint.warnings.contains { $0.contains("tokenizer") })
    }

    /// A list of another model is refused when the tokenizer is needed, and not before.
    @Test func listsOfRanksBecomeFiles() throws {
        let folder = try Self.folder("meta-llama")
        try folder.write("IQ== 0\nIg== 1\n", to: "tokenizer.model")
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.files.map(\.name) == ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
        let error = #expect(throws: FileError.self) { try Self.tokenizer(checkpoint) }
        #expect(error?.message == "has no token for the byte 0: text that has it would be lost")
    }

    /// GPT-2's own, under its names.
    @Test func filesOfGPT2AreTakenAlong() throws {
        let folder = try Self.folder("llm.c")
        for name in ["vocab.json", "merges.txt"] { try folder.write("{}", to: name) }
        #expect(try Checkpoint.open(folder.path).files.map(\.name) == ["config.json", "merges.txt", "vocab.json"])
        #expect(try Checkpoint.open(folder.path).warnings.isEmpty)
    }
}
