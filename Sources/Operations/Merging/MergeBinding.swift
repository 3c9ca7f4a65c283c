import Adapters
import ByteIO
import Checkpoints
import JSONText
import TensorCore

/// The adapters of a merge, bound to the tensors of their base.
struct MergeBinding: Sendable {
    /// By the index of the base's logical tensors.
    private(set) var changes: [Int: WeightChange] = [:]
    /// An output head that the base does not store, since it is tied to an embedding, and the merged model must.
    struct OwnHead: Sendable {
        let name: String
        /// Index of the embedding that it begins as.
        let embedding: Int
        /// Of an adapter of the head itself; nil where only the embedding changes, and the head stays what it was.
        var change: WeightChange?
    }

    private(set) var ownHead: OwnHead?
    private let adapters: [WeightedAdapter]
    private let base: Checkpoint

    private static let heads = ["lm_head.weight", "embed_out.weight"]
    private static let embeddings = ["embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight"]

    init(_ adapters: [WeightedAdapter], base: Checkpoint) throws {
        self.adapters = adapters
        self.base = base
        let parameters = base.tensors.map { BaseParameter(name: $0.name, shape: $0.shape, isConv1D: $0.isConv1D) }
        let tied = Self.tiedEmbedding(of: base)
        for (number, weighted) in adapters.enumerated() {
            let binding = try AdapterBinding(
                weighted.adapter, to: parameters, basePath: base.path, tiedEmbedding: tied.map { base.tensors[$0].name })
            for target in binding.targets { try add(target, number) }
        }
        changes = try changes.filter { try !$0.value.isZero(in: adapters) }
        if let change = ownHead?.change, try change.isZero(in: adapters) { ownHead = nil }
        guard let tied, ownHead == nil, let change = changes[tied] else { return }
        // Rows are replaced in both: PEFT keeps the head tied then.
        if case .rows = change.kind { return }
        ownHead = OwnHead(name: Self.headName(for: base.tensors[tied].name), embedding: tied, change: nil)
    }

    /// Index of the embedding that the output head shares; nil where the model has a head of its own, or none.
    private static func tiedEmbedding(of base: Checkpoint) -> Int? {
        if base.config?["tie_word_embeddings"]?.bool == false { return nil }
        if base.tensors.contains(where: { tensor in heads.contains { tensor.name == $0 || tensor.name.hasSuffix("." + $0) } }) {
            return nil
        }
        let found = base.tensors.indices.filter { index in
            embeddings.contains { base.tensors[index].name == $0 || base.tensors[index].name.hasSuffix("." + $0) }
        }
        return found.count == 1 ? found[0] : nil
    }

    private static func headName(for embedding: String) -> String { embedding.hasSuffix("embed_in.weight") ? heads[1] : heads[0] }

    private mutating func add(_ target: AdapterBinding.Target, _ number: Int) throws {
        let weighted = adapters[number]
        let module = weighted.adapter.modules[target.module]
        func term(_ update: LowRankUpdate, isEmbedding: Bool) -> WeightChange.Term {
            WeightChange.Term(
                adapter: number, update: update, scale: Float(update.scaling * weighted.weight), isEmbedding: isEmbedding)
        }
        var change: WeightChange
        switch module.change {
        case .linear(let update), .embedding(let update):
            var isEmbedding = false
            if case .embedding = module.change { isEmbedding = true }
            change = WeightChange(kind: .lowRank([term(update, isEmbedding: isEmbedding)]))
            if let magnitude = update.magnitude {
                try requireWholeWeight(weighted, module.name, "DoRA")
                change = WeightChange(kind: .rescaled(term(update, isEmbedding: isEmbedding), magnitude: magnitude))
            }
            if let bias = update.bias, let index = target.bias {
                let scale = Float(update.scaling * weighted.weight)
                try put(WeightChange(kind: .bias([(number, bias, scale)])), at: index)
            }
        case .replacement(_, let tensor):
            try requireWholeWeight(weighted, module.name, "a replaced parameter")
            change = WeightChange(kind: .replaced(adapter: number, tensor))
        case .rows(let tensor, let indices):
            try requireWholeWeight(weighted, module.name, "replaced rows")
            change = WeightChange(kind: .rows(adapter: number, tensor, indices: indices))
        }
        guard target.isTiedHead else { return try put(change, at: target.parameter) }
        let name = Self.headName(for: base.tensors[target.parameter].name)
        var head = ownHead ?? OwnHead(name: name, embedding: target.parameter, change: nil)
        head.change = try joined(head.change, change, name: name)
        ownHead = head
    }

    private mutating func put(_ change: WeightChange, at index: Int) throws {
        changes[index] = try joined(changes[index], change, name: base.tensors[index].name)
    }

    private func joined(_ first: WeightChange?, _ second: WeightChange, name: String) throws -> WeightChange {
        guard let first else { return second }
        if let sum = first.adding(second) { return sum }
        let paths = (first.adapters + second.adapters).map { adapters[$0].adapter.path }
        throw OperationError(
            "'\(JSONError.excerpt(name))' cannot be changed twice at once: \(first.word) of \(paths[0]), and \(second.word) of "
                + "\(paths[paths.count - 1])", hint: "merge one adapter after the other")
    }

    private func requireWholeWeight(_ weighted: WeightedAdapter, _ module: String, _ what: String) throws {
        guard weighted.weight != 1 else { return }
        throw OperationError(
            "\(weighted.adapter.path) is to be merged with weight \(weighted.weight), but '\(JSONError.excerpt(module))' has \(what), "
                + "which is no multiple of anything", hint: "merge it with weight 1")
    }
}
