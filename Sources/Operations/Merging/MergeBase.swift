package import Adapters
import Architectures
package import ByteIO
package import Checkpoints
import JSONText
import TensorCore

/// A checkpoint as adapters see it.
package struct MergeBase: Sendable {
    package let checkpoint: Checkpoint
    package let description: AdapterBase
    /// Name of the output head of a tied base, which may not store it.
    package let headName: String
    /// Of tensors that hold the matrices of all experts of a layer, by their indices: where these stand among the base's parameters, each as
    /// one of its own behind those that are tensors.
    let experts: [Int: Range<Int>]

    package init(_ checkpoint: Checkpoint) throws(FileError) {
        self.checkpoint = checkpoint
        let tie = try Self.tie(of: checkpoint)
        var parameters = checkpoint.tensors.map { BaseParameter(name: $0.name, shape: $0.shape, orientation: $0.orientation) }
        // Of no known architecture, it takes adapters by their names.
        let model = checkpoint.config.flatMap { try? ModelDescription(config: $0) }
        let expertCounts = Set(model?.layers.compactMap(\.feedForward.mixture?.expertCount) ?? [])
        var experts: [Int: Range<Int>] = [:]
        for (index, tensor) in checkpoint.tensors.enumerated() where tensor.isStack && expertCounts.contains(tensor.shape.dimensions[0]) {
            let first = parameters.count
            parameters += BaseParameter.experts(ofStack: tensor.name, tensor.shape, tensor.orientation)
            experts[index] = first..<parameters.count
        }
        self.experts = experts
        description = AdapterBase(path: checkpoint.path, parameters: parameters, tie: tie, model: model)
        let embedding = tie.map { String(checkpoint.tensors[$0.embedding].name.dropLast(".weight".count)) }
        headName =
            tie?.head.map { checkpoint.tensors[$0].name } ?? TableNames.head(besideEmbedding: embedding ?? "") + ".weight"
    }

    /// The head is the embedding where config.json says so (or does not say) and no other values are stored for it; nil where
    /// the model has a head of its own, or none.
    private static func tie(of base: Checkpoint) throws(FileError) -> AdapterBase.Tie? {
        if base.config?["tie_word_embeddings"]?.bool == false { return nil }
        func indices(_ isMeant: (String) -> Bool) -> [Int] {
            base.tensors.indices.filter { index in
                let name = base.tensors[index].name
                return name.hasSuffix(".weight") && isMeant(String(name.dropLast(".weight".count)))
            }
        }
        let embeddings = indices(TableNames.isEmbedding), heads = indices(TableNames.isHead)
        // Of a pair that is one, some store the head alone.
        if embeddings.isEmpty, heads.count == 1, base.statesTiedHead { return AdapterBase.Tie(embedding: heads[0]) }
        guard embeddings.count == 1, heads.count <= 1 else { return nil }
        guard let head = heads.first else { return AdapterBase.Tie(embedding: embeddings[0]) }
        guard let stored = try base.storedHeadOfTiedPair(), stored.equalsEmbedding else { return nil }
        return AdapterBase.Tie(embedding: embeddings[0], head: head)
    }
}
