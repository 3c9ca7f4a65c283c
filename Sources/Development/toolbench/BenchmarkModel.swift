import Architectures
import ByteIO
import JSONText
import Tokenization

/// A model of random weights in the shapes of a known one, with a tokenizer of as many tokens.
struct BenchmarkModel {
    let name: String
    /// As config.json says it.
    let config: JSONObject
    let description: ModelDescription

    /// - Parameter members: of config.json.
    init(_ name: String, _ members: [(String, JSONValue)]) {
        self.name = name
        var config = JSONObject()
        for (key, value) in members { config[key] = value }
        config["eos_token_id"] = .integer((config["vocab_size"]?.integer ?? 1) - 1)
        self.config = config
        do { description = try ModelDescription(config: .object(config)) } catch { preconditionFailure("\(name): \(error)") }
    }

    var tensors: RandomTensors.List { description.expectedTensors.map { ($0.name, $0.dimensions) } }

    /// Floats of the linear layers' weights, without the output head.
    var linearCount: Int { description.linearWeights.reduce(0) { $0 + $1.dimensions.reduce(1, *) } }

    /// Floats that LoRA of rank 1 on every linear layer would have.
    var lowRankCount: Int { description.linearWeights.reduce(0) { $0 + $1.dimensions.reduce(0, +) } }

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
        try made(FilePath.join(folder, fileName + "-random.qnf"), in: folder) { source, model in
            [FilePath.join(binaries, "qconvert"), "to-nf4", source, "-o", model]
        }
    }

    /// The GGUF file of blocks of 4 bits, as llama-quantize makes them, made unless it is there already.
    func blocks(in folder: String, binaries: String) throws -> String {
        try made(FilePath.join(folder, fileName + "-random.gguf"), in: folder) { source, model in
            [FilePath.join(binaries, "qconvert"), "to-gguf", source, "-o", model, "--type", "q4_0"]
        }
    }

    private func made(_ model: String, in folder: String, by command: (String, String) -> [String]) throws -> String {
        guard FilePath.kind(of: model) != .file else { return model }
        let source = try dense(in: folder)
        _ = try Process(command(source, model))
        return model
    }

    /// Removes the dense model, the largest of the files.
    func removeDense(in folder: String) throws { _ = try Process(["rm", "-rf", FilePath.join(folder, fileName)]) }

    static func write(_ text: String, to path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    /// A tokenizer.json: all bytes, then merges of two bytes each, then tokens that nothing merges to, and last the end of text.
    private var tokenizer: String {
        let bytes = ByteAlphabet.scalars.map { String(Character($0)) }
        let last = description.vocabularySize - 1
        var vocabulary = JSONObject()
        for (id, byte) in bytes.enumerated() { vocabulary[byte] = .integer(id) }
        var merges: [JSONValue] = []
        // Printable ASCII first: every text merges.
        let order = bytes[0x21...0x7e] + bytes[..<0x21] + bytes[0x7f...]
        pairs: for first in order {
            for second in order {
                if bytes.count + merges.count == last { break pairs }
                vocabulary[first + second] = .integer(bytes.count + merges.count)
                merges.append(.string("\(first) \(second)"))
            }
        }
        for id in bytes.count + merges.count..<max(last, bytes.count + merges.count) { vocabulary["unused \(id)"] = .integer(id) }
        let addedToken = JSONObject(["id": .integer(last), "content": .string(Self.endToken), "special": .bool(true)])
        let model = JSONObject(["type": .string("BPE"), "vocab": .object(vocabulary), "merges": .array(merges)])
        let byteLevel: JSONValue = .object(["type": .string("ByteLevel"), "add_prefix_space": .bool(false), "use_regex": .bool(true)])
        let members = JSONObject([
            "added_tokens": .array([.object(addedToken)]), "pre_tokenizer": byteLevel, "decoder": .object(["type": .string("ByteLevel")]),
            "model": .object(model),
        ])
        return JSONValue.object(members).text(.compact)
    }
}
