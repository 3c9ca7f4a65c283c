import Adapters
import Architectures
import ByteIO
import Checkpoints
import JSONText
import Merging
import TensorCore

/// What an adapter has to hold so that one model becomes another: which tensors differ, and in which form PEFT keeps each.
///
/// Weights of linear layers and embeddings are kept as factors, cut to a rank. Everything else is kept whole: norms and tables
/// with other rows as modules to save, biases of linear layers as trained biases.
struct ExtractionPlan: Sendable {
    /// A weight that is kept as factors.
    struct Pair: Sendable {
        let module: String
        let base: LogicalTensor
        let tuned: LogicalTensor
        let rank: Int
        let isEmbedding: Bool
        /// The head that is tied to it and gets the same factors, transposed; nil of none.
        let tiedHead: String?
    }

    /// A parameter that is kept whole.
    struct Whole: Sendable {
        let module: String
        /// `weight`, `bias`.
        let parameter: String
        /// The base's, where it has one of this shape.
        let base: LogicalTensor?
        let tuned: LogicalTensor
        /// Of a linear layer that has factors besides.
        var isBesideFactors = false
    }

    private(set) var pairs: [Pair] = []
    private(set) var wholes: [Whole] = []
    /// Of the whole ones, those that PEFT calls modules to save.
    private(set) var modulesToSave: [String] = []
    private(set) var hasBiases = false
    private(set) var ensuresWeightTying = false
    /// Tensors that differ and have no place in an adapter, with the reason.
    private(set) var leftOut: [(name: String, reason: String)] = []

    /// Tensors that stand for each other.
    private struct Candidate {
        let name: String
        let base: LogicalTensor?
        let tuned: LogicalTensor
    }

    private let base: MergeBase
    private let tuned: MergeBase

    /// - Parameter isDifferent: compares the numbers of pairs of tensors of equal shapes.
    init(
        base: MergeBase, tuned: MergeBase, rank: Int,
        areDifferent: ([(base: LogicalTensor, tuned: LogicalTensor)]) throws -> [Bool]
    ) throws {
        self.base = base
        self.tuned = tuned
        let candidates = try Self.candidates(base, tuned)
        let comparable = candidates.compactMap { candidate -> (base: LogicalTensor, tuned: LogicalTensor)? in
            candidate.base.flatMap { $0.shape == candidate.tuned.shape ? ($0, candidate.tuned) : nil }
        }
        var results = try areDifferent(comparable)[...]
        for candidate in candidates {
            if let own = candidate.base, own.shape == candidate.tuned.shape, results.removeFirst() == false { continue }
            add(candidate, rank: rank)
        }
        completeNorms(candidates)
        if pairs.isEmpty, !wholes.isEmpty { addEmptyPair(candidates) }
        let adapted = Set(pairs.map(\.module))
        for index in wholes.indices where wholes[index].parameter == "bias" && adapted.contains(wholes[index].module) {
            wholes[index].isBesideFactors = true
        }
        pairs.sort { $0.module.utf8.lexicographicallyPrecedes($1.module.utf8) }
        modulesToSave.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        leftOut.sort { NaturalOrder.precedes($0.name, $1.name) }
    }

    /// Everything that either model has; heads that are embeddings are one tensor with those.
    private static func candidates(_ base: MergeBase, _ tuned: MergeBase) throws(FileError) -> [Candidate] {
        let (first, second) = (base.checkpoint, tuned.checkpoint)
        let names = Dictionary(second.tensors.map { (ByteKey($0.name), $0) }, uniquingKeysWith: { first, _ in first })
        let (firstTie, secondTie) = (base.description.tie, tuned.description.tie)
        var result: [Candidate] = []
        for (index, tensor) in first.tensors.enumerated() {
            if firstTie?.head == index { continue }
            guard let other = names[ByteKey(tensor.name)] else {
                // A head that has become the embedding.
                if TableNames.isHead(module(of: tensor.name)), let secondTie {
                    result.append(Candidate(name: tensor.name, base: tensor, tuned: second.tensors[secondTie.embedding]))
                    continue
                }
                throw FileError(second.path, "has no '\(tensor.name)', which \(first.path) has", hint: "both must be the same model")
            }
            let isTable = TableNames.isTable(module(of: tensor.name))
            let differsInRows =
                tensor.shape.dimensions.count == 2 && other.shape.dimensions.count == 2
                && tensor.shape.dimensions[1] == other.shape.dimensions[1]
            guard other.shape == tensor.shape || isTable && differsInRows else {
                throw FileError(
                    second.path, at: "tensor '\(tensor.name)'", "has shape \(other.shape), but in \(first.path) \(tensor.shape)",
                    hint: "an adapter changes no shapes but the number of tokens")
            }
            result.append(Candidate(name: tensor.name, base: tensor, tuned: other))
        }
        let known = Set(first.tensors.map { ByteKey($0.name) })
        for (index, tensor) in second.tensors.enumerated() where secondTie?.head != index && !known.contains(ByteKey(tensor.name)) {
            // A head that was the embedding.
            let own = TableNames.isHead(module(of: tensor.name)) ? firstTie.map { first.tensors[$0.embedding] } : nil
            result.append(Candidate(name: tensor.name, base: own, tuned: tensor))
        }
        return result
    }

