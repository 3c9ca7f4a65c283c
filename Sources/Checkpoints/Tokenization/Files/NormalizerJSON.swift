import JSONText

/// The member `normalizer` of tokenizer.json.
enum NormalizerJSON {
    static func steps(_ value: JSONValue?) throws(Malformed) -> [Normalization] {
        var steps: [Normalization] = []
        for step in try TypedJSON.steps(value, place: "normalizer", listKey: "normalizers") {
            switch step.type {
            case "NFC": steps.append(.composition)
            case "NFD": steps.append(.decomposition)
            case "NFKC": steps += [.compatibility, .composition]
            case "NFKD": steps += [.compatibility, .decomposition]
            case "Prepend": steps.append(.prefix(Array(try step.text("prepend").utf8)))
            case "Replace":
                let content = Array(try step.text("content").utf8)
                if let pattern = step.value["pattern"]?["Regex"]?.string {
                    steps.append(.replacementOfMatches(try step.automaton(step.expression(pattern), pattern), with: content))
                } else {
                    steps.append(.replacement(of: Array(try step.plainPattern().utf8), with: content))
                }
            default: throw step.refused()
            }
        }
        return steps
    }
}
