package import ByteIO
import JSONText
import TensorCore

/// An adapter and the base it is to change: which parameter each of its modules means, every shape compared.
package struct AdapterBinding: Sendable {
    package struct Target: Sendable {
        /// Index into `adapter.modules`.
        package let module: Int
        /// Index into the base's parameters of the one that is changed. Of a tied output head, that of the embedding.
        package let parameter: Int
        /// Index of the bias that `lora_bias` adds to; nil without it.
        package let bias: Int?
        /// The module is the output head of a base that stores none, since it is tied to `parameter`: to merge into it is to
        /// store a head of its own first.
        package let isTiedHead: Bool
    }

    package let adapter: Adapter
    /// In the order of `adapter.modules`.
    package let targets: [Target]

    /// Where the names of one model begin and those of the other do not, as in `TensorMatching` of two models.
    private static let prefixes = ["transformer.", "model."]
    private static let heads = ["lm_head", "embed_out"]
    /// Problems that one message lists.
    private static let listedLimit = 5

    /// - Parameters:
    ///   - basePath: for messages.
    ///   - tiedEmbedding: name of the parameter that the base's output head is tied to; nil where it has a head of its own.
    /// - Throws: one error that lists every module the base lacks and every shape that does not fit.
    package init(_ adapter: Adapter, to base: [BaseParameter], basePath: String, tiedEmbedding: String? = nil) throws(FileError) {
        let names = BaseNames(base, prefixes: Self.prefixes)
        var targets: [Target] = []
        var missing: [String] = []
        var mismatches: [String] = []
        for (index, module) in adapter.modules.enumerated() {
            var parameter = names.index(of: module.parameterName)
            var isTiedHead = false
            if parameter == nil, Self.heads.contains(module.name), let tiedEmbedding, module.parameterName.hasSuffix(".weight") {
                parameter = names.index(of: tiedEmbedding)
                isTiedHead = parameter != nil
            }
            guard let parameter else {
                missing.append(module.parameterName)
                continue
            }
            var bias: Int?
            if module.update?.bias != nil {
                bias = names.index(of: module.name + ".bias")
                if bias == nil { missing.append(module.name + ".bias") }
            }
            if let problem = Self.mismatch(module, base[parameter], bias: bias.map { base[$0] }) { mismatches.append(problem) }
            targets.append(Target(module: index, parameter: parameter, bias: bias, isTiedHead: isTiedHead))
        }
        if targets.isEmpty, let first = missing.first { throw Self.strangerError(adapter, base, basePath, missing: first) }
        guard missing.isEmpty, mismatches.isEmpty else {
            throw Self.error(adapter, basePath, missing: missing, mismatches: mismatches)
        }
        self.adapter = adapter
        self.targets = targets
    }

    /// What is wrong with the shapes; nil where they fit.
    private static func mismatch(_ module: AdapterModule, _ parameter: BaseParameter, bias: BaseParameter?) -> String? {
        let shape = parameter.shape.dimensions
        func message(_ expected: [Int], _ what: String) -> String { "\(parameter.name) is \(shape), but \(what) \(expected)" }
        switch module.change {
        case .linear(let update):
            let expected = [update.outputCount, update.inputCount]
            let turned: [Int] = expected.reversed()
            guard shape == (parameter.isConv1D ? turned : expected) else {
                let isTurned = shape == (parameter.isConv1D ? expected : turned)
                return message(parameter.isConv1D ? turned : expected, "the adapter is of one")
                    + (isTurned ? " (the other way round: the base is of another family than the adapter's)" : "")
            }
            if let bias, bias.shape.dimensions != [update.outputCount] {
                return "\(bias.name) is \(bias.shape), but the adapter adds [\(update.outputCount)] to it"
            }
            return nil
        case .embedding(let update):
            let expected = [update.inputCount, update.outputCount]
            return shape == expected ? nil : message(expected, "the adapter is of one")
        case .replacement(_, let tensor):
            return shape == tensor.dimensions ? nil : message(tensor.dimensions, "the adapter replaces it by")
        case .rows(let tensor, let indices):
            guard shape.count == 2, shape[1] == tensor.dimensions[1] else { return message(tensor.dimensions, "rows for it are") }
            guard let last = indices.max(), last >= shape[0] else { return nil }
            return "\(parameter.name) has \(shape[0]) rows, but the adapter replaces row \(last)"
        }
    }

    // MARK: - Messages

    private static func error(_ adapter: Adapter, _ basePath: String, missing: [String], mismatches: [String]) -> FileError {
        func listed(_ items: [String]) -> String {
            items.prefix(listedLimit).map(JSONError.excerpt).joined(separator: "; ") + (items.count > listedLimit ? "; ..." : "")
        }
        var parts: [String] = []
        if !missing.isEmpty {
            parts.append(
                "\(missing.count) of the parameters it changes \(missing.count == 1 ? "is" : "are") not in the base: \(listed(missing))")
        }
        if !mismatches.isEmpty { parts.append("\(mismatches.count) of another shape: \(listed(mismatches))") }
        return FileError(
            adapter.path, "does not fit \(basePath): \(parts.joined(separator: "; "))",
            hint: adapter.configuration.baseModelName.map { "it was trained on '\(JSONError.excerpt($0))'" })
    }

    /// Nothing fits: the base is of another family.
    private static func strangerError(_ adapter: Adapter, _ base: [BaseParameter], _ basePath: String, missing: String) -> FileError {
        let example = base.first { $0.name.contains(".0.") && $0.name.hasSuffix(".weight") && $0.shape.dimensions.count == 2 } ?? base.first
        let has = example.map { "the base has names like '\(JSONError.excerpt($0.name))'" } ?? "the base is empty"
        return FileError(
            adapter.path, "is of another family than \(basePath): it changes '\(JSONError.excerpt(missing))', but \(has)",
            hint: adapter.configuration.baseModelName.map { "it was trained on '\(JSONError.excerpt($0))'" })
    }
}

/// Names of a base, found also where only one side writes `transformer.` or `model.` in front.
private struct BaseNames {
    private var indices: [ByteKey: Int] = [:]
    private let prefixes: [String]

    init(_ base: [BaseParameter], prefixes: [String]) {
        self.prefixes = prefixes
        indices.reserveCapacity(base.count)
        for (index, parameter) in base.enumerated() { indices[ByteKey(parameter.name)] = index }
    }

    func index(of name: String) -> Int? {
        if let index = indices[ByteKey(name)] { return index }
        var candidates = prefixes.compactMap { indices[ByteKey($0 + name)] }
        for prefix in prefixes where name.utf8.starts(with: prefix.utf8) {
            let bare = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            if let index = indices[ByteKey(bare)] { candidates.append(index) }
        }
        return candidates.count == 1 ? candidates[0] : nil
    }
}
