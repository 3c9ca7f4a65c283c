import ByteIO
import JSONText
import TensorCore

/// params.json of Meta's and Mistral's own files: what it says of a model, checked, and the config.json that says the same.
///
///     {"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 128256, ...}
///
/// Meta's have `multiple_of` and no width of the MLP, Mistral's have `hidden_dim` and `head_dim`.
///
/// What params.json does not say, the programs say that read it: `ModelArgs` and `apply_scaling` of Meta's llama and llama-models,
/// `Transformer` of mistral-inference.
struct MetaParameters {
    let file: InputFile
    /// Whether it is Mistral's, and not Meta's.
    let isMistral: Bool
    let width: Int
    let layerCount: Int
    let headCount: Int
    let keyValueHeadCount: Int
    let headWidth: Int
    /// Nil where the weights have to tell.
    let innerWidth: Int?
    let vocabularySize: Int?
    let hasScaledRotation: Bool
    /// What it asks for and nothing here computes; nil where all of it is followed.
    let refusal: FileError?
    private let epsilon: Double
    private let theta: Double
    private let scaling: (factor: Double, highFrequencyFactor: Double)
    private let window: Int?
    private let contextLength: Int?

    /// Far beyond any model; the limits keep products from overflow, and a few bytes from asking for a table of a million names.
    private static let limit = 1 << 24
    private static let layerLimit = 1 << 10

    private static let followed: Set<String> = [
        "dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "hidden_dim", "norm_eps", "rope_theta", "vocab_size", "use_scaled_rope",
        "rope_scaling_factor", "rope_high_freq_factor", "sliding_window", "_sliding_window", "max_seq_len", "max_position_embeddings",
        // The shape of w1 says what they say.
        "multiple_of", "ffn_dim_multiplier",
        // Nothing that is computed depends on them.
        "max_batch_size", "model_parallel_size", "dtype", "flash",
    ]

