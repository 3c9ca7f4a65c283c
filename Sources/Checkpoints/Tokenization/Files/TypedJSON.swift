import JSONText

/// A step of tokenizer.json's pipeline: an object with a `type`, alone or in a `Sequence`.
struct TypedJSON {
    let type: String
    let value: JSONValue
    /// Where it stands, for failures: `pre_tokenizer`.
    let place: String

    /// The steps in their order; none for null.
    ///
    /// - Parameter listKey: the member of a `Sequence` that holds its steps.
    static func steps(_ value: JSONValue?, place: String, listKey: String) throws(Malformed) -> [TypedJSON] {
        guard let value, value != .null else { return [] }
        guard let type = value["type"]?.string else { throw Malformed(at: place, "has no text 'type'") }
        guard type == "Sequence" else { return [TypedJSON(type: type, value: value, place: place)] }
        guard let list = value[listKey]?.array else { throw Malformed(at: place, "is a Sequence without an array '\(listKey)'") }
        var steps: [TypedJSON] = []
        for element in list { steps += try Self.steps(element, place: place, listKey: listKey) }
        return steps
    }

    func flag(_ key: String, default absent: Bool) throws(Malformed) -> Bool {
        guard let member = value[key] else { return absent }
        guard let flag = member.bool else { throw Malformed(at: place, "'\(key)' of \(shownType) is neither true nor false") }
        return flag
    }

    func text(_ key: String) throws(Malformed) -> String {
        guard let text = value[key]?.string else { throw Malformed(at: place, "\(shownType) has no text '\(key)'") }
        return text
    }

    /// `"pattern": {"String": ...}`, not empty.
    func plainPattern() throws(Malformed) -> String {
        guard let pattern = value["pattern"]?["String"]?.string, !pattern.isEmpty else {
            throw Malformed(at: place, "\(shownType) has a pattern that is no plain text, which is not read")
        }
        return pattern
    }

    func expression(_ pattern: String) throws(Malformed) -> Expression {
        do { return try ExpressionParser.parse(pattern) } catch { throw refused(pattern, error) }
    }

    func automaton(_ expression: Expression, _ source: String) throws(Malformed) -> ExpressionAutomaton {
        do { return try ExpressionAutomaton(expression, source: source) } catch { throw refused(source, error) }
    }

    private func refused(_ pattern: String, _ refusal: ExpressionParser.Refusal) -> Malformed {
        refused("has the expression '\(JSONError.excerpt(pattern))' with \(refusal.what), which is not read")
    }

    func refused(_ why: String = "is not read") -> Malformed { Malformed(at: place, "\(shownType) \(why)") }

    private var shownType: String { "'\(JSONError.excerpt(type))'" }
}
