import ByteIO
import JSONText
import Tokenization

/// A model of random weights in the shapes of a known one, with a tokenizer of as many tokens.
struct BenchmarkModel {
    let name: String
    let config: JSONObject
    let tensors: RandomTensors.List
    let vocabularySize: Int

    /// Floats of the linear layers' weights, without the output head.
    var linearCount: Int {
        tensors.filter { $0.name.contains(Self.layerMark(config)) && $0.dimensions.count == 2 }.reduce(0) {
            $0 + $1.dimensions.reduce(1, *)
        }
    }

    /// Floats that LoRA of rank 1 on every linear layer would have.
    var lowRankCount: Int {
        tensors.filter { $0.name.contains(Self.layerMark(config)) && $0.dimensions.count == 2 }.reduce(0) {
            $0 + $1.dimensions.reduce(0, +)
        }
    }

    static let tinyLlama = llama(
        "TinyLlama 1.1B", layers: 22, width: 2048, heads: 32, keyValueHeads: 4, inner: 5632, epsilon: 1e-5)
    static let mistral = llama("Mistral 7B", layers: 32, width: 4096, heads: 32, keyValueHeads: 8, inner: 14336, epsilon: 1e-5)
    static let gpt2Medium = gpt2("GPT-2 355M", layers: 24, width: 1024, heads: 16)
    static let gpt2Small = gpt2("GPT-2 124M", layers: 12, width: 768, heads: 12)

    private static func llama(
        _ name: String, layers: Int, width: Int, heads: Int, keyValueHeads: Int, inner: Int, epsilon: Double
    ) -> BenchmarkModel {
        let config = JSONObject([
            "model_type": .string("llama"), "architectures": .array([.string("LlamaForCausalLM")]), "hidden_size": .integer(width),
            "intermediate_size": .integer(inner), "num_attention_heads": .integer(heads), "num_key_value_heads": .integer(keyValueHeads),
            "num_hidden_layers": .integer(layers), "vocab_size": .integer(32000), "max_position_embeddings": .integer(2048),
            "rms_norm_eps": .double(epsilon), "tie_word_embeddings": .bool(false), "eos_token_id": .integer(31999),
        ])
        let keyValueWidth = width / heads * keyValueHeads
        return BenchmarkModel(
            name: name, config: config,
            tensors: RandomTensors.llama(layers: layers, width: width, keyValueWidth: keyValueWidth, inner: inner), vocabularySize: 32000)
    }

    private static func gpt2(_ name: String, layers: Int, width: Int, heads: Int) -> BenchmarkModel {
        let config = JSONObject([
            "model_type": .string("gpt2"), "architectures": .array([.string("GPT2LMHeadModel")]), "n_embd": .integer(width),
            "n_head": .integer(heads), "n_layer": .integer(layers), "n_positions": .integer(1024), "vocab_size": .integer(50257),
            "layer_norm_epsilon": .double(1e-5), "eos_token_id": .integer(50256),
        ])
        return BenchmarkModel(
            name: name, config: config, tensors: RandomTensors.gpt2(layers: layers, width: width), vocabularySize: 50257)
    }

    private static func layerMark(_ config: JSONObject) -> String { config["model_type"]?.string == "gpt2" ? ".h." : ".layers." }

    // MARK: files

    private static let endToken = "<|endoftext|>"

    private var fileName: String { name.split(separator: " ").joined(separator: "-") }

    /// The dense model as a Hugging Face folder, bf16, written unless it is there already.
    func dense(in folder: String) throws -> String {
        let source = FilePath.join(folder, fileName)
        _ = try Process(["mkdir", "-p", source])
        try RandomTensors.write(tensors, to: FilePath.join(source, "model.safetensors"))
        try Self.write(JSONValue.object(config).text(.indented), to: FilePath.join(source, "config.json"))
        try Self.write(tokenizer, to: FilePath.join(source, "tokenizer.json"))
        let roles: JSONValue = .object(["eos_token": .string(Self.endToken)])
        try Self.write(roles.text(.indented), to: FilePath.join(source, "tokenizer_config.json"))
        return source
    }

    /// The .qnf, made unless it is there already.
    func quantized(in folder: String, binaries: String) throws -> String {
        let model = FilePath.join(folder, fileName + "-random.qnf")
        guard FilePath.kind(of: model) != .file else { return model }
        let source = try dense(in: folder)
        _ = try Process([FilePath.join(binaries, "qconvert"), "to-nf4", source, "-o", model])
        _ = try Process(["rm", "-rf", source])
        return model
    }

    static func write(_ text: String, to path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    /// A tokenizer.json: all bytes, then merges of two bytes each, and last the end of text.
    private var tokenizer: String {
        let bytes = ByteAlphabet.scalars.map { String(Character($0)) }
        var vocabulary = JSONObject()
        for byte in bytes { vocabulary[byte] = .integer(vocabulary.members.count) }
        var merges: [JSONValue] = []
        // Printable ASCII first: every text merges.
        let order = bytes[0x21...0x7e] + bytes[..<0x21] + bytes[0x7f...]
        pairs: for first in order {
            for second in order {
                if vocabulary.members.count == vocabularySize - 1 { break pairs }
                vocabulary[first + second] = .integer(vocabulary.members.count)
                merges.append(.string("\(first) \(second)"))
            }
        }
        let addedToken = JSONObject([
            "id": .integer(vocabularySize - 1), "content": .string(Self.endToken), "special": .bool(true),
        ])
        let model = JSONObject(["type": .string("BPE"), "vocab": .object(vocabulary), "merges": .array(merges)])
        let byteLevel: JSONValue = .object(["type": .string("ByteLevel"), "add_prefix_space": .bool(false), "use_regex": .bool(true)])
        let members = JSONObject([
            "added_tokens": .array([.object(addedToken)]), "pre_tokenizer": byteLevel, "decoder": .object(["type": .string("ByteLevel")]),
            "model": .object(model),
        ])
        return JSONValue.object(members).text(.compact)
    }
}