    init(_ file: InputFile) throws(FileError) {
        let path = file.path
        let bytes = try file.allBytes(limit: 1 << 20)
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw FileError(path, at: "byte \(error.offset)", error.message) }
        guard let object = document.object else { throw FileError(path, "is no JSON object") }
        func count(_ key: String, limit: Int = Self.limit) throws(FileError) -> Int? {
            guard let value = object[key], value != .null else { return nil }
            guard let number = value.integer, (1...limit).contains(number) else {
                throw FileError(
                    path, at: "'\(key)'", "is \(JSONError.excerpt(value.text(.compact))), but a whole number from 1 to \(limit) is expected"
                )
            }
            return number
        }
        func required(_ key: String, limit: Int = Self.limit) throws(FileError) -> Int {
            guard let value = try count(key, limit: limit) else { throw FileError(path, at: "'\(key)'", "is missing") }
            return value
        }
        func real(_ key: String) throws(FileError) -> Double? {
            guard let value = object[key], value != .null else { return nil }
            guard case .number(let number) = value, number.double.isFinite, number.double > 0 else {
                throw FileError(path, at: "'\(key)'", "is \(JSONError.excerpt(value.text(.compact))), but a number above 0 is expected")
            }
            return number.double
        }
        self.file = file
        isMistral = object["hidden_dim"] != nil && object["multiple_of"] == nil
        width = try required("dim")
        layerCount = try required("n_layers", limit: Self.layerLimit)
        headCount = try required("n_heads")
        keyValueHeadCount = try count("n_kv_heads") ?? headCount
        innerWidth = try count("hidden_dim")
        vocabularySize = object["vocab_size"]?.integer == -1 ? nil : try count("vocab_size")
        guard let epsilon = try real("norm_eps") else { throw FileError(path, at: "'norm_eps'", "is missing") }
        self.epsilon = epsilon
        // mistral-inference rotated slower where texts are not seen through a window.
        let hasWindow = ["sliding_window", "_sliding_window"].contains { (object[$0] ?? .null) != .null }
        theta = try real("rope_theta") ?? (isMistral && !hasWindow ? 1e6 : 10_000)
        scaling = (try real("rope_scaling_factor") ?? 8, try real("rope_high_freq_factor") ?? 4)
        guard headCount % keyValueHeadCount == 0 else {
            throw FileError(path, "n_heads is \(headCount), no multiple of n_kv_heads, \(keyValueHeadCount)")
        }
        if let stated = try count("head_dim") {
            headWidth = stated
        } else {
            guard width % headCount == 0 else { throw FileError(path, "dim is \(width), no multiple of n_heads, \(headCount)") }
            headWidth = width / headCount
        }
        guard headWidth % 2 == 0 else { throw FileError(path, "heads are \(headWidth) wide, but elements are rotated in pairs") }
        refusal = Self.refusal(object, path: path)
        guard refusal == nil else {
            (window, contextLength, hasScaledRotation) = (nil, nil, false)
            return
        }
        let windows = (try count("sliding_window"), try count("_sliding_window"))
        window = windows.0 ?? windows.1
        let lengths = (try count("max_seq_len", limit: 1 << 30), try count("max_position_embeddings", limit: 1 << 30))
        contextLength = lengths.0 ?? lengths.1
        switch object["use_scaled_rope"] {
        case nil, .null?: hasScaledRotation = false
        case .bool(let value)?: hasScaledRotation = value
        case let value?: throw FileError(path, at: "'use_scaled_rope'", "is \(value.text(.compact)), but true or false is expected")
        }
    }

    /// A member that is not followed, unless it says that something is not there.
    private static func refusal(_ object: JSONObject, path: String) -> FileError? {
        let isOff: (JSONValue) -> Bool = { $0 == .null || $0 == .bool(false) }
        let hint = "take the Hugging Face files of the same model (model*.safetensors), if it has some"
        for member in object.members where !isOff(member.value) {
            let name = JSONError.excerpt(member.key)
            if ["sliding_window", "_sliding_window"].contains(name), member.value.integer == nil {
                return FileError(
                    path, at: "'\(name)'", "is a list: layers with windows of their own are not read from such files", hint: hint)
            }
            guard !followed.contains(member.key), member.key != "quantization" || !isFloat8(member.value) else { continue }
            return FileError(
                path, at: "'\(name)'", "is not followed: a model of Mistral's or Meta's own layout that has it computes something else",
                hint: hint)
        }
        guard object["use_scaled_rope"] == .bool(true), let width = object["dim"]?.integer, width < widthOfScaling,
            object["rope_scaling_factor"].map(isOff) ?? true
        else { return nil }
        return FileError(
            path, at: "'use_scaled_rope'",
            "is true, but nothing says by how much rotations are scaled: Meta's program takes 8, config.json of the published models this "
                + "narrow (Llama 3.2) says 32",
            hint: "add \"rope_scaling_factor\" to params.json: 32 for Llama 3.2, 8 for what Meta's program computes")
    }

    /// Whether a quantization is that to F8_E4M3 with a scale for each weight: `{"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"}`.
    private static func isFloat8(_ quantization: JSONValue) -> Bool {
        guard let settings = quantization.object, settings["qformat_weight"] == .string("fp8_e4m3") else { return false }
        return settings.members.allSatisfy { ["qformat_weight", "qscheme_act"].contains($0.key) }
    }

    /// Models that are as wide have the factor of Meta's program in their published config.json, too.
    private static let widthOfScaling = 4096

    // MARK: - config.json

    /// - Parameters:
    ///   - vocabularySize: rows of the embedding.
    ///   - innerWidth: rows of w1.
    ///   - hasHead: whether there is an `output`.
    /// - Returns: beside it what was not stated, and where it is from.
    func config(
        vocabularySize: Int, innerWidth: Int, hasHead: Bool, scalarType: ScalarType
    ) -> (config: JSONObject, warnings: [String]) {
        let isThird = vocabularySize == 128_256
        var rope = JSONObject(["rope_theta": .double(theta), "rope_type": .string("default")])
        var warnings: [String] = []
        if hasScaledRotation {
            rope["rope_type"] = .string("llama3")
            for (key, value) in [
                ("factor", scaling.factor), ("low_freq_factor", 1), ("high_freq_factor", scaling.highFrequencyFactor),
            ] { rope[key] = .double(value) }
            rope["original_max_position_embeddings"] = .integer(8192)
        }
        let positions = contextLength ?? usualContextLength
        if contextLength == nil {
            warnings.append(
                "params.json does not say how long a text may be: \(positions) tokens, as \(isMistral ? "Mistral's" : "Meta's") program "
                    + "takes; add \"max_seq_len\" to it if the model was made for others")
        }
        let typeName = scalarType.torchName ?? "float32"
        var config = JSONObject([
            "architectures": .array([.string(isMistral ? "MistralForCausalLM" : "LlamaForCausalLM")]), "attention_bias": .bool(false),
            "attention_dropout": .double(0), "bos_token_id": .integer(isThird ? 128_000 : 1), "dtype": .string(typeName),
            "eos_token_id": .integer(isThird ? 128_001 : 2), "head_dim": .integer(headWidth), "hidden_act": .string("silu"),
            "hidden_size": .integer(width), "initializer_range": .double(0.02), "intermediate_size": .integer(innerWidth),
            "max_position_embeddings": .integer(positions), "mlp_bias": .bool(false),
            "model_type": .string(isMistral ? "mistral" : "llama"), "num_attention_heads": .integer(headCount),
            "num_hidden_layers": .integer(layerCount), "num_key_value_heads": .integer(keyValueHeadCount), "pad_token_id": .null,
            "rms_norm_eps": .double(epsilon), "rope_parameters": .object(rope), "rope_theta": .double(theta),
        ])
        if hasScaledRotation {
            rope["rope_theta"] = nil
            config["rope_scaling"] = .object(rope)
        }
        if isMistral {
            (config["attention_bias"], config["mlp_bias"]) = (nil, nil)
            config["sliding_window"] = window.map { .integer($0) } ?? .null
        }
        config["tie_word_embeddings"] = .bool(!hasHead)
        config["torch_dtype"] = .string(typeName)
        config["use_cache"] = .bool(true)
        config["vocab_size"] = .integer(vocabularySize)
        return (config, warnings)
    }

    /// Where nothing is stated: the positions that mistral-inference has rotations for, and `max_seq_len` of Meta's `ModelArgs`.
    private var usualContextLength: Int { isMistral ? 128_000 : 2048 }
}
