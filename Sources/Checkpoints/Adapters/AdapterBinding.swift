import Architectures
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
        /// Index of the bias that `lora_bias` adds to; nil without it, and where the layer has no bias.
        package let bias: Int?
        /// The module is the output head of a base in which that is the embedding, `parameter`: to change it alone is to make it
        /// one of its own first.
        package let isTiedHead: Bool
        /// The adapter's own table, with more or fewer rows than the base's, that the change begins with.
        package let table: AdapterTensor?
    }

    package let adapter: Adapter
    /// In the order of `adapter.modules`.
    package let targets: [Target]
    /// Indices of modules that are heads of a task, which the base lacks: they are no part of what it computes.
    package let taskHeads: [Int]

    /// Problems that one message lists.
    private static let listedLimit = 5

    /// - Parameters:
    ///   - basePath: for messages.
    ///   - tiedEmbedding: name of the parameter that the base's output head is tied to; nil where it has a head of its own.
    /// - Throws: as `init(_:to:)`.
    package init(_ adapter: Adapter, to base: [BaseParameter], basePath: String, tiedEmbedding: String? = nil) throws(FileError) {
        let embedding = tiedEmbedding.flatMap { name in base.firstIndex { $0.name == name } }
        try self.init(
            adapter, to: AdapterBase(path: basePath, parameters: base, tie: embedding.map { AdapterBase.Tie(embedding: $0) }))
    }

    /// - Throws: one error that lists every module the base lacks and every shape that does not fit.
    package init(_ adapter: Adapter, to base: AdapterBase) throws(FileError) {
        let names = BaseNames(base.parameters)
        var targets: [Target] = []
        var taskHeads: [Int] = []
        var missing: [String] = []
        var mismatches: [String] = []
        for (index, module) in adapter.modules.enumerated() {
            guard let (parameter, isTiedHead) = Self.find(module, names, base) else {
                if case .replacement = module.change, adapter.configuration.isOfTask, TableNames.isTaskHead(module.name) {
                    taskHeads.append(index)
                } else {
                    missing.append(module.parameterName)
                }
                continue
            }
            let bias = module.update?.bias == nil || isTiedHead ? nil : names.index(of: module.name + ".bias")
            var table: AdapterTensor?
            switch Self.fit(module, base.parameters[parameter], bias: bias.map { base.parameters[$0] }) {
            case .fits(let own): table = own
            case .mismatch(let problem): mismatches.append(problem)
            }
            targets.append(Target(module: index, parameter: parameter, bias: bias, isTiedHead: isTiedHead, table: table))
        }
        if targets.isEmpty, let first = missing.first { throw Self.strangerError(adapter, base, missing: first) }
        guard missing.isEmpty, mismatches.isEmpty else {
            throw Self.error(adapter, base.path, missing: missing, mismatches: mismatches)
        }
        self.adapter = adapter
        self.targets = targets
        self.taskHeads = taskHeads
    }

    private static func find(_ module: AdapterModule, _ names: BaseNames, _ base: AdapterBase) -> (parameter: Int, isTiedHead: Bool)? {
        let found = names.index(of: module.parameterName)
        guard let tie = base.tie, module.parameterName.hasSuffix(".weight") else { return found.map { ($0, false) } }
        // Whichever of the two the base stores, or both.
        if TableNames.isHead(module.name), found == nil || found == tie.head || found == tie.embedding { return (tie.embedding, true) }
        if TableNames.isEmbedding(module.name), found == nil { return (tie.embedding, false) }
        return found.map { ($0, false) }
    }

    // MARK: - Shapes

    private enum Fit {
        /// With the adapter's own table where that is to take the place of the base's.
        case fits(AdapterTensor?)
        case mismatch(String)
    }

    private static func fit(_ module: AdapterModule, _ parameter: BaseParameter, bias: BaseParameter?) -> Fit {
        let shape = parameter.shape.dimensions
        func mismatch(_ expected: [Int], _ what: String, _ remark: String = "") -> Fit {
            .mismatch("\(parameter.name) is \(shape), but \(what) \(expected)\(remark)")
        }
        let isTable = TableNames.isTable(module.name) && shape.count == 2
        /// Where only the number of rows differs, the table that the adapter brings has what the base lacks.
        func resized(_ expected: [Int], _ table: AdapterTensor?) -> Fit? {
            guard isTable, expected != shape, expected.count == 2, expected[1] == shape[1] else { return nil }
            guard let table else {
                return .mismatch(
                    "\(parameter.name) has \(shape[0]) rows, but the adapter is of one with \(expected[0]), and does not hold the others")
            }
            return .fits(table)
        }
        switch module.change {
        case .linear(let update):
            let plain = [update.outputCount, update.inputCount]
            let expected = parameter.orientation.turned(plain)
            if let fit = resized(plain, update.baseCopy) { return fit }
            guard shape == expected else {
                return mismatch(
                    expected, "the adapter is of one",
                    shape == expected.reversed() ? " (the other way round: the base is of another family than the adapter's)" : "")
            }
            if let bias, bias.shape.dimensions != [update.outputCount] {
                return .mismatch("\(bias.name) is \(bias.shape), but the adapter adds [\(update.outputCount)] to it")
            }
            return .fits(nil)
        case .embedding(let update):
            let expected = [update.inputCount, update.outputCount]
            return resized(expected, update.baseCopy) ?? (shape == expected ? .fits(nil) : mismatch(expected, "the adapter is of one"))
        case .replacement(_, let tensor):
            let expected = tensor.dimensions
            return resized(expected, tensor) ?? (shape == expected ? .fits(nil) : mismatch(expected, "the adapter replaces it by"))
        case .experts: return mismatch([], "the adapter is of all its experts together, ")
        case .rows(let tensor, let indices):
            guard shape.count == 2, shape[1] == tensor.dimensions[1] else { return mismatch(tensor.dimensions, "rows for it are") }
            let table = module.table.flatMap { $0.dimensions == shape ? nil : $0 }
            if let table, !isTable { return mismatch(table.dimensions, "the adapter replaces it by") }
            let rowCount = table?.dimensions[0] ?? shape[0]
            guard let last = indices.max(), last >= rowCount else { return .fits(table) }
            return .mismatch("\(parameter.name) has \(rowCount) rows, but the adapter replaces row \(last)")
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
    private static func strangerError(_ adapter: Adapter, _ base: AdapterBase, missing: String) -> FileError {
        let example =
            base.parameters.first { $0.name.contains(".0.") && $0.name.hasSuffix(".weight") && $0.shape.dimensions.count == 2 }
            ?? base.parameters.first
        let has = example.map { "the base has names like '\(JSONError.excerpt($0.name))'" } ?? "the base is empty"
        return FileError(
            adapter.path, "is of another family than \(base.path): it changes '\(JSONError.excerpt(missing))', but \(has)",
            hint: adapter.configuration.baseModelName.map { "it was trained on '\(JSONError.excerpt($0))'" })
    }
}

/// Names of a base, found also where only one side writes `transformer.` or `model.` in front.
private struct BaseNames {
    private var indices: [ByteKey: Int] = [:]

    init(_ base: [BaseParameter]) {
        indices.reserveCapacity(base.count)
        for (index, parameter) in base.enumerated() { indices[ByteKey(parameter.name)] = index }
    }

    func index(of name: String) -> Int? {
        if let index = indices[ByteKey(name)] { return index }
        var candidates = TableNames.prefixes.compactMap { indices[ByteKey($0 + name)] }
        for prefix in TableNames.prefixes where name.utf8.starts(with: prefix.utf8) {
            let bare = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            if let index = indices[ByteKey(bare)] { candidates.append(index) }
        }
        return candidates.count == 1 ? candidates[0] : nil
    }
}
