package import ByteIO
import JSONText

extension Tokenizer {
    /// Reads a tokenizer from a model's files: tokenizer.json; else tekken.json; else tokenizer.model; else vocab.json and
    /// merges.txt, or encoder.json and vocab.bpe.
    ///
    /// Files that say more (tokenizer_config.json and others of `TokenizerFile.names`) are read where they are.
    ///
    /// - Parameter path: of the model, for errors.
    package static func open(_ files: [TokenizerFile], path: String) throws(FileError) -> Tokenizer {
        let opening = TokenizerOpening(files: files, path: path)
        return try opening.open()
    }
}

/// Chooses among the files, and gives every failure its file's name.
struct TokenizerOpening {
    let files: [TokenizerFile]
    let path: String

    func open() throws(FileError) -> Tokenizer {
        let roles = try readRoles()
        if let file = file("tokenizer.json") {
            return try reading(file) { bytes throws(Malformed) in try Tokenizer(TokenizerJSON(bytes).parts(roles), roles: roles) }
        }
        if let file = file("tekken.json") {
            return try reading(file) { bytes throws(Malformed) in
                let model = try TekkenFile(bytes)
                let roles = model.completed(roles)
                return try Tokenizer(model.parts(roles), roles: roles)
            }
        }
        if let file = file("tokenizer.model") {
            return try reading(file) { bytes throws(Malformed) in
                let model = try SentencePieceModel(bytes)
                let roles = model.completed(roles)
                return try Tokenizer(model.parts(roles), roles: roles)
            }
        }
        for (vocabularyName, mergesName) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
            guard let vocabularyFile = file(vocabularyName), let mergesFile = file(mergesName) else { continue }
            let vocabulary = try reading(vocabularyFile) { bytes throws(Malformed) in try MergesFile.vocabulary(bytes) }
            let merges = try reading(mergesFile) { bytes throws(Malformed) in try MergesFile.merges(bytes, vocabulary) }
            return try reading(vocabularyFile) { _ throws(Malformed) in
                try Tokenizer(MergesFile.parts(vocabulary: vocabulary, merges: merges, roles), roles: roles)
            }
        }
        throw noTokenizer
    }

    var noTokenizer: FileError {
        FileError(
            path,
            "has no tokenizer: neither tokenizer.json, nor tekken.json, nor tokenizer.model, nor vocab.json and merges.txt, nor encoder.json "
                + "and vocab.bpe"
        )
    }

    func file(_ name: String) -> TokenizerFile? { files.first { $0.name == name } }

    func reading<Value>(
        _ file: TokenizerFile, _ body: (_ bytes: [UInt8]) throws(Malformed) -> Value
    ) throws(FileError) -> Value {
        do { return try body(file.bytes) } catch { throw error.inFile(file.name, of: path) }
    }

    func readRoles() throws(FileError) -> TokenRoles {
        var templates: [String: String] = [:]
        for file in files {
            guard let name = TokenizerFile.templateName(of: file.name) else { continue }
            guard let text = String(validating: file.bytes, as: UTF8.self) else { throw FileError(path, at: file.name, "is not UTF-8") }
            templates[name] = text
        }
        var documents: [String: JSONValue] = [:]
        for name in TokenRoles.fileNames {
            guard let file = file(name) else { continue }
            documents[name] = try reading(file) { bytes throws(Malformed) in try Self.parse(bytes) }
        }
        do { return try TokenRoles(documents, templates: templates) } catch { throw error.inFile("tokenizer_config.json", of: path) }
    }

    private static func parse(_ bytes: [UInt8]) throws(Malformed) -> JSONValue {
        do { return try JSONValue(parsing: bytes) } catch { throw Malformed(error) }
    }
}