    private mutating func add(_ candidate: Candidate, rank: Int) {
        let (name, tuned) = (candidate.name, candidate.tuned)
        func leaveOut(_ reason: String) { leftOut.append((name, reason)) }
        guard let own = candidate.base else { return leaveOut("\(base.checkpoint.path) has no such tensor") }
        guard own.scalarType.isQuantizable, tuned.scalarType.isQuantizable else { return leaveOut("it is \(tuned.scalarType.rawValue)") }
        let module = Self.module(of: name)
        guard module != name else { return leaveOut("it is no weight and no bias of a module") }
        let isWeight = name.hasSuffix(".weight")
        let role = isWeight ? LinearLayers.role(of: name, shape: own.shape) : .other
        let isTied = Self.isTied(name, base) && Self.isTied(name, self.tuned)
        let head = isTied ? Self.module(of: base.headName) : nil
        if isTied { ensuresWeightTying = true }
        guard own.shape == tuned.shape, role != .other else {
            let isBias = name.hasSuffix(".bias") && isLinear(module)
            if isBias { hasBiases = true } else { modulesToSave.append(module) }
            wholes.append(
                Whole(module: module, parameter: isWeight ? "weight" : "bias", base: own.shape == tuned.shape ? own : nil, tuned: tuned))
            if let head {
                modulesToSave.append(head)
                wholes.append(Whole(module: head, parameter: "weight", base: nil, tuned: tuned))
            }
            return
        }
        let smaller = own.shape.dimensions.min() ?? 1
        pairs.append(
            Pair(
                module: module, base: own, tuned: tuned, rank: min(rank, smaller), isEmbedding: role == .embedding, tiedHead: head))
    }

    /// PEFT saves a norm as a whole: where its weight or its bias differs, both are there.
    private mutating func completeNorms(_ candidates: [Candidate]) {
        modulesToSave = Array(Set(modulesToSave))
        let saved = Set(wholes.map { "\($0.module).\($0.parameter)" })
        for candidate in candidates where !saved.contains(candidate.name) {
            let module = Self.module(of: candidate.name)
            guard modulesToSave.contains(module), module != candidate.name else { continue }
            let parameter = candidate.name.hasSuffix(".weight") ? "weight" : "bias"
            wholes.append(Whole(module: module, parameter: parameter, base: candidate.base, tuned: candidate.tuned))
        }
    }

    /// PEFT opens no adapter without factors: those of a layer that does not differ are zero.
    private mutating func addEmptyPair(_ candidates: [Candidate]) {
        for candidate in candidates where candidate.name.hasSuffix(".weight") && isLinear(Self.module(of: candidate.name)) {
            guard let own = candidate.base, own.shape == candidate.tuned.shape, !TableNames.isTable(Self.module(of: candidate.name)) else {
                continue
            }
            pairs.append(
                Pair(
                    module: Self.module(of: candidate.name), base: own, tuned: candidate.tuned, rank: 1, isEmbedding: false, tiedHead: nil))
            return
        }
    }

    private func isLinear(_ module: String) -> Bool {
        base.checkpoint.tensors.contains { tensor in
            guard tensor.name == module + ".weight" else { return false }
            let role = LinearLayers.role(of: tensor.name, shape: tensor.shape)
            return role == .linear || role == .head
        }
    }

    /// Whether a tensor is the embedding that its model's head is, too.
    private static func isTied(_ name: String, _ model: MergeBase) -> Bool {
        model.description.tie.map { model.checkpoint.tensors[$0.embedding].name == name } ?? false
    }

    /// Path of the module of a weight or bias; the name itself of any other tensor.
    private static func module(of name: String) -> String {
        for end in [".weight", ".bias"] where name.hasSuffix(end) { return String(name.dropLast(end.count)) }
        return name
    }
}
