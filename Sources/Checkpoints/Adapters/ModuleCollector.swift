import Architectures
import ByteIO
import JSONText
import TensorCore

/// Makes modules of the stored tensors: what each name means, whether the shapes fit each other and the configuration.
///
///     base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
///     |--- prefix ----||---------- module ------------||-- part ---|
struct ModuleCollector {
    /// Stands before every name of the base.
    static let prefix = "base_model.model."

    /// What the end of a name says.
    private enum Part: String, CaseIterable {
        case a = ".lora_A.weight"
        case b = ".lora_B.weight"
        case bias = ".lora_B.bias"
        case embeddingA = ".lora_embedding_A"
        case embeddingB = ".lora_embedding_B"
        case magnitude = ".lora_magnitude_vector"
        case rows = ".token_adapter.trainable_tokens_delta"
        case rowsTable = ".token_adapter.base_layer.weight"
        case baseWeight = ".base_layer.weight"
        case baseBias = ".base_layer.bias"
    }

    private struct Parts {
        var known: [Part: AdapterTensor] = [:]
        /// Whole parameters under their own names, in the order of the file.
        var parameters: [(name: String, tensor: AdapterTensor)] = []
        /// Of modules to save, under the names that they have inside PEFT: trained, and as the base had them.
        var saved: [(name: String, tensor: AdapterTensor)] = []
        var originals: [(name: String, tensor: AdapterTensor)] = []

        func has(_ parts: Part...) -> Bool { parts.contains { known[$0] != nil } }
    }

    private let configuration: AdapterConfiguration
    private let path: String
    private var parts: [ByteKey: Parts] = [:]
    private var unused: [String] = []
    private(set) var modules: [AdapterModule] = []
    private(set) var warnings: [String] = []

    init(_ tensors: [TensorInfo], configuration: AdapterConfiguration, path: String) throws(FileError) {
        self.configuration = configuration
        self.path = path
        guard !tensors.isEmpty else { throw FileError(path, "holds no tensors, so it adapts nothing") }
        for (index, info) in tensors.enumerated() { sort(AdapterTensor(index: index, info: info)) }
        for (name, parts) in parts.sorted(by: { $0.key.text.utf8.lexicographicallyPrecedes($1.key.text.utf8) }) {
            try addModules(named: name.text, parts)
        }
        if !unused.isEmpty, let foreign = ForeignAdapter(tensors) { throw foreign.refusal(path: path, tensors) }
        try checkUnused()
        for module in modules {
            for tensor in module.tensors where !tensor.info.scalarType.isNarrowable {
                throw error(tensor, "is \(tensor.info.scalarType.rawValue), but adapters are F32, F16 or BF16")
            }
        }
        addWarnings()
    }

    // MARK: - Names

    private mutating func sort(_ tensor: AdapterTensor) {
        let name = tensor.info.name
        guard name.utf8.starts(with: Self.prefix.utf8) else { return unused.append(name) }
        let path = String(decoding: name.utf8.dropFirst(Self.prefix.utf8.count), as: UTF8.self)
        for part in Part.allCases where path.utf8.count > part.rawValue.utf8.count {
            let split = path.utf8.count - part.rawValue.utf8.count
            guard path.utf8.dropFirst(split).elementsEqual(part.rawValue.utf8) else { continue }
            let module = ByteKey(String(decoding: path.utf8.prefix(split), as: UTF8.self))
            parts[module, default: Parts()].known[part] = tensor
            return
        }
        let components = path.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // Parts of other kinds of adapters, or with the adapter's name inside, are no parameters of the base.
        if components.contains(where: { $0.starts(with: "lora_".utf8) }) { return unused.append(name) }
        let parameter = components.last.map { String(decoding: $0, as: UTF8.self) } ?? path
        let module = String(decoding: path.utf8.dropLast(parameter.utf8.count).dropLast(), as: UTF8.self)
        for (wrapped, list) in [(".modules_to_save", \Parts.saved), (".original_module", \Parts.originals)] where module.hasSuffix(wrapped)
        {
            parts[ByteKey(String(module.dropLast(wrapped.count))), default: Parts()][keyPath: list].append((parameter, tensor))
            return
        }
        parts[ByteKey(module), default: Parts()].parameters.append((parameter, tensor))
    }

