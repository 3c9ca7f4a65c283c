import ByteIO
import JSONText
import Tokenization

/// What lies beside the weights of a model in its maker's own files, under the names that Hugging Face libraries look for.
///
/// Of the tokenizers that are there one is taken: tokenizer.json, tekken.json, tokenizer.model, tokenizer.model.v3, or vocab.json and
/// merges.txt. A tokenizer.model may be SentencePiece's or, of Llama 3, a list of tokens in the order in which they merge: of that a
/// tokenizer.json is made.
struct OwnCompanions {
    private(set) var files: [CompanionFile]
    private(set) var warnings: [String] = []

    /// Longer than that of any model; Llama 3's has 2 MB.
    private static let rankFileByteCountLimit = 64 << 20

    /// - Parameters:
    ///   - isLater: whether the model is a Llama 3.1 or later, which calls some tokens otherwise than Llama 3.
    ///   - other: the tokenizer that is made where none of these is there.
    ///   - advice: what to say where there is no tokenizer.
    init(
        _ config: JSONObject, folder: String, isLater: Bool = false, other: Made<[TokenizerFile]>? = nil, advice: String
    ) throws(FileError) {
        let text = JSONValue.object(config).text(.indented) + "\n"
        files = try CompanionFile.all(inFolder: folder).filter { $0.name != "config.json" }
        files.append(CompanionFile(name: "config.json", content: .bytes(Array(text.utf8))))
        func has(_ name: String) -> Bool { files.contains { $0.name == name } }
        if has("tokenizer.json") || has("tekken.json") {
            if !has("tokenizer.json") { files.removeAll { $0.name == "tokenizer.model" } }
        } else if let file = try model(folder) {
            if try Self.isRankFile(file) {
                addRanked(file, isLater: isLater, rowCount: config["vocab_size"]?.integer ?? 0)
            } else {
                add(file)
            }
        } else if !(has("vocab.json") && has("merges.txt")) {
            if let other { add(other) } else { warnings.append("no tokenizer lies beside it: \(advice)") }
        }
        files.sort { $0.name < $1.name }
    }

    /// tokenizer.model, or the latest of its versions.
    private func model(_ folder: String) throws(FileError) -> InputFile? {
        let names = try FilePath.entries(of: folder).filter { name in
            name == "tokenizer.model" || name.hasPrefix("tokenizer.model.v") || name.hasPrefix("tokenizer.mm.model.v")
        }
        guard let name = names.contains("tokenizer.model") ? "tokenizer.model" : names.max() else { return nil }
        return try InputFile(path: FilePath.join(folder, name))
    }

    private mutating func add(_ file: InputFile) {
        files.removeAll { $0.name == "tokenizer.model" }
        files.append(CompanionFile(name: "tokenizer.model", content: .part(of: file, offset: 0, byteCount: file.byteCount)))
    }

    /// `IQ== 0`: base64 of the first token, and its rank. SentencePiece's files begin with a byte below 32.
    private static func isRankFile(_ file: InputFile) throws(FileError) -> Bool {
        let head = try file.bytes(atOffset: 0, count: min(file.byteCount, 8))
        return head.first.map { $0 > 0x20 } ?? false && head.allSatisfy { (0x20..<0x7f).contains($0) || $0 == UInt8(ascii: "\n") }
    }

    private mutating func addRanked(_ file: InputFile, isLater: Bool, rowCount: Int) {
        files.removeAll { $0.name == "tokenizer.model" }
        add(
            Made { () throws(FileError) in
                let bytes = try file.allBytes(limit: Self.rankFileByteCountLimit)
                let stored = try RankFile.llama3(bytes, isLater: isLater, path: file.path)
                guard stored.tokens.count == rowCount else {
                    throw FileError(
                        file.path,
                        "has \(stored.tokens.count) tokens with the special ones of Llama 3, but the embedding has \(rowCount) rows",
                        hint: "it is that of another model")
                }
                return try stored.files(path: file.path)
            })
    }

    private mutating func add(_ tokenizer: Made<[TokenizerFile]>) {
        for (number, name) in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"].enumerated() {
            files.removeAll { $0.name == name }
            let bytes = Made { () throws(FileError) in try tokenizer.value()[number].bytes }
            files.append(CompanionFile(name: name, content: .made(bytes)))
        }
    }
}
