import JSONText

/// How a model file that keeps no tokenizer.json says that text is cut: by a name (`tokenizer.ggml.pre`), of which each stands for steps
/// of a tokenizer.json.
struct StoredSplitting {
    let normalizer: JSONValue
    let steps: [JSONValue]
    /// Whether a word that is a token is that token, whatever merging would make of it.
    var ignoresMerges = false
    /// Whether every text begins with the BOS where the file does not say.
    var addsBeginning = false

    /// - Returns: nil for a name that is not known.
    init?(named name: String) {
        switch name {
        case "default", "gpt-2", "olmo", "phi-2": self.init([Self.bytes(cuts: true)])
        case "mpt": self.init([Self.bytes(cuts: true)], normalizer: Self.composition)
        case "smollm", "starcoder", "refact": self.init([Self.digits(areSingle: true), Self.bytes(cuts: true)])
        case "command-r": self.init([Self.digits(areSingle: true), Self.bytes(cuts: true)], normalizer: Self.composition)
        case "llama-bpe", "llama3", "llama-v3":
            self.init(expressions: [SplittingExpressions.llama3])
            (ignoresMerges, addsBeginning) = (true, true)
        // The files do not say so, but all tokenizers of this family normalize.
        case "qwen2": self.init(expressions: [SplittingExpressions.qwen2], normalizer: Self.composition)
        case "tekken":
            self.init(expressions: [SplittingExpressions.tekken])
            (ignoresMerges, addsBeginning) = (true, true)
        case "gpt-4o": self.init(expressions: [SplittingExpressions.o200k])
        case "falcon":
            self.init([
                .object(["type": .string("Punctuation"), "behavior": .string("Contiguous")]), Self.bytes(cuts: true),
                Self.digits(areSingle: false), Self.split(SplittingExpressions.threeDigits),
            ])
        case "deepseek-coder":
            self.init(SplittingExpressions.deepSeekCoder.map(Self.split) + [Self.digits(areSingle: true), Self.bytes(cuts: false)])
        case "deepseek-v3": self.init(expressions: SplittingExpressions.deepSeekV3)
        case "bloom": self.init(expressions: [SplittingExpressions.bloom])
        default: return nil
        }
    }

    private init(_ steps: [JSONValue], normalizer: JSONValue = .null) {
        self.steps = steps
        self.normalizer = normalizer
    }

    private init(expressions: [String], normalizer: JSONValue = .null) {
        self.init(expressions.map(Self.split) + [Self.bytes(cuts: false)], normalizer: normalizer)
    }

    private static let composition = JSONValue.object(["type": .string("NFC")])

    private static func split(_ expression: String) -> JSONValue {
        .object([
            "type": .string("Split"), "pattern": .object(["Regex": .string(expression)]), "behavior": .string("Isolated"),
            "invert": .bool(false),
        ])
    }

    private static func digits(areSingle: Bool) -> JSONValue {
        .object(["type": .string("Digits"), "individual_digits": .bool(areSingle)])
    }

    /// To GPT-2's alphabet of bytes.
    ///
    /// - Parameter cuts: by GPT-2's expression, too.
    static func bytes(cuts: Bool) -> JSONValue {
        .object([
            "type": .string("ByteLevel"), "add_prefix_space": .bool(false), "trim_offsets": .bool(true), "use_regex": .bool(cuts),
        ])
    }
}
