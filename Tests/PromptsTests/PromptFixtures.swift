import ByteIO
import JSONText
import TestSupport
import Tokenization

/// Tokenizers and conversations that lie in `Tests/Fixtures`.
enum PromptFixtures {
    static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: InputFile(path: path).allBytes(limit: 1 << 26)) }

    static func open(_ folder: String, replacing others: [TokenizerFile] = []) throws -> Tokenizer {
        var files = others
        for name in try FilePath.entries(of: folder)
        where TokenizerFile.names.contains(name) && !others.contains(where: { $0.name == name }) {
            files.append(TokenizerFile(name: name, bytes: try InputFile(path: "\(folder)/\(name)").allBytes(limit: 64 << 20)))
        }
        return try Tokenizer.open(files, path: folder)
    }

    /// A tokenizer of `Tests/Fixtures/tokenizers`.
    ///
    /// - Parameter end: its end of text, where its own files name none.
    static func tokenizer(_ name: String, naming end: String? = "<|endoftext|>") throws -> Tokenizer {
        let place = try json(Fixture.path("tokenizers/\(name)/vectors.json"))["tokenizer"]?.string ?? "."
        let folder = place == "." ? Fixture.path("tokenizers/\(name)") : "\(Fixture.repository)/\(place)"
        guard let end, ["llama3", "qwen2", "marks-first"].contains(name) else { return try open(folder) }
        let config = "{\"eos_token\": \"\(name == "marks-first" ? "</s>" : end)\"}"
        return try open(folder, replacing: [TokenizerFile(name: "tokenizer_config.json", bytes: Array(config.utf8))])
    }
}
