import Architectures
import ByteIO
import FlatFormat
import JSONText
import PyTorchFormat
import TensorCore

/// A GPT-2 in nanoGPT's names, as its ckpt.pt and files of llm.c have it, seen as the Hugging Face model of the same weights.
///
/// Names are those of transformers, but matrices are those of plain linear layers, [out, in]. Biases may be left out, and are zeros then.
/// The head is the embedding.
struct NanoGPTModel {
    let source: RearrangedSource
    let config: JSONObject

    /// Nil where a file is no checkpoint of nanoGPT.
    ///
    /// - Throws: where it is, and its sizes are not those of its tensors, or it is told to compute something else than a GPT-2.
    init?(_ file: PyTorchFile) throws(FileError) {
        let settings = file.settings
        guard settings["n_embd"] != nil, settings["block_size"] != nil,
            let embedding = file.tensors.firstIndex(where: { $0.name == "transformer.wte.weight" })
        else { return nil }
        func count(_ key: String, limit: Int = Self.limit) throws(FileError) -> Int {
            guard case .integer(let value)? = settings[key], (1...limit).contains(value) else {
                let found = settings[key].map { "is \($0.text)" } ?? "is missing"
                throw FileError(file.path, at: "model_args '\(key)'", "\(found), but a whole number from 1 to \(limit) is expected")
            }
            return value
        }
        let known: Set<String> = ["n_layer", "n_head", "n_embd", "block_size", "vocab_size", "bias", "dropout"]
        let others = settings.filter { !known.contains($0.key) && $0.value != .null && $0.value != .bool(false) }
        if let other = others.keys.min() {
            throw FileError(
                file.path, at: "model_args '\(JSONError.excerpt(other))'",
                "is not followed: a model of nanoGPT that has it computes something else than a GPT-2")
        }
        let sizes = Sizes(
            vocabularySize: try count("vocab_size"), contextLength: try count("block_size"), width: try count("n_embd"),
            headCount: try count("n_head"), layerCount: try count("n_layer", limit: Self.layerLimit))
        // One matrix under two names; it is stored twice only where a program has changed one of them.
        let head = file.tensors.firstIndex { $0.name == Self.headName }
        let isTied = head.map { file.areSame($0, embedding) } ?? true
        try self.init(
            file, sizes, scalarType: file.tensors[embedding].scalarType, activation: "gelu", isTied: isTied, authority: "model_args")
    }

    /// A file of llm.c.
    init(_ file: FlatFile, _ header: LLMCHeader) throws(FileError) {
        let sizes = Sizes(
            vocabularySize: header.vocabularySize, contextLength: header.contextLength, width: header.width, headCount: header.headCount,
            layerCount: header.layerCount)
        try self.init(
            file, sizes, scalarType: file.tensors[0].scalarType, activation: "gelu_new", isTied: true, authority: "its header")
    }

    private struct Sizes {
        let vocabularySize: Int
        let contextLength: Int
        let width: Int
        let headCount: Int
        let layerCount: Int
    }

    private static let limit = 1 << 24
    private static let layerLimit = 1 << 10
    private static let headName = "lm_head.weight"

    /// - Parameter activation: nanoGPT's is exact, that of llm.c and of OpenAI an approximation by tanh.
    private init(
        _ file: any TensorSource, _ sizes: Sizes, scalarType: ScalarType, activation: String, isTied: Bool, authority: String
    ) throws(FileError) {
        config = Self.config(sizes, scalarType: scalarType, activation: activation, isTied: isTied)
        let description: ModelDescription
        do throws(ModelError) { description = try ModelDescription(config: .object(config)) } catch {
            throw FileError(file.path, error.message, hint: error.hint)
        }
        let habits = RearrangedSource.Habits(
            spelling: description.spelling, pairsRows: false, hasOptionalBiases: true,
            // Masks that older versions save, and the other name of the embedding.
            leavesOut: { $0.hasSuffix(".attn.bias") || isTied && $0 == Self.headName }, authority: authority)
        source = try RearrangedSource([file], isInPieces: false, as: description, habits, path: file.path)
    }

    private static func config(_ sizes: Sizes, scalarType: ScalarType, activation: String, isTied: Bool) -> JSONObject {
        let typeName = scalarType.torchName ?? "float32"
        let end: JSONValue = GPT2Tokenizer.belongs(to: sizes.vocabularySize) ? .integer(GPT2Tokenizer.endOfText) : .null
        return JSONObject([
            "activation_function": .string(activation), "architectures": .array([.string("GPT2LMHeadModel")]),
            "attn_pdrop": .double(0.1), "bos_token_id": end, "dtype": .string(typeName), "embd_pdrop": .double(0.1),
            "eos_token_id": end, "initializer_range": .double(0.02), "layer_norm_epsilon": .double(1e-5),
            "model_type": .string("gpt2"), "n_ctx": .integer(sizes.contextLength), "n_embd": .integer(sizes.width),
            "n_head": .integer(sizes.headCount), "n_inner": .null, "n_layer": .integer(sizes.layerCount),
            "n_positions": .integer(sizes.contextLength), "resid_pdrop": .double(0.1), "scale_attn_weights": .bool(true),
            "tie_word_embeddings": .bool(isTied), "torch_dtype": .string(typeName), "use_cache": .bool(true),
            "vocab_size": .integer(sizes.vocabularySize),
        ])
    }
}

/// The tokenizer that most models of nanoGPT and llm.c were trained with.
enum GPT2Tokenizer {
    static let tokenCount = 50_257
    static let endOfText = tokenCount - 1

    /// Whether a model with so many tokens has it: GPT-2's own number, or that filled up to a multiple of 64 or 128.
    static func belongs(to vocabularySize: Int) -> Bool { (tokenCount...50_304).contains(vocabularySize) }
}

extension PickledSetting {
    /// As Python writes it, for messages.
    fileprivate var text: String {
        switch self {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let value): "'\(JSONError.excerpt(value))'"
        case .other: "no number"
        }
    }
}
