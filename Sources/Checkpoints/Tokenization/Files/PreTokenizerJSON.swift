import JSONText

/// The member `pre_tokenizer` of tokenizer.json: how text is cut, and whether its bytes are then spelled in GPT-2's alphabet.
struct PreTokenizerJSON {
    private(set) var prefix = TextPrefix.none
    private(set) var rules: [SplittingRule] = []
    /// Rules behind `ByteLevel`, which cut what is spelled in its alphabet.
    private(set) var byteRules: [SplittingRule] = []
    private(set) var mapsBytes = false
    /// Whether spaces become `▁` before the prefix is put in front.
    private(set) var marksSpaces = false
    /// Whether text is cut before every `▁`.
    private(set) var marksWords = false

    init(_ value: JSONValue?) throws(Malformed) {
        let steps = try TypedJSON.steps(value, place: "pre_tokenizer", listKey: "pretokenizers")
        // Real ones have seven at most; each is a level of recursion.
        guard steps.count <= 16 else { throw Malformed(at: "pre_tokenizer", "has \(steps.count) steps, but at most 16 are read") }
        for (index, step) in steps.enumerated() {
            switch step.type {
            case "ByteLevel": try addByteLevel(step, isFirst: index == 0)
            case "Metaspace":
                guard steps.count == 1 else { throw step.refused("beside other steps is not read") }
                try addMetaspace(step)
            default: for rule in try Self.rules(step) { add(rule) }
            }
        }
    }

    private mutating func add(_ rule: SplittingRule) { if mapsBytes { byteRules.append(rule) } else { rules.append(rule) } }

    private mutating func addByteLevel(_ step: TypedJSON, isFirst: Bool) throws(Malformed) {
        guard !mapsBytes else { throw step.refused("for the second time is not read") }
        if try step.flag("add_prefix_space", default: true) {
            guard isFirst else { throw step.refused("with 'add_prefix_space' after other steps is not read") }
            prefix = .always([UInt8(ascii: " ")])
        }
        if try step.flag("use_regex", default: true) { rules.append(.gpt2) }
        mapsBytes = true
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
        marksWords = try step.flag("split", default: true)
        if marksWords { rules.append(.marks(every: true)) }
    }

    // MARK: - Cutting

    private static func rules(_ step: TypedJSON) throws(Malformed) -> [SplittingRule] {
        let punctuation = Expression.scalar(ScalarSet(bounds: CharacterRanges.punctuation))
        switch step.type {
        case "Split": return [try split(step)]
        case "Digits":
            let isEach = try step.flag("individual_digits", default: false)
            let digits = Expression.scalar(ScalarSet(bounds: CharacterRanges.numerals))
            return [try rule(digits, "Digits", isEach ? .isolated : .contiguous, step)]
        case "Punctuation": return [try rule(punctuation, "Punctuation", behavior(step, isInverted: false, absent: "Isolated"), step)]
        case "BertPreTokenizer":
            return [
                try rule(.scalar(.spaces), "WhitespaceSplit", .matchesRemoved, step), try rule(punctuation, "Punctuation", .isolated, step),
            ]
        case "Whitespace":
            let words = ScalarSet(bounds: CharacterRanges.words)
            let others = words.union(.spaces).inverted
            func run(_ set: ScalarSet) -> Expression { .repetition(.scalar(set), least: 1, most: nil, isGreedy: true) }
            return [try rule(.choice([run(words), run(others)]), "Whitespace", .gapsRemoved, step)]
        case "WhitespaceSplit": return [try rule(.scalar(.spaces), "WhitespaceSplit", .matchesRemoved, step)]
        case "CharDelimiterSplit":
            let scalars = try step.text("delimiter").unicodeScalars
            guard let delimiter = scalars.first, scalars.count == 1 else { throw step.refused("has a delimiter that is no character") }
            return [try rule(.scalar(ScalarSet(delimiter)), "CharDelimiterSplit \(delimiter.value)", .matchesRemoved, step)]
        default: throw step.refused()
        }
    }

    private static func split(_ step: TypedJSON) throws(Malformed) -> SplittingRule {
        let behavior = try behavior(step, isInverted: step.flag("invert", default: false), absent: nil)
        if let text = step.value["pattern"]?["String"]?.string, !text.isEmpty {
            return try rule(.sequence(text.unicodeScalars.map { .scalar(ScalarSet($0)) }), "the text \(text)", behavior, step)
        }
        guard let pattern = step.value["pattern"]?["Regex"]?.string else {
            throw step.refused("has neither a pattern 'String' nor 'Regex'")
        }
        if behavior == .isolated, let known = SplittingRule.bySpelling[pattern] { return known }
        return try rule(step.expression(pattern), pattern, behavior, step)
    }

    private static func behavior(
        _ step: TypedJSON, isInverted: Bool, absent: String?
    ) throws(Malformed) -> ExpressionSplit.Behavior {
        switch (step.value["behavior"]?.string ?? absent ?? "", isInverted) {
        case ("Isolated", _): return .isolated
        case ("Contiguous", _): return .contiguous
        case ("Removed", false): return .matchesRemoved
        case ("Removed", true): return .gapsRemoved
        case ("MergedWithPrevious", false), ("MergedWithNext", true): return .mergedWithPrevious
        case ("MergedWithNext", false), ("MergedWithPrevious", true): return .mergedWithNext
        case (let other, _): throw step.refused("with the behavior '\(JSONError.excerpt(other))' is not read")
        }
    }

    private static func rule(
        _ expression: Expression, _ source: String, _ behavior: ExpressionSplit.Behavior, _ step: TypedJSON
    ) throws(Malformed) -> SplittingRule {
        .expression(ExpressionSplit(automaton: try step.automaton(expression, source), behavior: behavior))
    }
}
