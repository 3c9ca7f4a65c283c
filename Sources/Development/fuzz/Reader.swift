/// A reader under test.
///
/// `read` gets bytes that mean harm and does with them what the tools do with a file. It may refuse them with an error; it
/// traps where a promise is broken, and then libFuzzer keeps the bytes.
struct Reader: Sendable {
    let name: String
    /// Inputs to start from.
    let seeds: @Sendable (Samples) -> [[UInt8]]
    /// What to insert, beside what libFuzzer finds out by itself.
    let words: [String]
    /// How inputs are changed, half of the time; nil for as bytes, always.
    let mutation: Mutation?
    let read: @Sendable ([UInt8]) -> Void

    init(
        _ name: String, words: [String] = [], mutation: Mutation? = nil, seeds: @escaping @Sendable (Samples) -> [[UInt8]],
        read: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.name = name
        self.seeds = seeds
        self.words = words
        self.mutation = mutation
        self.read = read
    }

    static let all: [Reader] = [
        .json, .modelConfiguration, .header, .safetensors, .shards, .quantState, .bitsandbytes, .qnf, .snappy, .sliceKey, .protobuf,
        .checkpointState,
        .table, .bundle, .gpt2, .anyFile, .gguf, .pyTorch, .flat, .packed, .tokenizer, .merges, .sentencePiece, .tekken, .peft, .lora,
        .ggufAdapter, .jinja, .imatrix, .part,
    ]
}

/// A promise that must hold for whatever was read.
func require(_ condition: Bool, _ promise: @autoclosure () -> String, line: UInt = #line) {
    if !condition { fatalError("broken promise: \(promise()) (line \(line))") }
}

/// What an error says, so that making its text is tried too.
func tell(_ error: any Error) {
    require(!String(describing: error).isEmpty, "an error says something")
}
