import ByteIO
import JSONText
import TestSupport
import Tokenization

/// Tokenizers that lie in folders.
enum TokenizerFolder {
    /// Those of `Tests/Fixtures/tokenizers`, with vectors.
    static let fixtures = [
        "sample", "sample-openai", "llama3", "qwen2", "digits", "added", "sentencepiece", "marks-legacy", "marks-first", "marks-always",
        "tekken-json",
    ]

    /// Those of the models that people run, by `Tests/Interop/tokenizer_families.py`.
    static let families = [
        "bloom", "command-r", "deepseek-coder", "deepseek-llm", "deepseek-v3", "falcon", "gemma", "gpt-neox", "llama2", "llama3", "merged",
        "metaspace", "o200k", "possessive", "qwen2", "qwen3.5", "starcoder", "tekken",
    ]

    static let fixtureRoot = Fixture.path("tokenizers")

    static func open(_ path: String) throws -> Tokenizer {
        var files: [TokenizerFile] = []
        for name in try FilePath.entries(of: path) where TokenizerFile.names.contains(name) {
            files.append(TokenizerFile(name: name, bytes: try InputFile(path: "\(path)/\(name)").allBytes(limit: 64 << 20)))
        }
        return try Tokenizer.open(files, path: path)
    }

    static func fixture(_ name: String) throws -> Tokenizer { try vectors(in: "\(fixtureRoot)/\(name)").tokenizer() }

    struct Vectors {
        struct Case {
            let text: String
            let ids: [TokenID]
            let shown: String
        }

        let path: String
        let cases: [Case]

        func tokenizer() throws -> Tokenizer { try open(path) }
    }

    /// vectors.json of a folder: texts, and what the reference library makes of them.
    static func vectors(in folder: String) throws -> Vectors {
        let document = try JSONValue(parsing: InputFile(path: "\(folder)/vectors.json").allBytes(limit: 256 << 20))
        let place = document["tokenizer"]?.string ?? ""
        let cases = (document["cases"]?.array ?? []).map { value in
            Vectors.Case(
                text: value["text"]?.string ?? "", ids: (value["ids"]?.array ?? []).map { TokenID($0.integer ?? -1) },
                shown: value["shown"]?.string ?? "")
        }
        return Vectors(path: place == "." ? folder : place.hasPrefix("/") ? place : "\(Fixture.repository)/\(place)", cases: cases)
    }
}

/// Equal in every byte: to Swift, an accent beside its letter is the letter with the accent.
func sameBytes(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
