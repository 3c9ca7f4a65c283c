import Architectures
import ByteIO
import Checkpoints
import GGUFFormat
import JSONText
import TensorCore
import TestSupport
import Testing
import Tokenization

@testable import Conversion

/// What a GGUF file says of its tokenizer, against files that convert_hf_to_gguf made of the same Hugging Face files.
@Suite struct GGUFTokenizerKeysTests {
    /// Models, and the folder with the files of their tokenizer.
    static let models = [
        ("llama", "llama"), ("llama-rope3", "llama"), ("llama-bias", "llama-bias"), ("gpt2", "gpt2"), ("qwen2", "qwen2"),
        ("qwen3", "qwen2"),
        ("llama-spm", "llama-spm"), ("mistral", "llama-spm"), ("gemma2", "gemma2"), ("gemma3", "gemma2"),
    ]

    private static func files(_ tokenizer: String, _ model: String, without names: [String] = []) throws -> [TokenizerFile] {
        let folder = Fixture.path("gguf/tokenizers/\(tokenizer)")
        var files = [TokenizerFile(name: "config.json", bytes: try Fixture.bytes(Fixture.path("gguf/models/\(model)/config.json")))]
        for name in try FilePath.entries(of: folder) where !names.contains(name) {
            files.append(TokenizerFile(name: name, bytes: try Fixture.bytes("\(folder)/\(name)")))
        }
        return files
    }

    private static func items(_ value: GGUFValue?) throws -> [GGUFValue] {
        try value?.array.map { try $0.values() } ?? [value].compactMap { $0 }
    }

    /// Every key, with type and items, in the order of the file.
    @Test(arguments: models) func keysAreThoseOfTheConverter(_ model: String, _ tokenizer: String) throws {
        let file = try GGUFSource(path: Fixture.path("gguf/models/\(model)/model.gguf"))
        let rows = try #require(file.tensors.first { $0.name == "token_embd.weight" }).shape.dimensions[0]
        let (stored, _) = try StoredTokenizer.read(Self.files(tokenizer, model), rowCount: rows, path: "m")
        let architecture = try #require(try file.metadata.string("general.architecture"))
        let own = GGUFTokenizerKeys(stored, architecture: architecture, end: nil)
        #expect(own.remarks == [])
        let expected = file.metadata.entries.filter { $0.key.hasPrefix("tokenizer.") }
        #expect(own.entries.map(\.key) == expected.map(\.key))
        for (entry, other) in zip(own.entries, expected) {
            #expect(entry.value.typeName == other.value.typeName, "\(entry.key)")
            var (items, others) = (try Self.items(entry.value), try Self.items(other.value))
            // The converter takes this token, which was added to the vocabulary, for one that merging makes, as it looks for added tokens
            // in tokenizer_config.json alone; no merges lead to it, so that llama.cpp would never find it in a text.
            if tokenizer == "gemma2", entry.key == "tokenizer.ggml.scores" {
                #expect(items[3] == .f32(-1000) && others[3] == .f32(0))
                (items[3], others[3]) = (.f32(0), .f32(0))
            } else if tokenizer == "gemma2", entry.key == "tokenizer.ggml.token_type" {
                #expect(items[3] == .i32(4) && others[3] == .i32(1))
                (items[3], others[3]) = (.i32(0), .i32(0))
            }
            #expect(items == others, "\(entry.key)")
        }
    }

    @Test func statesPrefixAndEndsWhereConvertersDo() {
        var stored = StoredTokenizer(
            model: "gpt2", splitting: "gpt-2", tokens: ["a", "<|eot_id|>", "<stop>", "<halt>", "<end>"], types: [1, 3, 3, 3, 3])
        stored.addsSpacePrefix = false
        stored.statesSpacePrefix = true
        stored.otherEnds = [1, 2, 3, 4]
        stored.chatTemplates = ["default": "d", "tool use": "t", "tool-use": "u"]
        let keys = GGUFTokenizerKeys(stored, architecture: "llama", end: 0)
        #expect(keys.entries.first == .init("tokenizer.ggml.add_space_prefix", .bool(false)))
        #expect(keys.entries.contains(.init("tokenizer.ggml.eos_token_id", .u32(0))))
        #expect(keys.entries.contains(.init("tokenizer.ggml.eot_token_id", .u32(2))))
        #expect(keys.entries.contains(.init("tokenizer.ggml.eom_token_id", .u32(3))))
        #expect(keys.remarks == ["generation also stops at '<end>', for which there is no key"])
        #expect(
            keys.entries.suffix(3) == [
                .init("tokenizer.chat_template.tool_use", .string("t")), .init("tokenizer.chat_templates", .array(GGUFArray(["tool_use"]))),
                .init("tokenizer.chat_template", .string("d")),
            ])
        #expect(GGUFTokenizerKeys(stored, architecture: "qwen2", end: 0).entries.first?.key == "tokenizer.ggml.model")
    }

    /// A model with its files, and one that has none of a tokenizer.
    @Test func keysOfACheckpoint() throws {
        let source = try Checkpoint.open(Fixture.path("gguf/models/llama/model.gguf"))
        let description = try ModelDescription(config: try #require(source.config))
        let keys = try GGUFKeys(of: source, description, name: "Tiny llama", fileType: 0)
        let file = try GGUFSource(path: Fixture.path("gguf/models/llama/model.gguf"))
        let own = Dictionary(uniqueKeysWithValues: keys.entries.map { ($0.key, $0.value) })
        for entry in file.metadata.entries where entry.key != "tokenizer.ggml.add_sep_token" {
            #expect(try Self.items(own[entry.key]) == Self.items(entry.value), "\(entry.key)")
        }
        #expect(keys.remarks == [] && keys.factors == [])
        let bare = try Checkpoint.open(Fixture.checkpoint("llama/dense-f32"))
        let other = try ModelDescription(config: try #require(bare.config))
        let error = #expect(throws: FileError.self) { try GGUFKeys(of: bare, other, name: "", fileType: 0) }
        #expect(error?.message.hasPrefix("has no tokenizer") == true)
    }

    /// OpenAI's GPT-2 names the token that ends a text in no file.
    @Test func keysOfAPublishedGPT2() throws {
        let folder = try Fixture.makeOpenAIFolder()
        try folder.write(#"{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 299}"#, to: "encoder.json")
        let checkpoint = try Checkpoint.open(folder.path)
        let description = try ModelDescription(config: try #require(checkpoint.config))
        let keys = try GGUFKeys(of: checkpoint, description, name: "124M", fileType: 1)
        func value(_ key: String) -> GGUFValue? { keys.entries.first { $0.key == key }?.value }
        #expect(value("general.architecture") == .string("gpt2") && value("general.file_type") == .u32(1))
        #expect(value("tokenizer.ggml.pre") == .string("gpt-2"))
        #expect(value("tokenizer.ggml.eos_token_id") == .u32(299) && value("tokenizer.ggml.tokens")?.array?.count == 300)
    }
}
