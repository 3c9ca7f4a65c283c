import ByteIO
import TensorCore

/// What several adapters do to one parameter of the base, all of them together: the same for a merge and beside the base.
package struct WeightChange: Sendable {
    /// One delta: `scale * (B @ A)`.
    package struct Term: Sendable {
        /// Index into the adapters.
        package let adapter: Int
        package let update: LowRankUpdate
        /// The module's scaling times the adapter's weight, rounded to float32 once as PyTorch does.
        package let scale: Float
        package let isEmbedding: Bool
    }

    /// What is added to the matrix of one expert, in a tensor that has those of all.
    package struct Expert: Sendable {
        package let number: Int
        package let terms: [Term]
    }

    package enum Kind: Sendable {
        /// The deltas are added up, then to the base.
        case lowRank([Term])
        /// The same for some of the matrices of a tensor, in the order of their numbers; each once.
        case experts([Expert])
        /// DoRA: base and delta together, each row of [out, in] brought to the length that the magnitude says.
        case rescaled(Term, magnitude: AdapterTensor)
        /// Scaled biases are added.
        case bias([(adapter: Int, tensor: AdapterTensor, scale: Float)])
        /// The whole tensor is the adapter's.
        case replaced(adapter: Int, AdapterTensor)
        /// Some rows are the adapter's.
        case rows(adapter: Int, AdapterTensor, indices: [Int])
    }

    package let kind: Kind

    /// Indices of the adapters that take part.
    package var adapters: [Int] {
        switch kind {
        case .lowRank(let terms): terms.map(\.adapter)
        case .experts(let experts): experts.flatMap { $0.terms.map(\.adapter) }
        case .rescaled(let term, _): [term.adapter]
        case .bias(let biases): biases.map(\.adapter)
        case .replaced(let adapter, _), .rows(let adapter, _, _): [adapter]
        }
    }

    /// The same tensor, changed by one more module; nil where the two cannot be added up.
    func adding(_ next: WeightChange) -> WeightChange? {
        switch (kind, next.kind) {
        case (.lowRank(let terms), .lowRank(let more)): WeightChange(kind: .lowRank(terms + more))
        case (.bias(let biases), .bias(let more)): WeightChange(kind: .bias(biases + more))
        default: nil
        }
    }

    /// Whether what is to be added is zero in every element, as of an adapter that was never trained: the tensor stays what it
    /// is then, where quantizing it again would change its constants.
    func isZero(in adapters: [WeightedAdapter]) throws(FileError) -> Bool {
        func isZero(_ tensor: AdapterTensor, _ adapter: Int) throws(FileError) -> Bool {
            let adapter = adapters[adapter].adapter
            // Of trained factors a glance at the first elements suffices.
            var first = [Float](repeating: 0, count: min(64, tensor.info.elementCount))
            var span = first.mutableSpan
            try adapter.read(tensor, from: 0, into: &span)
            guard first.allSatisfy({ $0 == 0 }) else { return false }
            return try adapter.values(of: tensor).allSatisfy { $0 == 0 }
        }
        func areZero(_ terms: [Term]) throws(FileError) -> Bool {
            for term in terms where term.scale != 0 {
                if try isZero(term.update.b, term.adapter) { continue }
                guard try isZero(term.update.a, term.adapter) else { return false }
            }
            return true
        }
        switch kind {
        case .lowRank(let terms): return try areZero(terms)
        case .experts(let experts):
            for expert in experts {
                guard try areZero(expert.terms) else { return false }
            }
        case .bias(let biases):
            for bias in biases where bias.scale != 0 {
                guard try isZero(bias.tensor, bias.adapter) else { return false }
            }
        case .rescaled, .replaced, .rows: return false
        }
        return true
    }

    /// The kind in a word or two, for messages and listings.
    package var word: String {
        switch kind {
        case .lowRank(let terms): "LoRA, \(Self.ranks(terms))"
        case .experts(let experts):
            "LoRA of \(experts.count) expert\(experts.count == 1 ? "" : "s"), "
                + Self.ranks(experts.max { $0.terms.count < $1.terms.count }?.terms ?? [])
        case .rescaled(let term, _): "DoRA, rank \(term.update.rank)"
        case .bias: "bias"
        case .replaced: "replaced"
        case .rows(_, _, let indices): "\(indices.count) rows"
        }
    }

    private static func ranks(_ terms: [Term]) -> String { "rank \(terms.map { String($0.update.rank) }.joined(separator: " + "))" }
}

extension WeightChange {
    /// The changes of several matrices of one tensor as one; nil where one of them is more than low-rank factors.
    ///
    /// - Parameter changes: by the numbers of the matrices.
    package static func ofExperts(_ changes: [Int: WeightChange]) -> WeightChange? {
        var experts: [Expert] = []
        for (number, change) in changes.sorted(by: { $0.key < $1.key }) {
            guard case .lowRank(let terms) = change.kind else { return nil }
            experts.append(Expert(number: number, terms: terms))
        }
        return WeightChange(kind: .experts(experts))
    }
}
