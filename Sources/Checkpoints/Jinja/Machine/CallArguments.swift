/// The arguments of a call, and which of them were used.
struct CallArguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    var isEmpty: Bool { positional.isEmpty && keywords.isEmpty }

    /// The arguments in the order of `names`; nil where one was not given. Others are refused.
    func bind(_ names: String..., of callee: String, required: Int = 0) throws(Fault) -> [Value?] {
        guard positional.count <= names.count else {
            throw .value("\(callee) takes at most \(names.count) arguments, but gets \(positional.count)")
        }
        var bound = [Value?](repeating: nil, count: names.count)
        for (index, value) in positional.enumerated() { bound[index] = value }
        for (name, value) in keywords {
            guard let index = names.firstIndex(of: name) else { throw .value("\(callee) has no argument '\(name)'") }
            guard bound[index] == nil else { throw .value("\(callee) gets its argument '\(name)' twice") }
            bound[index] = value
        }
        for index in 0..<required where bound[index] == nil {
            throw .value("\(callee) lacks its argument '\(names[index])'")
        }
        return bound
    }
}
