import JSONText

/// The member `pre_tokenizer` of tokenizer.json: how text is cut, and whether its bytes are then spelled in GPT-2's alphabet.
struct PreTokenizerJSON {
    private(set) var prefix = TextPrefix.none
    private(set) var rules: [SplittingRule] = []
    private(set) var mapsBytes = false
    /// Whether spaces become `▁` before the prefix is put in front.
    private(set) var marksSpaces = false
    /// Whether text is not cut at all.
    var isWhole: Bool { rules.isEmpty }

    init(_ value: JSONValue?) throws(Malformed) {
        let steps = try TypedJSON.steps(value, place: "pre_tokenizer", listKey: "pretokenizers")
        // Real ones have two or three; each is a level of recursion.
        guard steps.count <= 16 else { throw Malformed(at: "pre_tokenizer", "has \(steps.count) steps, but at most 16 are read") }
        for (index, step) in steps.enumerated() {
            guard !mapsBytes else { throw step.refused("comes after 'ByteLevel', which is not read") }
            switch step.type {
            case "ByteLevel": try addByteLevel(step, isFirst: index == 0)
            case "Split": rules.append(try Self.rule(step))
            case "Digits": rules.append(.digits(individually: try step.flag("individual_digits", default: false)))
            case "Metaspace":
                guard steps.count == 1 else { throw step.refused("beside other steps is not read") }
                try addMetaspace(step)
            default: throw step.refused()
            }
        }
        if !rules.isEmpty, !mapsBytes, steps.contains(where: { $0.type != "Metaspace" }) {
            throw Malformed(at: "pre_tokenizer", "cuts text without 'ByteLevel' after it, which is not read")
        }
    }

    private mutating func addByteLevel(_ step: TypedJSON, isFirst: Bool) throws(Malformed) {
        mapsBytes = true
        if try step.flag("add_prefix_space", default: true) {
            guard isFirst else { throw step.refused("with 'add_prefix_space' after other steps is not read") }
            prefix = .always([UInt8(ascii: " ")])
        }
        if try step.flag("use_regex", default: true) { rules.append(.gpt2) }
    }

    private mutating func addMetaspace(_ step: TypedJSON) throws(Malformed) {
        let replacement = try step.text("replacement")
        guard Array(replacement.utf8) == Decoding.mark else {
            throw step.refused("with the replacement '\(JSONError.excerpt(replacement))' is not read; with '\u{2581}' it is")
        }
        let legacy = try step.flag("add_prefix_space", default: true) ? "always" : "never"
        let scheme = step.value["prepend_scheme"]?.string ?? legacy
        switch scheme {
        case "always": prefix = .always(Decoding.mark)
        case "first": prefix = .first(Decoding.mark)
        case "never": prefix = .none
        default: throw step.refused("with the prepend_scheme '\(JSONError.excerpt(scheme))' is not read")
        }
        marksSpaces = true
        if try step.flag("split", default: true) { rules.append(.marks(every: true)) }
    }

    private static func rule(_ step: TypedJSON) throws(Malformed) -> SplittingRule {
        guard let pattern = step.value["pattern"]?["Regex"]?.string else { throw step.refused("without a pattern 'Regex' is not read") }
        guard let rule = SplittingRule.bySpelling[pattern] else {
            throw step.refused(
                "has the expression '\(JSONError.excerpt(pattern))', which is not known; those of GPT-2, Llama 3 and Qwen 2 are")
        }
        let behavior = step.value["behavior"]?.string ?? ""
        guard behavior == "Isolated", try !step.flag("invert", default: false) else {
            throw step.refused("with the behavior '\(JSONError.excerpt(behavior))' is not read; 'Isolated', not inverted, is")
        }
        return rule
    }
}