    private mutating func addModules(named name: String, _ parts: Parts) throws(FileError) {
        var known = parts.known
        let isLinear = parts.has(.a, .b), isEmbedding = parts.has(.embeddingA, .embeddingB)
        if isLinear, !isEmbedding, let (module, depth) = experts(name) {
            let (a, b) = try expertFactors(name, &known)
            modules.append(AdapterModule(name: module, change: .experts(ExpertUpdate(a: a, b: b, depth: depth))))
            unused += known.values.map(\.info.name)
            return
        }
        if isLinear, isEmbedding { throw moduleError(name, "has both the parts of a linear layer and those of an embedding") }
        if isLinear {
            modules.append(AdapterModule(name: name, change: .linear(try linear(name, &known))))
        } else if isEmbedding {
            modules.append(AdapterModule(name: name, change: .embedding(try embedding(name, &known))))
        }
        // Trained, or saved with the weight of a head that has one.
        if let bias = known[.baseBias], configuration.bias != .none || parts.has(.baseWeight), isLinear {
            modules.append(AdapterModule(name: name, change: .replacement(parameter: "bias", try vector(bias))))
            known[.baseBias] = nil
        }
        if let rows = known[.rows] {
            modules.append(AdapterModule(name: name, change: try self.rows(name, rows), table: try table(of: rows, known[.rowsTable])))
            known[.rows] = nil
            known[.rowsTable] = nil
        }
        // Under their plain names PEFT reads them again; the others tell the same once more.
        let plain = Set(parts.parameters.map(\.name))
        for (parameter, tensor) in parts.parameters + parts.saved.filter({ !plain.contains($0.name) }) {
            let copies = (parts.saved + parts.originals).filter { $0.name == parameter && $0.tensor != tensor }.map(\.tensor)
            guard let reason = reasonToReplace(name, parameter, isAdapted: isLinear || isEmbedding) else {
                unused += ([tensor] + copies).map(\.info.name)
                continue
            }
            modules.append(
                AdapterModule(
                    name: name, change: .replacement(parameter: parameter, tensor), isBaseParameter: reason == .isTable, copies: copies))
        }
        let all = plain.union(parts.saved.map(\.name))
        unused += parts.originals.filter { !all.contains($0.name) }.map(\.tensor.info.name)
        unused += known.values.map(\.info.name)
    }

    /// The module of experts whose parameter this is, and how many wrappers lie around it; nil of anything else.
    private func experts(_ name: String) -> (module: String, depth: Int)? {
        guard !configuration.targetParameters.isEmpty else { return nil }
        var module = name[...], depth = 0
        while module.hasSuffix(Self.wrapper) {
            module = module.dropLast(Self.wrapper.count)
            depth += 1
        }
        return module.hasSuffix(".experts") ? (String(module), depth) : nil
    }

    private static let wrapper = ".base_layer"

    private func expertFactors(_ name: String, _ parts: inout [Part: AdapterTensor]) throws(FileError) -> (AdapterTensor, AdapterTensor) {
        guard let a = parts.removeValue(forKey: .a), let b = parts.removeValue(forKey: .b) else {
            throw moduleError(name, "has one factor of its experts, but not the other")
        }
        for factor in [a, b] where factor.dimensions.count != 2 || factor.info.elementCount == 0 {
            throw error(factor, "has shape \(factor.info.shape), but only factors of two dimensions, none of them 0, are supported")
        }
        guard a.dimensions[0] == b.dimensions[1] else {
            throw error(b, "has shape \(b.info.shape), but its other factor \(a.info.shape)")
        }
        return (a, b)
    }

    /// Why PEFT puts a whole parameter into the base.
    private enum Reason {
        case isTrained
        /// Embedding or head of a base that was resized.
        case isTable
    }

