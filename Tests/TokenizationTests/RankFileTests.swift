import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Tokenization

/// Llama 3's own tokenizer.model: a line for each token.
@Suite struct RankFileTests {
    private static let folder = "\(TokenizerFolder.fixtureRoot)/llama3"

    /// The tokens of the fixture, by rank, in lines.
    private static func lines() throws -> [String] {
        let document = try JSONValue(parsing: Fixture.bytes("\(folder)/tokenizer.json"))
        var lines: [Int: String] = [:]
        for member in document["model"]?["vocab"]?.object?.members ?? [] {
            guard let id = member.value.integer, id < 500, let bytes = ByteAlphabet.bytes(of: Array(member.key.utf8)[...]) else { continue }
            lines[id] = "\(base64(bytes)) \(id)"
        }
        return (0..<500).compactMap { lines[$0] }
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = Array(bytes[start..<min(start + 3, bytes.count)])
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0...group.count { text.append(characters[bits >> (18 - 6 * place) & 63]) }
            text += String(repeating: "=", count: 3 - group.count)
        }
        return text
    }

    private static func stored(_ lines: [String], isLater: Bool = false) throws(FileError) -> StoredTokenizer {
        try RankFile.llama3(Array((lines.joined(separator: "\n") + "\n").utf8), isLater: isLater, path: "tokenizer.model")
    }

    /// Ids by the tokenizers library; tiktoken, with these ranks, gives the same.
    @Test func hasTheIDsOfTheOriginal() throws {
        let lines = try Self.lines()
        #expect(lines.count == 500)
        let stored = try Self.stored(lines)
        let tokenizer = try Tokenizer.open(stored.files(path: "m"), path: "m")
        var count = 0
        for vector in try TokenizerFolder.vectors(in: Self.folder).cases where !vector.text.contains("<|") {
            #expect(tokenizer.encode(vector.text) == vector.ids, "\(vector.text.debugDescription)")
            count += 1
        }
        #expect(count > 25)
    }

    @Test func specialTokensFollow() throws {
        let lines = try Self.lines()
        for (isLater, expected) in [
            (
                false,
                [(500, "<|begin_of_text|>"), (506, "<|start_header_id|>"), (509, "<|eot_id|>"), (510, "<|reserved_special_token_5|>")]
            ),
            (
                true,
                [(504, "<|finetune_right_pad_id|>"), (508, "<|eom_id|>"), (509, "<|eot_id|>"), (755, "<|reserved_special_token_247|>")]
            ),
        ] {
            let stored = try Self.stored(lines, isLater: isLater)
            let tokenizer = try Tokenizer.open(stored.files(path: "m"), path: "m")
            #expect(tokenizer.idCount == 756 && tokenizer.specialTokens.beginning == 500 && tokenizer.specialTokens.end == 501)
            #expect(tokenizer.specialTokens.stops == (isLater ? [501, 508, 509] : [501, 509]))
            for (id, text) in expected { #expect(tokenizer.id(of: text) == TokenID(id)) }
        }
    }

    @Test func refusesWhatIsNoListOfRanks() throws {
        let lines = try Self.lines()
        func refusal(_ lines: [String]) -> String? {
            do throws(FileError) {
                _ = try Self.stored(lines)
                return nil
            } catch { return error.description }
        }
        func wrong(_ line: String, _ number: Int) -> String {
            "tokenizer.model: line \(number + 1): is '\(line)', but base64 of a token and its rank, \(number), are expected"
        }
        #expect(refusal(Array(lines[1...])) == wrong(lines[1], 0))
        #expect(refusal(lines + ["a"]) == wrong("a", 500))
        #expect(refusal(lines + ["YQ 500"]) == wrong("YQ 500", 500))
        #expect(refusal(lines + [" 500"]) == wrong(" 500", 500))
        #expect(refusal(lines + ["YWE= 501"]) == wrong("YWE= 501", 500))
        #expect(refusal(lines + ["YWE= 500 1"]) == wrong("YWE= 500 1", 500))
        #expect(
            refusal(lines + [lines[300].replacing(" 300", with: " 500")])?.hasSuffix("stands in the vocabulary for the second time") == true
        )
        #expect(refusal(["YQ== 0"]) == "tokenizer.model: has no token for the byte 0: text that has it would be lost")
        #expect(refusal([]) == "tokenizer.model: has no token for the byte 0: text that has it would be lost")
    }
}
