import JSONText

/// The member `post_processor` of tokenizer.json: the special tokens around a text.
enum PostProcessorJSON {
    static func frame(_ value: JSONValue?, _ vocabulary: Vocabulary) throws(Malformed) -> (before: [TokenID], after: [TokenID]) {
        var (before, after): ([TokenID], [TokenID]) = ([], [])
        for step in try TypedJSON.steps(value, place: "post_processor", listKey: "processors") {
            switch step.type {
            // It moves offsets, which ids do not have.
            case "ByteLevel": break
            case "TemplateProcessing":
                let inner = try template(step, vocabulary)
                before = inner.before + before
                after += inner.after
            case "BertProcessing", "RobertaProcessing":
                before = [try id(step, "cls", vocabulary)] + before
                after.append(try id(step, "sep", vocabulary))
            default: throw step.refused()
            }
        }
        return (before, after)
    }

    /// `single`: special tokens, and once the text, which is `A`.
    private static func template(
        _ step: TypedJSON, _ vocabulary: Vocabulary
    ) throws(Malformed) -> (before: [TokenID], after: [TokenID]) {
        guard let pieces = step.value["single"]?.array else { throw step.refused("has no array 'single'") }
        var (before, after): ([TokenID], [TokenID]) = ([], [])
        var textCount = 0
        for piece in pieces {
            if let sequence = piece["Sequence"]?["id"]?.string {
                guard sequence == "A" else { throw step.refused("asks for the text '\(JSONError.excerpt(sequence))' in 'single'") }
                textCount += 1
                continue
            }
            guard let name = piece["SpecialToken"]?["id"]?.string else {
                throw step.refused("has a piece in 'single' that is neither 'Sequence' nor 'SpecialToken'")
            }
            let ids = try ids(of: name, step, vocabulary)
            if textCount == 0 { before += ids } else { after += ids }
        }
        guard textCount == 1 else { throw step.refused("has the text \(textCount) times in 'single', not once") }
        return (before, after)
    }

    /// `"cls": ["<s>", 0]`
    private static func id(_ step: TypedJSON, _ key: String, _ vocabulary: Vocabulary) throws(Malformed) -> TokenID {
        guard let id = step.value[key]?.array?.last?.integer, let known = TokenID(exactly: id), vocabulary.spelling(of: known) != nil else {
            throw step.refused("has no '\(key)' with the id of a token")
        }
        return known
    }

    private static func ids(of name: String, _ step: TypedJSON, _ vocabulary: Vocabulary) throws(Malformed) -> [TokenID] {
        guard let stated = step.value["special_tokens"]?[name]?["ids"]?.array else {
            throw step.refused("does not say what the special token '\(JSONError.excerpt(name))' is")
        }
        var ids: [TokenID] = []
        for value in stated {
            guard let id = value.integer, let known = TokenID(exactly: id), vocabulary.spelling(of: known) != nil else {
                throw step.refused("gives the special token '\(JSONError.excerpt(name))' an id that no token has")
            }
            ids.append(known)
        }
        return ids
    }
}