    /// Nil where PEFT does not put a whole parameter of this name into the base.
    private mutating func reasonToReplace(_ module: String, _ parameter: String, isAdapted: Bool) -> Reason? {
        if parameter == "bias", configuration.bias == .all || configuration.bias == .loraOnly && isAdapted { return .isTrained }
        // PEFT compares with the end of the name, of the module itself or of one that it is part of.
        var owner = module[...]
        while true {
            if configuration.modulesToSave.contains(where: { !$0.isEmpty && owner.utf8.reversed().starts(with: $0.utf8.reversed()) }) {
                return .isTrained
            }
            guard let dot = owner.utf8.lastIndex(of: UInt8(ascii: ".")) else { break }
            owner = owner[..<dot]
        }
        guard !isAdapted else { return nil }
        // PEFT trains the head of a task without being asked; its older versions do not write that down.
        if configuration.isOfTask, TableNames.isTaskHead(module) { return .isTrained }
        guard parameter == "weight", TableNames.isTable(module) else { return nil }
        // What is tied to a module to save is saved with it, and named by no list.
        if configuration.ensuresWeightTying { return .isTrained }
        warnings.append(
            "the whole weight of '\(JSONError.excerpt(module))' is saved although 'modules_to_save' does not name it; it replaces the base's"
        )
        return .isTable
    }

    // MARK: - Parts of a module

    private func linear(_ name: String, _ parts: inout [Part: AdapterTensor]) throws(FileError) -> LowRankUpdate {
        let (a, b) = try factors(name, &parts, .a, .b)
        let bias = parts.removeValue(forKey: .bias), magnitude = parts.removeValue(forKey: .magnitude)
        if (bias != nil) != configuration.hasLoRABias {
            throw moduleError(
                name, bias == nil ? "has no lora_B.bias, but 'lora_bias' is true" : "has a lora_B.bias, but 'lora_bias' is false")
        }
        if (magnitude != nil) != configuration.usesDoRA {
            throw moduleError(
                name,
                magnitude == nil
                    ? "has no lora_magnitude_vector, but 'use_dora' is true" : "has a lora_magnitude_vector, but 'use_dora' is false")
        }
        for vector in [bias, magnitude].compactMap({ $0 }) where vector.dimensions != [b.dimensions[0]] {
            throw error(vector, "has shape \(vector.info.shape), but lora_B has \(b.info.shape), so [\(b.dimensions[0])] is expected")
        }
        let alpha = configuration.alpha(of: name)
        return LowRankUpdate(
            a: a, b: b, alpha: alpha, scaling: configuration.scaling(rank: a.dimensions[0], alpha: alpha), bias: bias, magnitude: magnitude,
            baseCopy: try copy(&parts, shape: [b.dimensions[0], a.dimensions[1]]))
    }

    private func embedding(_ name: String, _ parts: inout [Part: AdapterTensor]) throws(FileError) -> LowRankUpdate {
        if configuration.usesDoRA { throw moduleError(name, "is an embedding with DoRA, which is not supported") }
        let (a, b) = try factors(name, &parts, .embeddingA, .embeddingB)
        let alpha = configuration.alpha(of: name)
        return LowRankUpdate(
            a: a, b: b, alpha: alpha, scaling: configuration.scaling(rank: a.dimensions[0], alpha: alpha), bias: nil, magnitude: nil,
            baseCopy: try copy(&parts, shape: [a.dimensions[1], b.dimensions[0]]))
    }

    private func factors(
        _ name: String, _ parts: inout [Part: AdapterTensor], _ partA: Part, _ partB: Part
    ) throws(FileError) -> (AdapterTensor, AdapterTensor) {
        guard let a = parts.removeValue(forKey: partA), let b = parts.removeValue(forKey: partB) else {
            let (there, missing) = parts[partB] == nil ? (partA, partB) : (partB, partA)
            throw moduleError(name, "has \(there.rawValue.dropFirst()), but no \(missing.rawValue.dropFirst())")
        }
        for factor in [a, b] where factor.dimensions.count != 2 || factor.info.elementCount == 0 {
            throw error(factor, "has shape \(factor.info.shape), but only factors of two dimensions, none of them 0, are supported")
        }
        guard a.dimensions[0] == b.dimensions[1] else {
            throw error(
                b, "has shape \(b.info.shape) and so rank \(b.dimensions[1]), but its other factor has rank \(a.dimensions[0])")
        }
        let rank = configuration.rank(of: name)
        guard a.dimensions[0] == rank else {
            throw error(a, "has rank \(a.dimensions[0]), but the configuration says \(rank)")
        }
        return (a, b)
    }

