import Architectures
package import ByteIO
import JSONText
import TensorCore

/// Several adapters bound to one base: what becomes of each of its parameters, whoever computes it.
///
/// A merge and a run beside the base both go by this, so that what one takes the other takes, and in the same sense.
package struct BoundAdapters: Sendable {
    /// A table with other rows than the base's.
    package struct Table: Sendable {
        /// Index into the adapters.
        package let adapter: Int
        package let tensor: AdapterTensor

        package var rowCount: Int { tensor.dimensions[0] }
    }

    /// What becomes of one parameter: another table takes its place where there is one, and then it is changed.
    package struct Outcome: Sendable {
        package var table: Table?
        package var change: WeightChange?

        package init(table: Table? = nil, change: WeightChange? = nil) {
            self.table = table
            self.change = change
        }

        var isEmpty: Bool { table == nil && change == nil }
    }

    /// A bias of `lora_bias` for a layer that has none in the base.
    package struct AddedBias: Sendable {
        package let module: String
        /// Index of the layer's weight.
        package let parameter: Int
        /// The module is a head that is tied to that embedding.
        package let isTiedHead: Bool
        package var terms: [(adapter: Int, tensor: AdapterTensor, scale: Float)]
    }

    /// A head of a task that the base lacks: kept under its own name, and no part of what the base computes.
    package struct TaskHead: Sendable {
        package let adapter: Int
        /// As the base would name it: `score.weight`.
        package let name: String
        package let tensor: AdapterTensor
    }

    /// Each with its rows where the base has them.
    package let adapters: [WeightedAdapter]
    /// By the index of the base's parameters. Of a tied embedding the head is changed with it, unless there is a `head`.
    package private(set) var outcomes: [Int: Outcome] = [:]
    /// The output head where it ceases to be the embedding; it begins as that was. Nil where it stays tied, or never was.
    package private(set) var untiedHead: Outcome?
    package private(set) var addedBiases: [AddedBias] = []
    package private(set) var taskHeads: [TaskHead] = []
    /// Rows that embedding and head have then, where the base has others.
    package private(set) var vocabularySize: Int?
    package let base: AdapterBase
    /// Changes of tied embeddings that go for the head, too, should another adapter make it one of its own.
    private var shared: [Outcome] = []

    /// - Throws: where an adapter does not fit the base, where two of them cannot both be applied, and where a weight is given
    ///   to what is no multiple of anything.
    package init(_ adapters: [WeightedAdapter], to base: AdapterBase) throws(FileError) {
        self.adapters = try adapters.map { weighted throws(FileError) in
            WeightedAdapter(try weighted.adapter.placed(on: base.model, basePath: base.path), weight: weighted.weight)
        }
        self.base = base
        for number in adapters.indices { try add(number) }
        if untiedHead != nil {
            for outcome in shared { untiedHead = try joined(untiedHead, outcome, name: "the output head") }
        }
        try checkRows()
    }

    // MARK: - One adapter

    private mutating func add(_ number: Int) throws(FileError) {
        let weighted = adapters[number]
        let binding = try AdapterBinding(weighted.adapter, to: base)
        var embedding: TiedPart?
        var head: TiedPart?
        for target in binding.targets {
            let module = weighted.adapter.modules[target.module]
            try addBias(of: module, target, number)
            let outcome = try outcome(of: module, target, number)
            if target.isTiedHead {
                head = TiedPart(module: module, outcome: try joined(head?.outcome, outcome, name: module.parameterName))
            } else if target.parameter == base.tie?.embedding {
                embedding = TiedPart(module: module, outcome: try joined(embedding?.outcome, outcome, name: module.parameterName))
            } else if !outcome.isEmpty {
                outcomes[target.parameter] = try joined(outcomes[target.parameter], outcome, name: module.parameterName)
            }
        }
        for index in binding.taskHeads {
            guard case .replacement(_, let tensor) = weighted.adapter.modules[index].change else { continue }
            let name = weighted.adapter.modules[index].parameterName
            if let other = taskHeads.first(where: { $0.name == name }) { throw conflict(name, adapters[other.adapter], weighted) }
            taskHeads.append(TaskHead(adapter: number, name: name, tensor: tensor))
        }
        try addTied(number, embedding: embedding, head: head)
    }

    /// What a module does to its weight; nothing where that is zero in every element.
    private func outcome(of module: AdapterModule, _ target: AdapterBinding.Target, _ number: Int) throws(FileError) -> Outcome {
        let weighted = adapters[number]
        var outcome = Outcome(table: target.table.map { Table(adapter: number, tensor: $0) })
        func term(_ update: LowRankUpdate, isEmbedding: Bool) -> WeightChange.Term {
            WeightChange.Term(adapter: number, update: update, scale: Float(update.scaling * weighted.weight), isEmbedding: isEmbedding)
        }
        switch module.change {
        case .linear(let update):
            outcome.change = WeightChange(kind: .lowRank([term(update, isEmbedding: false)]))
            if let magnitude = update.magnitude {
                try requireWholeWeight(weighted, "a DoRA adapter of '\(module.name)'")
                outcome.change = WeightChange(kind: .rescaled(term(update, isEmbedding: false), magnitude: magnitude))
            }
        case .embedding(let update): outcome.change = WeightChange(kind: .lowRank([term(update, isEmbedding: true)]))
        case .replacement(_, let tensor):
            try requireWholeWeight(weighted, "'\(module.parameterName)', which it replaces as a whole,")
            if outcome.table == nil { outcome.change = WeightChange(kind: .replaced(adapter: number, tensor)) }
        case .experts: preconditionFailure("an adapter is placed before it is bound")
        case .rows(let tensor, let indices):
            try requireWholeWeight(weighted, "'\(module.parameterName)', of which it replaces rows,")
            outcome.change = WeightChange(kind: .rows(adapter: number, tensor, indices: indices))
        }
        if outcome.table != nil { try requireWholeWeight(weighted, "'\(module.parameterName)', which it replaces as a whole,") }
        if let change = outcome.change, try change.isZero(in: adapters) { outcome.change = nil }
        return outcome
    }

    private mutating func addBias(of module: AdapterModule, _ target: AdapterBinding.Target, _ number: Int) throws(FileError) {
        guard let update = module.update, let bias = update.bias else { return }
        let term = (adapter: number, tensor: bias, scale: Float(update.scaling * adapters[number].weight))
        let change = WeightChange(kind: .bias([term]))
        if try change.isZero(in: adapters) { return }
        if let index = target.bias {
            outcomes[index] = try joined(outcomes[index], Outcome(change: change), name: base.parameters[index].name)
        } else if let index = addedBiases.firstIndex(where: { $0.parameter == target.parameter && $0.isTiedHead == target.isTiedHead }) {
            addedBiases[index].terms.append(term)
        } else {
            let name = target.isTiedHead ? module.name : base.module(ofParameter: target.parameter)
            addedBiases.append(AddedBias(module: name, parameter: target.parameter, isTiedHead: target.isTiedHead, terms: [term]))
        }
    }

    // MARK: - Tied embeddings

    private struct TiedPart {
        let module: AdapterModule
        let outcome: Outcome
    }

    /// What one adapter does to an embedding and to the head that is tied to it.
    ///
    /// PEFT changes both where it trains rows of tokens, where `ensure_weight_tying` asks for it and where the base was resized,
    /// and then the two are equal in the file, or only one of them is there. Anything else tears them apart: so do rows of the head
    /// alone, and an `ensure_weight_tying` that PEFT does not follow.
    private mutating func addTied(_ number: Int, embedding: TiedPart?, head: TiedPart?) throws(FileError) {
        guard let tie = base.tie, embedding?.outcome.isEmpty == false || head?.outcome.isEmpty == false else { return }
        let adapter = adapters[number].adapter
        let ensuresTying = adapter.configuration.ensuresWeightTying
        var own: Outcome?
        var staysTied = false
        // What was never trained changes nothing; but where both are to be one, it is no reason to pass over the other.
        func part(_ part: TiedPart?) -> TiedPart? { part?.outcome.isEmpty == true && !ensuresTying ? nil : part }
        switch (part(embedding), part(head)) {
        case (nil, nil): return
        case (let part?, nil):
            if case .rows = part.module.change { staysTied = true }
            staysTied = staysTied || adapter.configuration.tiesTables || part.module.isBaseParameter
            // Factors of the embedding alone do not reach the head, but a base that was resized had it resized, too.
            let isResized = part.module.update?.baseCopy != nil
            own = staysTied ? nil : Outcome(table: isResized ? part.outcome.table : nil)
        case (nil, let part?):
            staysTied = adapter.configuration.tiesTables
            own = staysTied ? nil : part.outcome
        case (let first?, let second?):
            staysTied = try Self.isEqual(first, second, in: adapter)
            let haveSameRows = Self.rowIndices(first) != nil && Self.rowIndices(first) == Self.rowIndices(second)
            guard staysTied || !ensuresTying && !haveSameRows else {
                throw FileError(
                    adapter.path,
                    "'\(JSONError.excerpt(first.module.name))' and '\(JSONError.excerpt(second.module.name))' are tied in \(base.path) and in "
                        + "the training, but differ in the adapter",
                    hint: "which of the two was trained last cannot be told; save the adapter again with PEFT \(Self.knownVersion) or later"
                )
            }
            own = staysTied ? nil : second.outcome
        }
        let name = base.parameters[tie.embedding].name
        if let outcome = embedding?.outcome ?? (staysTied ? head?.outcome : nil), !outcome.isEmpty {
            outcomes[tie.embedding] = try joined(outcomes[tie.embedding], outcome, name: name)
            if staysTied { shared.append(outcome) }
        }
        guard let own else { return }
        untiedHead = untiedHead == nil ? own : try joined(untiedHead, own, name: "the output head")
    }

    /// Saves both parts of a tied pair alike.
    private static let knownVersion = "0.18"

    private static func rowIndices(_ part: TiedPart) -> [Int]? {
        if case .rows(_, let indices) = part.module.change { indices } else { nil }
    }

    /// Whether two modules of an adapter do the same to the one table that both are in the base.
    private static func isEqual(_ embedding: TiedPart, _ head: TiedPart, in adapter: Adapter) throws(FileError) -> Bool {
        switch (embedding.module.change, head.module.change) {
        case (.replacement(_, let first), .replacement(_, let second)): return try adapter.isEqual(first, second)
        case (.rows(let first, let indices), .rows(let second, let others)):
            guard indices == others, try haveEqualTables(embedding, head, in: adapter) else { return false }
            return try adapter.isEqual(first, second)
        case (.embedding(let first), .linear(let second)):
            // [dim, vocabulary] in the one, [vocabulary, dim] in the other.
            guard second.magnitude == nil, second.bias == nil, first.scaling == second.scaling,
                try haveEqualTables(embedding, head, in: adapter), try adapter.isTransposed(first.a, second.b)
            else { return false }
            return try adapter.isTransposed(first.b, second.a)
        default: return false
        }
    }

    /// Whether both begin with the base's table, or with one and the same of the adapter's.
    private static func haveEqualTables(_ embedding: TiedPart, _ head: TiedPart, in adapter: Adapter) throws(FileError) -> Bool {
        switch (embedding.outcome.table, head.outcome.table) {
        case (nil, nil): true
        case (let first?, let second?): try adapter.isEqual(first.tensor, second.tensor)
        default: false
        }
    }

    // MARK: - Checks

    /// Embedding and head have a row for each token, both.
    private mutating func checkRows() throws(FileError) {
        let tables = (Array(outcomes.values) + [untiedHead].compactMap { $0 }).compactMap(\.table)
        guard let first = tables.first else { return }
        let path = adapters[first.adapter].adapter.path
        var rows: [(name: String, count: Int)] = []
        for (index, parameter) in base.parameters.enumerated() where parameter.name.hasSuffix(".weight") {
            guard TableNames.isTable(base.module(ofParameter: index)), index != base.tie?.head else { continue }
            rows.append((parameter.name, outcomes[index]?.table?.rowCount ?? parameter.shape.dimensions[0]))
        }
        if let untiedHead, let tie = base.tie {
            rows.append(("the output head", untiedHead.table?.rowCount ?? base.parameters[tie.embedding].shape.dimensions[0]))
        }
        if let other = rows.first(where: { $0.count != rows[0].count }) {
            throw FileError(
                path,
                "would make \(rows[0].count) rows of '\(JSONError.excerpt(rows[0].name))', but \(other.count) of "
                    + (other.name.contains(".") ? "'\(JSONError.excerpt(other.name))'" : other.name),
                hint: "both need one for each token; resize the base, save it, and use the adapter with that")
        }
        vocabularySize = rows.first?.count
    }

    private func joined(_ first: Outcome?, _ second: Outcome, name: String) throws(FileError) -> Outcome {
        guard let first, !first.isEmpty else { return second }
        guard second.table == nil || first.table == nil && first.change == nil else { throw conflict(name, first, second) }
        var result = first
        result.table = first.table ?? second.table
        guard let change = second.change else { return result }
        guard let earlier = first.change else {
            // A table of another adapter: what was trained for the base's is not meant for it.
            if let table = first.table, change.adapters.contains(where: { $0 != table.adapter }) { throw conflict(name, first, second) }
            result.change = change
            return result
        }
        guard let sum = earlier.adding(change) else { throw conflict(name, first, second) }
        result.change = sum
        return result
    }

    private func conflict(_ name: String, _ first: Outcome, _ second: Outcome) -> FileError {
        func owner(_ outcome: Outcome) -> WeightedAdapter? {
            (outcome.table?.adapter ?? outcome.change?.adapters.last).map { adapters[$0] }
        }
        func word(_ outcome: Outcome) -> String { outcome.table != nil ? "replaced" : outcome.change?.word ?? "nothing" }
        return conflict(name, owner(first), owner(second) ?? adapters[0], " (\(word(first)))", " (\(word(second)))")
    }

    private func conflict(
        _ name: String, _ first: WeightedAdapter?, _ second: WeightedAdapter, _ word: String = "", _ other: String = ""
    ) -> FileError {
        FileError(
            second.adapter.path,
            "changes '\(JSONError.excerpt(name))'\(other), and so does \(first?.adapter.path ?? "another")\(word): the two cannot be added up",
            hint: "use one of them at a time, or merge one after the other")
    }

    private func requireWholeWeight(_ weighted: WeightedAdapter, _ what: String) throws(FileError) {
        guard weighted.weight != 1 else { return }
        throw FileError(
            weighted.adapter.path, "\(what) cannot be weighted by \(Float(weighted.weight))",
            hint: "only what adapters add can; leave the weight away")
    }
}
