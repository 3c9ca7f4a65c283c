import ByteIO
import FlatFormat
import JSONText
import Tokenization

/// tokenizer.bin of llama2.c: the pieces of a SentencePiece model, which merge characters by scores.
///
///     i32  length of the longest piece
///     each token: f32 score | i32 length | bytes; spaces as themselves
///
/// `<unk>`, `<s>` and `</s>` are the first three (the last two between line feeds), then come the 256 bytes.
///
/// Source: tokenizer.py of llama2.c.
enum Llama2CTokenizer {
    static let advice =
        "put the tokenizer.bin of llama2.c, or the tokenizer.model or tokenizer.json that it was trained with, into the folder"
    private static let name = "tokenizer.bin"
    private static let byteCountLimit = 64 << 20
    private static let firstByte = 3

    /// The files of the tokenizer in the folder, made when they are needed; nil where there is none.
    static func files(inFolder folder: String, tokenCount: Int) throws(FileError) -> Made<[TokenizerFile]>? {
        let path = FilePath.join(folder, name)
        guard FilePath.kind(of: path) == .file else { return nil }
        let file = try InputFile(path: path)
        return Made { () throws(FileError) in
            try tokenizer(file.allBytes(limit: byteCountLimit), tokenCount: tokenCount, path: path).files(path: path)
        }
    }

    static func tokenizer(_ bytes: [UInt8], tokenCount: Int, path: String) throws(FileError) -> StoredTokenizer {
        var position = 4
        func number() throws(FileError) -> UInt32 {
            guard bytes.count - position >= 4 else {
                throw FileError(path, at: "byte \(position)", "4 bytes are needed here, but the file has \(bytes.count)")
            }
            defer { position += 4 }
            return bytes[position..<position + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        var tokens: [String] = [], scores: [Float] = []
        while position < bytes.count {
            let score = Float(bitPattern: try number()), start = position, count = Int(try number())
            guard count <= bytes.count - position else {
                throw FileError(
                    path, at: "byte \(start)", "token \(tokens.count) has \(count) bytes, but \(bytes.count - position) are left",
                    hint: "the download is incomplete, or it is no file of llama2.c")
            }
            let spelling = bytes[position..<position + count].flatMap { $0 == 0x20 ? Array("\u{2581}".utf8) : [$0] }
            guard let token = String(validating: spelling, as: UTF8.self) else {
                throw FileError(path, at: "byte \(start + 4)", "token \(tokens.count) is not UTF-8")
            }
            position += count
            scores.append(score)
            tokens.append(token)
        }
        guard tokens.count == tokenCount else {
            throw FileError(path, "has \(tokens.count) tokens, but the model has \(tokenCount)", hint: "it is that of another model")
        }
        guard tokens.count >= firstByte + 256, tokens[1] == "\n<s>\n", tokens[2] == "\n</s>\n" else {
            throw FileError(path, "does not begin with the tokens <unk>, <s>, </s> and the 256 bytes, as those of Llama do")
        }
        tokens.replaceSubrange(1...2, with: ["<s>", "</s>"])
        // A byte without a character of its own, `<0x0A>`.
        let types = tokens.indices.map { id in
            switch id {
            case 0: 2
            case 1, 2: 3
            case firstByte..<firstByte + 256: 6
            default: 1
            }
        }
        var stored = StoredTokenizer(model: "llama", splitting: nil, tokens: tokens, types: types)
        stored.scores = scores
        stored.roles = ["unk_token": 0, "bos_token": 1, "eos_token": 2]
        return stored
    }

    /// config.json of a model of llama2.c: a Llama, but for the sizes that its header states.
    static func config(_ header: Llama2CHeader) -> JSONObject {
        JSONObject([
            "architectures": .array([.string("LlamaForCausalLM")]), "attention_bias": .bool(false), "attention_dropout": .double(0),
            "bos_token_id": .integer(1), "dtype": .string("float32"), "eos_token_id": .integer(2),
            "head_dim": .integer(header.width / header.headCount), "hidden_act": .string("silu"), "hidden_size": .integer(header.width),
            "initializer_range": .double(0.02), "intermediate_size": .integer(header.innerWidth),
            "max_position_embeddings": .integer(header.contextLength), "mlp_bias": .bool(false), "model_type": .string("llama"),
            "num_attention_heads": .integer(header.headCount), "num_hidden_layers": .integer(header.layerCount),
            "num_key_value_heads": .integer(header.keyValueHeadCount), "pad_token_id": .null, "rms_norm_eps": .double(1e-5),
            "rope_parameters": .object(["rope_theta": .double(10_000), "rope_type": .string("default")]), "rope_theta": .double(10_000),
            "tie_word_embeddings": .bool(!header.hasHead), "torch_dtype": .string("float32"), "use_cache": .bool(true),
            "vocab_size": .integer(header.vocabularySize),
        ])
    }
}