    private func copy(_ parts: inout [Part: AdapterTensor], shape: [Int]) throws(FileError) -> AdapterTensor? {
        guard let copy = parts.removeValue(forKey: .baseWeight) else { return nil }
        guard copy.dimensions == shape else {
            throw error(copy, "has shape \(copy.info.shape), but the factors are of a weight \(shape)")
        }
        return copy
    }

    private func vector(_ tensor: AdapterTensor) throws(FileError) -> AdapterTensor {
        guard tensor.dimensions.count == 1 else { throw error(tensor, "has shape \(tensor.info.shape), but a bias has one dimension") }
        return tensor
    }

    private func rows(_ name: String, _ tensor: AdapterTensor) throws(FileError) -> AdapterModule.Change {
        let indices: [Int]? =
            switch configuration.tokenIndices {
            case .inputEmbedding(let indices)?: indices
            case .named(let tables)?:
                // A head that is tied to an embedding has the rows of that, and is saved with it where the base was resized.
                (tables.first {
                    name.utf8.elementsEqual($0.module.utf8) || name.utf8.reversed().starts(with: ".\($0.module)".utf8.reversed())
                } ?? tables.first { TableNames.isHead(name) && TableNames.isEmbedding($0.module) })?
                .indices
            case nil: nil
            }
        guard let indices else { throw error(tensor, "holds rows of tokens, but 'trainable_token_indices' does not say of which") }
        guard tensor.dimensions.count == 2, tensor.dimensions[0] == indices.count else {
            throw error(tensor, "has shape \(tensor.info.shape), but 'trainable_token_indices' names \(indices.count) tokens")
        }
        return .rows(tensor, indices: indices)
    }

    /// The base's table beside rows of it.
    private func table(of rows: AdapterTensor, _ table: AdapterTensor?) throws(FileError) -> AdapterTensor? {
        guard let table else { return nil }
        guard table.dimensions.count == 2, table.dimensions[1] == rows.dimensions[1] else {
            throw error(table, "has shape \(table.info.shape), but rows for it have \(rows.dimensions[1]) elements")
        }
        return table
    }

    // MARK: - Messages

    private mutating func addWarnings() {
        let replaced = modules.compactMap { module -> String? in
            if case .replacement(let parameter, _) = module.change { parameter } else { nil }
        }
        if configuration.bias == .loraOnly, !replaced.contains("bias") {
            warnings.append("'bias' is 'lora_only', but no bias is in the file: several versions of PEFT train them and do not save them")
        }
        if !configuration.modulesToSave.isEmpty, !replaced.contains(where: { $0 != "bias" }) {
            let names = configuration.modulesToSave.map { "'\(JSONError.excerpt($0))'" }.joined(separator: ", ")
            warnings.append("'modules_to_save' names \(names), but the file holds no weight of such a module")
        }
    }

    private func checkUnused() throws(FileError) {
        guard !unused.isEmpty else { return }
        let names = unused.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let listed = names.prefix(5).map { "'\(JSONError.excerpt($0))'" }.joined(separator: ", ") + (names.count > 5 ? ", ..." : "")
        throw FileError(
            path, "\(names.count) of its tensors would not be used: \(listed)",
            hint: names.contains { $0.contains("lora_a") || $0.contains("lora_b") }
                ? "names in lower case are those of MLX, which are read without PEFT's prefix and with MLX's configuration"
                : "nothing in the configuration says what they are for")
    }

    private func error(_ tensor: AdapterTensor, _ message: String) -> FileError {
        FileError(path, at: "tensor '\(JSONError.excerpt(tensor.info.name))'", message)
    }

    private func moduleError(_ name: String, _ message: String) -> FileError {
        FileError(path, at: "module '\(JSONError.excerpt(name))'", message)
    }
}
