/// Numbered layers of a model: what lies under `model.layers.0.`, `model.layers.1.` and so on.
struct LayerStack {
    /// `model.layers`.
    let path: String
    /// Names of tensors without what is before them, by the number of the layer.
    fileprivate(set) var layers: [Int: Set<String>] = [:]

    /// Parts of names under which whole layers are numbered; other numbers count experts, heads or parts of a sequence.
    private static let containers: Set<Substring> = ["layers", "layer", "h", "blocks", "block"]

    /// All stacks of a model, sorted by path.
    static func all(in names: some Sequence<String>) -> [LayerStack] {
        var stacks: [String: LayerStack] = [:]
        for name in names {
            guard let place = place(of: name) else { continue }
            stacks[place.path, default: LayerStack(path: place.path)].layers[place.number, default: []].insert(place.rest)
        }
        return stacks.values.sorted { NaturalOrder.precedes($0.path, $1.path) }
    }

    private static func place(of name: String) -> (path: String, number: Int, rest: String)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard
            let place = parts.indices.dropFirst().dropLast().first(where: { index in
                containers.contains(parts[index - 1]) && isNumber(parts[index])
            }), let number = Int(parts[place]), number < 1 << 16
        else { return nil }
        return (parts[..<place].joined(separator: "."), number, parts[(place + 1)...].joined(separator: "."))
    }

    private static func isNumber(_ part: Substring) -> Bool {
        !part.isEmpty && part.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// The last part of the path: `layers`.
    var container: String { path.split(separator: ".").last.map(String.init) ?? path }

    /// What is before the container, with the dot: `model.`.
    var base: String { String(path.dropLast(container.count)) }

    /// Layers of a transformer, alike but for their kind, and not stages of an image network with layers inside.
    var isTransformer: Bool {
        var hasAttention = false
        for rest in layers.values.joined() {
            let parts = rest.split(separator: ".")
            guard let first = parts.first, !Self.isNumber(first) else { return false }
            for (part, next) in zip(parts, parts.dropFirst()) where Self.containers.contains(part) && Self.isNumber(next) { return false }
            if rest.contains("attn") || rest.contains("attention") || rest.contains("mixer") { hasAttention = true }
        }
        return hasAttention
    }

    func name(_ number: Int, _ rest: String) -> String { "\(path).\(number).\(rest)" }
}
