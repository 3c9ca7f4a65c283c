import JSONText

/// How inputs of a reader are changed, where libFuzzer's own changes of bytes would seldom leave anything that makes sense.
enum Mutation: Sendable {
    /// Some bytes, then texts of JSON with a NUL between them.
    case texts(prefixByteCount: Int)
    /// Some bytes, the header of a safetensors file, a NUL, its data. Tensors keep their data where others come and go.
    case model(prefixByteCount: Int)

    /// Nil where the input does not have this form.
    func apply(to input: [UInt8], seed: UInt64, words: [String]) -> [UInt8]? {
        var mutation = JSONMutation(seed: seed, words: words)
        switch self {
        case .texts(let count):
            var texts = input.dropFirst(count).split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
            guard let place = mutation.pick(Array(texts.indices)), let document = try? JSONValue(parsing: texts[place]) else { return nil }
            var changed = mutation.mutate(document)
            if !mutation.chance(4) { changed = HeaderLayout(changed, data: []).document }
            texts[place] = Array(changed.text(.compact).utf8)
            return Array(input.prefix(count)) + texts.joined(separator: [0])
        case .model(let count):
            var rest = FuzzInput(Array(input.dropFirst(count)))
            guard let document = try? JSONValue(parsing: rest.text()) else { return nil }
            var model = HeaderLayout(document, data: rest.rest())
            if mutation.chance(3) { model.mutateState(&mutation) } else { model.document = mutation.mutate(document) }
            if !mutation.chance(4) { model.arrange() }
            return Array(input.prefix(count)) + Array(model.document.text(.compact).utf8) + [0] + model.data
        }
    }
}
