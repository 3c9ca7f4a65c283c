import Adapters
import ByteIO
import Checkpoints
import JSONText

/// What adapters do to tensors that hold the matrices of all experts of a layer: the changes of each, put together.
struct MergedExperts: Sendable {
    /// By the indices of the base's tensors.
    let outcomes: [Int: BoundAdapters.Outcome]

    /// - Throws: where an expert is changed by more than low-rank factors, or its tensor as a whole besides.
    init(_ bound: BoundAdapters, _ base: MergeBase) throws(FileError) {
        var outcomes: [Int: BoundAdapters.Outcome] = [:]
        for (tensor, parameters) in base.experts.sorted(by: { $0.key < $1.key }) {
            if let added = bound.addedBiases.first(where: { parameters.contains($0.parameter) }) {
                throw Self.refusal(bound, added.terms.map(\.adapter), base, tensor, added.parameter, "'lora_bias'")
            }
            var changes: [Int: WeightChange] = [:]
            for (number, parameter) in parameters.enumerated() {
                guard let change = bound.outcomes[parameter]?.change else { continue }
                guard case .lowRank = change.kind else {
                    throw Self.refusal(bound, change.adapters, base, tensor, parameter, "more than low-rank factors (\(change.word))")
                }
                changes[number] = change
            }
            guard let first = changes.min(by: { $0.key < $1.key }), let change = WeightChange.ofExperts(changes) else { continue }
            if let whole = bound.outcomes[tensor]?.change {
                throw FileError(
                    Self.path(bound, first.value.adapters),
                    "changes experts of '\(JSONError.excerpt(base.checkpoint.tensors[tensor].name))', and \(Self.path(bound, whole.adapters)) "
                        + "all of it (\(whole.word)): the two cannot be added up",
                    hint: "use one of them at a time, or merge one after the other")
            }
            outcomes[tensor] = BoundAdapters.Outcome(change: change)
        }
        self.outcomes = outcomes
    }

    private static func path(_ bound: BoundAdapters, _ adapters: [Int]) -> String { bound.adapters[adapters[0]].adapter.path }

    private static func refusal(
        _ bound: BoundAdapters, _ adapters: [Int], _ base: MergeBase, _ tensor: Int, _ parameter: Int, _ what: String
    ) -> FileError {
        let name = JSONError.excerpt(base.description.parameters[parameter].name)
        return FileError(
            path(bound, adapters),
            "changes '\(name)' by \(what), but '\(JSONError.excerpt(base.checkpoint.tensors[tensor].name))' of \(base.checkpoint.path), which "
                + "holds it with the other experts of its layer, takes low-rank factors alone",
            hint: "use the adapter beside the base")
    }
}
