import Architectures
import ByteIO
import JSONText
import TensorCore
import TensorFlowFormat

/// OpenAI's GPT-2 checkpoint seen as the Hugging Face model of the same weights.
///
/// A folder with `hparams.json` whose bundle holds the variables of a GPT-2, and beside them at most what its training left
/// (`OptimizerState`). Names change and the leading 1 of the [1, in, out] weights goes; no value does: transformers' GPT-2
/// keeps linear weights as [in, out] (`Conv1D`) too.
///
///     model/wte                 [n_vocab, C]     transformer.wte.weight     (also the output head, tied)
///     model/wpe                 [n_ctx, C]       transformer.wpe.weight
///     model/hN/ln_1/g, b        [C]              transformer.h.N.ln_1.weight, bias        (ln_2 alike)
///     model/hN/attn/c_attn/w    [1, C, 3C]       transformer.h.N.attn.c_attn.weight       b: bias [3C]
///     model/hN/attn/c_proj/w    [1, C, C]        transformer.h.N.attn.c_proj.weight       b: bias [C]
///     model/hN/mlp/c_fc/w       [1, C, 4C]       transformer.h.N.mlp.c_fc.weight          b: bias [4C]
///     model/hN/mlp/c_proj/w     [1, 4C, C]       transformer.h.N.mlp.c_proj.weight        b: bias [C]
///     model/ln_f/g, b           [C]              transformer.ln_f.weight, bias
struct GPT2TensorFlow: TensorSource {
    let tensors: [TensorInfo]
    let companions: [CompanionFile]
    let warnings: [String]
    /// hparams.json.
    let parametersFile: InputFile
    private let bundle: TensorBundle
    /// Index in the bundle of each tensor.
    private let places: [Int]

    var path: String { bundle.path }
    var files: [InputFile] { bundle.files }
    var unreadableTensors: [UnreadableTensor] { bundle.unreadableTensors }

    private static let companionByteCountLimit = 64 << 20

    /// Nil where there is no `hparams.json` or the bundle does not hold `model/wte`: then it is somebody else's model.
    init?(bundle: TensorBundle, folder: String) throws(FileError) {
        let path = FilePath.join(folder, "hparams.json")
        guard FilePath.kind(of: path) == .file, bundle.tensors.contains(where: { $0.name == "model/wte" }) else { return nil }
        parametersFile = try InputFile(path: path)
        let parameters = try HyperParameters(parametersFile)
        var expected = parameters.variables()
        var tensors: [TensorInfo] = []
        var places: [Int] = []
        var leftOut: [String] = []
        let variables = Set(expected.keys)
        for (index, info) in bundle.tensors.enumerated() {
            guard let variable = expected.removeValue(forKey: info.name) else {
                guard OptimizerState.holds(info, besides: variables) else {
                    throw FileError(
                        bundle.path, at: "tensor '\(info.name)'",
                        "is no variable of a GPT-2 with \(parameters.layerCount) layers as hparams.json describes it",
                        hint: "hparams.json is that of another model, or the model is no plain GPT-2")
                }
                leftOut.append(info.name)
                continue
            }
            guard info.shape.dimensions == variable.storedShape else {
                throw FileError(
                    bundle.path, at: "tensor '\(info.name)'", "has shape \(info.shape), but by hparams.json it is \(variable.storedShape)")
            }
            guard let shape = Shape(variable.shape),
                let renamed = TensorInfo(name: variable.name, scalarType: info.scalarType, shape: shape)
            else { preconditionFailure("dropping a leading 1 keeps a shape possible") }
            tensors.append(renamed)
            places.append(index)
        }
        if let missing = expected.keys.min(by: NaturalOrder.precedes) {
            throw FileError(bundle.path, "\(expected.count) variables of a GPT-2 are missing, the first is '\(missing)'")
        }
        self.bundle = bundle
        self.tensors = tensors
        self.places = places
        let companions = try Self.companions(folder: folder, parameters: parameters, scalarType: tensors[0].scalarType)
        self.companions = companions.files
        warnings = companions.warnings + Self.note(leftOut)
    }

    /// What the training left beside the weights is no part of the model.
    private static func note(_ leftOut: [String]) -> [String] {
        guard let first = leftOut.min(by: NaturalOrder.precedes) else { return [] }
        return ["\(leftOut.count) tensors of the optimizer that trained it are left out, such as '\(first)'"]
    }

