import JSONText

/// The name of the steps by which a tokenizer cuts text.
extension StoredSplitting {
    /// One for each way that is known; other names stand for the same.
    private static let writtenNames = [
        "gpt-2", "mpt", "smollm", "command-r", "llama-bpe", "qwen2", "tekken", "gpt-4o", "falcon", "deepseek-coder",
        "deepseek-v3", "bloom",
    ]

    /// The name under which a tokenizer's steps are known, and what it does otherwise than those of that name.
    ///
    /// Cutting has to be the same, step by step. Of several such names the one is taken whose tokenizers agree in the rest, too.
    ///
    /// - Throws: for steps that have no name.
    static func name(of parts: TokenizerParts) throws(Malformed) -> (name: String, remarks: [String]) {
        var found: [(name: String, splitting: StoredSplitting, differences: Int)] = []
        for name in writtenNames {
            guard let known = StoredSplitting(named: name) else { preconditionFailure("names that are written are known") }
            guard known.cuts(as: parts) else { continue }
            let mergesDiffer = known.ignoresMerges != (parts.wholeWords != nil)
            let formsDiffer = try NormalizerJSON.steps(known.normalizer) != parts.normalizations
            found.append((name, known, (mergesDiffer ? 2 : 0) + (formsDiffer ? 1 : 0)))
        }
        guard let best = found.min(by: { $0.differences < $1.differences }) else {
            throw Malformed(
                at: "pre_tokenizer", "cuts text in a way that no known name of GGUF files stands for",
                hint: "these are known: \(writtenNames.joined(separator: ", "))")
        }
        var remarks: [String] = []
        if best.splitting.ignoresMerges != (parts.wholeWords != nil) {
            remarks.append(
                best.splitting.ignoresMerges
                    ? "words that are tokens are merged from their bytes, but '\(best.name)' takes them as they are"
                    : "words that are tokens are taken as they are, but '\(best.name)' merges them from their bytes")
        }
        let habit = try NormalizerJSON.steps(best.splitting.normalizer)
        if parts.normalizations.isEmpty, !habit.isEmpty {
            remarks.append("text stays as it is written, but read as '\(best.name)' here it is brought into \(shown(habit)) first")
        }
        if !parts.normalizations.isEmpty {
            remarks.append(
                "text is brought into \(shown(parts.normalizations)) before it is cut; llama.cpp leaves it as it is, and texts in another "
                    + "form get other ids")
        }
        if parts.prefix != .none { remarks.append("a space is put before text that begins without one; llama.cpp does not do that") }
        return (best.name, remarks)
    }

    /// Whether these are the steps of a tokenizer, however it spells its expressions.
    private func cuts(as parts: TokenizerParts) -> Bool {
        var cutting: [JSONValue] = [], cuttingBytes: [JSONValue] = []
        var mapsBytes = false
        for step in steps {
            if step["type"]?.string != "ByteLevel" || step["use_regex"]?.bool == true {
                if mapsBytes { cuttingBytes.append(step) } else { cutting.append(step) }
            }
            if step["type"]?.string == "ByteLevel" { mapsBytes = true }
        }
        func areSame(_ rules: [SplittingRule], _ steps: [JSONValue]) -> Bool {
            rules.count == steps.count && zip(rules, steps).allSatisfy { Self.isSame($0, $1) }
        }
        return areSame(parts.splitting, cutting) && areSame(parts.byteSplitting, cuttingBytes)
    }

    /// Expressions are parsed, and not made into automata, which takes long for the large ones.
    private static func isSame(_ rule: SplittingRule, _ step: JSONValue) -> Bool {
        let pattern = step["pattern"]?["Regex"]?.string
        guard case .expression(let split) = rule else {
            return rule == (step["type"]?.string == "ByteLevel" ? .gpt2 : pattern.flatMap { SplittingRule.bySpelling[$0] })
        }
        switch step["type"]?.string {
        case "Digits":
            let isEach = step["individual_digits"]?.bool ?? false
            return split.automaton.source == "Digits" && split.behavior == (isEach ? .isolated : .contiguous)
        case "Punctuation": return split.automaton.source == "Punctuation" && split.behavior == .contiguous
        case "Split":
            guard let pattern, split.behavior == .isolated else { return false }
            if split.automaton.source == pattern { return true }
            guard let own = try? ExpressionParser.parse(split.automaton.source) else { return false }
            return own == (try? ExpressionParser.parse(pattern))
        default: return false
        }
    }

    private static func shown(_ normalizations: [Normalization]) -> String {
        normalizations == [.composition] ? "Unicode's form C" : normalizations == [.decomposition] ? "Unicode's form D" : "another form"
    }
}
