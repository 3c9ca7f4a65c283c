/// The list `llm_int8_skip_modules`: the modules that transformers leaves dense where it loads a 4-bit folder.
package enum SkippedModules {
    /// The list for a model; nil where what is dense is just what transformers leaves out by itself.
    ///
    /// A list replaces that default. It then names the output embedding too where that is dense, even one that is tied and
    /// therefore not stored.
    ///
    /// - Parameters:
    ///   - tensors: all of the model.
    ///   - stated: a list that is kept where it says the same.
    package static func list(for tensors: [LogicalTensor], _ layers: FourBitLayers, stated: [String]?) -> [String]? {
        var (skipped, quantized): ([String], [String]) = ([], [])
        var isDefault = true
        for tensor in tensors where tensor.name.hasSuffix(".weight") {
            let choice = layers.choice(for: tensor)
            guard choice == .fourBit || choice == .head else { continue }
            let module = String(tensor.name.dropLast(".weight".count))
            let isDense = tensor.quantized == nil
            if isDense { skipped.append(module) } else { quantized.append(module) }
            if isDense != (choice == .head) { isDefault = false }
        }
        if isDefault { return nil }
        let outputEmbedding = "lm_head"
        // Some families store it under another name (`embed_out`) or deeper than it is in memory.
        if !quantized.contains(where: LinearLayers.isOutputEmbedding),
            !skipped.contains(outputEmbedding)
        {
            skipped.append(outputEmbedding)
        }
        let named = Set(quantized.flatMap(names))
        if let stated, skipped.allSatisfy({ matches($0, stated) }), !named.contains(where: { matches($0, stated) }) { return stated }
        return skipped.sorted(by: NaturalOrder.precedes).flatMap { entries(for: $0, sparing: named) }
    }

    /// Entries that hit a module, and none of those to be spared.
    ///
    /// The name alone where that will do; else an expression that is the name from beginning to end, since a name also
    /// hits every module whose path ends like it: `classifier`, `pre_classifier`.
    private static func entries(for module: String, sparing others: Set<String>) -> [String] {
        names(module).map { name in
            others.contains { matches($0, name) } ? "^" + name.split(separator: ".").joined(separator: "\\.") + "$" : name
        }
    }

    /// The paths under which transformers may hold a module in memory: the stored one, and in models of several parts, where the
    /// text model is stored as `language_model.model.layers` but held as `model.language_model.layers`, that one.
    private static func names(_ module: String) -> [String] {
        let stored = "language_model.model."
        guard module.hasPrefix(stored) else { return [module] }
        return [module, "model.language_model." + module.dropFirst(stored.count)]
    }

    package static func matches(_ module: String, _ list: [String]) -> Bool { list.contains { matches(module, $0) } }

    /// Whether an entry of a list hits a module: as its end, or as a regular expression from its beginning up to a dot.
    ///
    /// That is transformers' rule (`should_convert_module`), where the dots of a plain name stand for any character, too.
    package static func matches(_ module: String, _ entry: String) -> Bool {
        if module.hasSuffix(entry) { return true }
        let isName = entry.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || isAlphanumeric(byte)
        }
        return isName ? begins(module, with: entry) : beginsAsExpression(module, entry)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func begins(_ module: String, with entry: String) -> Bool {
        let (path, name) = (Array(module.unicodeScalars), Array(entry.unicodeScalars))
        guard path.count >= name.count, zip(path, name).allSatisfy({ $0 == $1 || $1 == "." }) else { return false }
        return path.count == name.count || path[name.count] == "." || name.count > 0 && path[name.count - 1] == "."
    }

    /// An expression that Swift does not understand hits nothing: the list is then written anew.
    private static func beginsAsExpression(_ module: String, _ entry: String) -> Bool {
        guard let expression = try? Regex("(?:\(entry))(?=\\.|$)") else { return false }
        return module.prefixMatch(of: expression) != nil
    }
}
