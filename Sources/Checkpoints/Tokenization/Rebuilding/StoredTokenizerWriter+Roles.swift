import JSONText

/// What stands around the vocabulary: roles, spaces and the frame of a text; and the other files.
extension StoredTokenizerWriter {
    private var hasSpacePrefix: Bool { stored.addsSpacePrefix ?? true }

    var unknown: String { stored.tokens[stored.roles["unk_token"] ?? 0] }

    private static let mark = String(decoding: Decoding.mark, as: UTF8.self)

    var spaceMarks: JSONValue {
        let spaces: JSONValue = .object([
            "type": .string("Replace"), "pattern": .object(["String": .string(" ")]), "content": .string(Self.mark),
        ])
        let prefix: JSONValue = .object(["type": .string("Prepend"), "prepend": .string(Self.mark)])
        return .object(["type": .string("Sequence"), "normalizers": .array(hasSpacePrefix ? [prefix, spaces] : [spaces])])
    }

    var markDecoder: JSONValue {
        let steps: [JSONValue] = [
            .object(["type": .string("Replace"), "pattern": .object(["String": .string(Self.mark)]), "content": .string(" ")]),
            .object(["type": .string("ByteFallback")]), .object(["type": .string("Fuse")]),
        ]
        let strip: JSONValue = .object(["type": .string("Strip"), "content": .string(" "), "start": .integer(1), "stop": .integer(0)])
        return .object(["type": .string("Sequence"), "decoders": .array(hasSpacePrefix ? steps + [strip] : steps)])
    }

    var addsBeginning: Bool { stored.addsBeginning ?? splitting?.addsBeginning ?? true }

    /// By the role's name; SentencePiece's ids where the file of such a model does not state one. Nil also where the id is one that
    /// only fills the table up: written by its name, it would become another token.
    private func id(ofRole role: String) -> Int? {
        let usual = isSentencePiece ? ["unk_token": 0, "bos_token": 1, "eos_token": 2][role] : nil
        let id = stored.roles[role] ?? usual.flatMap { stored.tokens.indices.contains($0) ? $0 : nil }
        return id.flatMap { isToken($0) ? $0 : nil }
    }

    func frame() -> JSONValue {
        func special(_ id: Int, _ type: Int) -> JSONValue {
            .object(["SpecialToken": .object(["id": .string(stored.tokens[id]), "type_id": .integer(type)])])
        }
        func text(_ name: String, _ type: Int) -> JSONValue {
            .object(["Sequence": .object(["id": .string(name), "type_id": .integer(type)])])
        }
        let before = addsBeginning ? id(ofRole: "bos_token") : nil, after = stored.addsEnd ?? false ? id(ofRole: "eos_token") : nil
        guard before != nil || after != nil else { return .null }
        func framed(_ name: String, _ type: Int) -> [JSONValue] {
            [before, nil, after].enumerated().compactMap { place, id in place == 1 ? text(name, type) : id.map { special($0, type) } }
        }
        var tokens = JSONObject()
        for id in [before, after].compactMap({ $0 }) {
            let token = JSONValue.string(stored.tokens[id])
            tokens[stored.tokens[id]] = .object(["id": token, "ids": .array([.integer(id)]), "tokens": .array([token])])
        }
        return .object([
            "type": .string("TemplateProcessing"), "single": .array(framed("A", 0)), "pair": .array(framed("A", 0) + framed("B", 1)),
            "special_tokens": .object(tokens),
        ])
    }

    // MARK: - Other files

    private static let roleNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    /// The class is the one that takes tokenizer.json as it is: transformers puts another pipeline in its place for most others.
    func configuration() -> [UInt8] {
        var object = JSONObject(["tokenizer_class": .string("PreTrainedTokenizerFast")])
        for role in Self.roleNames { if let id = id(ofRole: role) { object[role] = .string(stored.tokens[id]) } }
        object["add_bos_token"] = .bool(addsBeginning)
        object["add_eos_token"] = .bool(stored.addsEnd ?? false)
        object["clean_up_tokenization_spaces"] = .bool(false)
        if let only = stored.chatTemplates["default"], stored.chatTemplates.count == 1 {
            object["chat_template"] = .string(only)
        } else if !stored.chatTemplates.isEmpty {
            object["chat_template"] = .array(
                stored.chatTemplates.sorted { $0.key < $1.key }.map {
                    .object(["name": .string($0.key), "template": .string($0.value)])
                })
        }
        return Array((JSONValue.object(object).text(.indented) + "\n").utf8)
    }

    /// Which tokens end a text: one, or several.
    func generation() -> [UInt8] {
        var object = JSONObject()
        if let id = id(ofRole: "bos_token") { object["bos_token_id"] = .integer(id) }
        var ends: [Int] = []
        for id in [id(ofRole: "eos_token")].compactMap({ $0 }) + stored.otherEnds where !ends.contains(id) { ends.append(id) }
        if let first = ends.first { object["eos_token_id"] = ends.count == 1 ? .integer(first) : .array(ends.map { .integer($0) }) }
        if let id = id(ofRole: "pad_token") { object["pad_token_id"] = .integer(id) }
        return Array((JSONValue.object(object).text(.indented) + "\n").utf8)
    }
}
