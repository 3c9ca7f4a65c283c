package import ByteIO

extension StoredTokenizer {
    /// The order in which roles are written, and the flags `add_bos_token`, `add_eos_token`, `add_sep_token`.
    static let usualRoleOrder = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "mask_token"]
    static let usualFlagOrder = ["bos", "eos", "sep"]

    /// What the metadata of a GGUF file has to state of the tokenizer of a Hugging Face model.
    ///
    /// Read from tokenizer.json, with the scores of a tokenizer.model beside it, if there is one; else from tekken.json; else from
    /// tokenizer.model; else from vocab.json and merges.txt or their older names.
    ///
    /// - Parameters:
    ///   - rowCount: rows of the embedding, for each of which there is to be a token; those that no token needs are filled up.
    ///   - path: of the model, for errors.
    /// - Returns: beside it remarks on texts that llama.cpp will turn into other ids than the tokenizer does.
    /// - Throws: for what such a file cannot say, by name.
    package static func read(
        _ files: [TokenizerFile], rowCount: Int, path: String
    ) throws(FileError) -> (tokenizer: StoredTokenizer, remarks: [String]) {
        let opening = TokenizerOpening(files: files, path: path)
        let (file, source) = try source(opening)
        var reader = StoredTokenizerReader(source, rowCount: rowCount)
        let stored: StoredTokenizer
        do throws(Malformed) { stored = try reader.tokenizer() } catch { throw error.inFile(file, of: path) }
        return (stored, reader.remarks)
    }

    private static func source(
        _ opening: TokenizerOpening
    ) throws(FileError) -> (file: String, source: StoredTokenizerReader.Source) {
        typealias Source = StoredTokenizerReader.Source
        let roles = try opening.readRoles()
        let pieces = opening.file("tokenizer.model")
        if let file = opening.file("tokenizer.json") {
            var source = try opening.reading(file) { bytes throws(Malformed) in
                let json = try TokenizerJSON(bytes)
                return Source(
                    parts: try json.parts(roles), roles: roles, merges: json.merges, unknown: json.unknown,
                    postProcessor: json.postProcessor)
            }
            if let pieces, case .marks = source.parts.decoding {
                do throws(Malformed) { source.pieces = try SentencePieceModel(pieces.bytes) } catch {
                    source.remarks.append(
                        "tokenizer.model is not read (\(error.inFile(pieces.name, of: opening.path).description)): scores are made from the "
                            + "merges of tokenizer.json")
                }
            }
            return (file.name, source)
        }
        if let file = opening.file("tekken.json") {
            let source = try opening.reading(file) { bytes throws(Malformed) in
                let model = try TekkenFile(bytes)
                let roles = model.completed(roles)
                return Source(parts: try model.parts(roles), roles: roles, merges: try model.merges())
            }
            return (file.name, source)
        }
        if let pieces {
            let source = try opening.reading(pieces) { bytes throws(Malformed) in
                let model = try SentencePieceModel(bytes)
                let roles = model.completed(roles)
                return Source(parts: try model.parts(roles), roles: roles, pieces: model)
            }
            return (pieces.name, source)
        }
        for (vocabularyName, mergesName) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
            guard let vocabularyFile = opening.file(vocabularyName), let mergesFile = opening.file(mergesName) else { continue }
            let vocabulary = try opening.reading(vocabularyFile) { bytes throws(Malformed) in try MergesFile.vocabulary(bytes) }
            let table = try opening.reading(mergesFile) { bytes throws(Malformed) in try MergesFile.merges(bytes, vocabulary) }
            var merges: [(left: String, right: String)] = []
            try opening.reading(mergesFile) { bytes throws(Malformed) in
                try MergesFile.forEachMerge(bytes) { left, right throws(Malformed) in merges.append((left, right)) }
            }
            let parts = try opening.reading(vocabularyFile) { _ throws(Malformed) in
                try MergesFile.parts(vocabulary: vocabulary, merges: table, roles)
            }
            return (vocabularyFile.name, Source(parts: parts, roles: roles, merges: merges))
        }
        throw opening.noTokenizer
    }
}