    func fileIndex(ofTensor index: Int) -> Int { bundle.fileIndex(ofTensor: places[index]) }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? { bundle.place(ofTensor: places[index]) }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try bundle.read(tensor: places[index], atByteOffset: offset, into: buffer)
    }

    func storedChecksum(ofTensor index: Int) -> CRC32C? { bundle.storedChecksum(ofTensor: places[index]) }

    func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try bundle.verifyPartChecksums(ofTensor: places[index], buffer: buffer)
    }

    /// The configuration that transformers expects, and the tokenizer under the names it looks for.
    ///
    /// `encoder.json` is `vocab.json` and `vocab.bpe` is `merges.txt`, byte for byte.
    private static func companions(
        folder: String, parameters: HyperParameters, scalarType: ScalarType
    ) throws(FileError) -> (files: [CompanionFile], warnings: [String]) {
        let endOfText = parameters.vocabularySize - 1
        func document(_ name: String, _ value: JSONValue) -> CompanionFile {
            CompanionFile(name: name, content: .bytes(Array((value.text(.indented) + "\n").utf8)))
        }
        var files = [
            document("config.json", parameters.config(scalarType: scalarType, endOfText: endOfText)),
            document(
                "generation_config.json",
                .object(["_from_model_config": .bool(true), "bos_token_id": .integer(endOfText), "eos_token_id": .integer(endOfText)])),
        ]
        let tokenizer = [("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")]
        let missing = tokenizer.filter { FilePath.kind(of: FilePath.join(folder, $0.0)) != .file }
        guard missing.isEmpty else {
            return (files, ["\(missing.map(\.0).joined(separator: " and ")) not found: the model is read without its tokenizer"])
        }
        for (stored, name) in tokenizer {
            let file = try InputFile(path: FilePath.join(folder, stored))
            guard file.byteCount <= companionByteCountLimit else {
                throw FileError(file.path, "has \(file.byteCount) bytes, but at most \(companionByteCountLimit) are carried of such a file")
            }
            files.append(CompanionFile(name: name, content: .part(of: file, offset: 0, byteCount: file.byteCount)))
        }
        files.append(
            document(
                "tokenizer_config.json",
                .object([
                    "add_bos_token": .bool(false), "add_prefix_space": .bool(false), "bos_token": .string("<|endoftext|>"),
                    "eos_token": .string("<|endoftext|>"), "errors": .string("replace"),
                    "model_max_length": .integer(parameters.contextLength), "tokenizer_class": .string("GPT2Tokenizer"),
                    "unk_token": .string("<|endoftext|>"),
                ])))
        return (files.sorted { $0.name < $1.name }, [])
    }
}

/// `hparams.json`: {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}.
private struct HyperParameters {
    struct Variable {
        let name: String
        let storedShape: [Int]
        let shape: [Int]
    }

    let vocabularySize: Int
    let contextLength: Int
    let width: Int
    let headCount: Int
    let layerCount: Int

    /// GPT-2's largest model has 48 layers and a width of 1600; the limits keep products far from overflow, and a few bytes
    /// from asking for a table of a million variables.
    private static let limit = 1 << 24
    private static let layerLimit = 1 << 10

    init(_ file: InputFile) throws(FileError) {
        let path = file.path
        let bytes = try file.allBytes(limit: 1 << 20)
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch {
            throw FileError(path, at: "byte \(error.offset)", error.message)
        }
        func value(_ key: String, limit: Int = Self.limit) throws(FileError) -> Int {
            guard let value = document[key]?.integer, (1...limit).contains(value) else {
                let found = document[key]?.text(.compact) ?? "missing"
                throw FileError(path, at: "'\(key)'", "is \(found), but a whole number from 1 to \(limit) is expected")
            }
            return value
        }
        vocabularySize = try value("n_vocab")
        contextLength = try value("n_ctx")
        width = try value("n_embd")
        headCount = try value("n_head")
        layerCount = try value("n_layer", limit: Self.layerLimit)
        guard width % headCount == 0 else { throw FileError(path, "n_embd is \(width), which is no multiple of n_head, \(headCount)") }
    }

    /// Every variable of the model, by its name in the checkpoint.
    func variables() -> [String: Variable] {
        let model = GPT2.published(
            vocabularySize: vocabularySize, contextLength: contextLength, width: width, headCount: headCount, layerCount: layerCount)
        var result: [String: Variable] = [:]
        for tensor in model.expectedTensors {
            let (name, hasLeadingOne) = GPT2.tensorFlowVariable(tensor)
            result[name] = Variable(
                name: tensor.name, storedShape: (hasLeadingOne ? [1] : []) + tensor.dimensions, shape: tensor.dimensions)
        }
        return result
    }

    func config(scalarType: ScalarType, endOfText: Int) -> JSONValue {
        let typeName = scalarType.torchName ?? "float32"
        return .object([
            "activation_function": .string("gelu_new"), "architectures": .array([.string("GPT2LMHeadModel")]),
            "attn_pdrop": .double(0.1), "bos_token_id": .integer(endOfText), "dtype": .string(typeName), "embd_pdrop": .double(0.1),
            "eos_token_id": .integer(endOfText), "initializer_range": .double(0.02), "layer_norm_epsilon": .double(1e-5),
            "model_type": .string("gpt2"), "n_ctx": .integer(contextLength), "n_embd": .integer(width), "n_head": .integer(headCount),
            "n_inner": .null, "n_layer": .integer(layerCount), "n_positions": .integer(contextLength), "resid_pdrop": .double(0.1),
            "scale_attn_weights": .bool(true), "tie_word_embeddings": .bool(true), "torch_dtype": .string(typeName),
            "use_cache": .bool(true), "vocab_size": .integer(vocabularySize),
        ])
    }
}
