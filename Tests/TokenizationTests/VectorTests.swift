import ByteIO
import JSONText
import TestSupport
import Testing
import Tokenization

/// Ids and texts against the tokenizers and SentencePiece libraries (`Tests/Interop/tokenizer_vectors.py`).
@Suite struct VectorTests {
    @Test(arguments: TokenizerFolder.fixtures)
    func matchesReference(_ name: String) throws {
        try check("\(TokenizerFolder.fixtureRoot)/\(name)", leastCount: 20)
    }

    @Test(arguments: TokenizerFolder.families)
    func matchesReferenceOfFamilies(_ name: String) throws {
        try check("\(TokenizerFolder.fixtureRoot)/families/\(name)", leastCount: 35)
    }

    private static let random = ExternalFolder(in: "QNF_TOKENIZER_VECTORS")

    @Test(.enabled(if: random.isPresent, "\(random.absence)"))
    func matchesReferenceOnRandomUnicode() throws {
        let folder = try Self.random.required()
        for name in try FilePath.entries(of: folder) { try check("\(folder)/\(name)", leastCount: 1) }
    }

    private static let data = ExternalFolder("tokenizers")

    /// Vocabularies of others, which are not part of the project: each with `vectors.inp` and `vectors.out`.
    @Test(
        .enabled(if: data.isPresent, "\(data.absence)"),
        arguments: ["gpt2", "llama2", "llama3", "qwen2"])
    func matchesVectorsOfOthers(_ name: String) throws {
        let folder = try Self.data.required() + "/" + name
        func text(_ name: String) throws -> String {
            String(decoding: try InputFile(path: "\(folder)/\(name)").allBytes(limit: 1 << 20), as: UTF8.self)
        }
        let tokenizer = try TokenizerFolder.open(folder)
        let separator = "\n__ggml_vocab_test__\n"
        let texts = try text("vectors.inp").components(separatedBy: separator)
        let lines = try text("vectors.out").split(separator: "\n", omittingEmptySubsequences: false)
        #expect(texts.count > 40)
        for (text, line) in zip(texts, lines) {
            let ids = tokenizer.encode(text, EncodingOptions(addsSpecialTokens: false))
            #expect(ids == line.split(separator: " ").map { TokenID($0) ?? -1 }, "\(text.debugDescription)")
            #expect(sameBytes(tokenizer.decode(ids), text) || name == "qwen2", "\(text.debugDescription)")
        }
    }

    /// Vocabularies of others whose ids the tokenizers library gave, without special tokens: each with `more.json`.
    @Test(
        .enabled(if: data.isPresent, "\(data.absence)"),
        arguments: ["deepseek-llm", "falcon", "smollm2", "starcoder"])
    func matchesReferenceWithVocabulariesOfOthers(_ name: String) throws {
        let folder = try Self.data.required() + "/" + name
        let tokenizer = try TokenizerFolder.open(folder)
        let cases = try JSONValue(parsing: InputFile(path: "\(folder)/more.json").allBytes(limit: 1 << 20)).array ?? []
        #expect(cases.count > 40)
        for vector in cases {
            let text = try #require(vector["text"]?.string)
            let ids = tokenizer.encode(text, EncodingOptions(addsSpecialTokens: false))
            #expect(ids.map { Int($0) } == vector["ids"]?.array?.map { Int($0.integer ?? -1) }, "\(text.debugDescription)")
            #expect(sameBytes(tokenizer.decode(ids, showsSpecialTokens: true), text), "\(text.debugDescription)")
        }
    }

    private func check(_ folder: String, leastCount: Int) throws {
        let vectors = try TokenizerFolder.vectors(in: folder)
        let tokenizer = try vectors.tokenizer()
        #expect(vectors.cases.count >= leastCount)
        for vector in vectors.cases {
            let ids = tokenizer.encode(vector.text)
            #expect(ids == vector.ids, "\(folder): \(vector.text.debugDescription)")
            #expect(sameBytes(tokenizer.decode(vector.ids), vector.shown), "\(folder): \(vector.text.debugDescription)")
        }
    }
}

extension String {
    /// The parts between occurrences of `separator`, by bytes.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = Array(utf8)[...]
        let pattern = Array(separator.utf8)
        while let start = rest.indices.first(where: { rest[$0...].starts(with: pattern) }) {
            parts.append(String(decoding: rest[..<start], as: UTF8.self))
            rest = rest[(start + pattern.count)...]
        }
        return parts + [String(decoding: rest, as: UTF8.self)]
    }
}
