import JSONText

/// The member `normalizer` of tokenizer.json.
enum NormalizerJSON {
    static func steps(_ value: JSONValue?) throws(Malformed) -> [Normalization] {
        var steps: [Normalization] = []
        for step in try TypedJSON.steps(value, place: "normalizer", listKey: "normalizers") {
            switch step.type {
            case "NFC": steps.append(.composition)
            case "Prepend": steps.append(.prefix(Array(try step.text("prepend").utf8)))
            case "Replace":
                steps.append(.replacement(of: Array(try step.plainPattern().utf8), with: Array(try step.text("content").utf8)))
            default: throw step.refused()
            }
        }
        return steps
    }
}
