import Architectures
package import ByteIO
package import JSONText
import TensorCore

/// A model whose config.json says that head and embedding are one matrix, while both are stored.
///
/// The stored head wins, as in transformers 5: it compares the two, and ties them only where they are equal. (PEFT's
/// `merge_and_unload` wrote such checkpoints for years.)
package struct StoredHead: Sendable, Hashable {
    /// As the checkpoint names them: `lm_head.weight`, `model.embed_tokens.weight`.
    package let head: String
    package let embedding: String
    /// Whether the two hold the same values, so that nothing is lost by taking one for the other.
    package let equalsEmbedding: Bool

    /// What a person should know about it.
    package var warning: String {
        equalsEmbedding
            ? "'\(head)' is stored beside '\(embedding)' with the same values: one matrix, as config.json says"
            : "config.json says that head and embedding are one matrix (tie_word_embeddings), but '\(head)' is stored and differs "
                + "from '\(embedding)': the stored head is used, as transformers 5 does"
    }
}

extension Checkpoint {
    /// Whether config.json says, or leaves it to a default that says, that the head is the embedding.
    package var statesTiedHead: Bool {
        let stated = config?["tie_word_embeddings"]?.bool ?? config?["text_config"]?["tie_word_embeddings"]?.bool
        guard stated == nil, let modelType = architecture.modelType else { return stated ?? false }
        let family = FamilyTensors(modelType: modelType) ?? config?["text_config"].flatMap { FamilyTensors($0) }
        return family?.isTiedByDefault ?? false
    }

    /// The head that is stored although config.json says that it is the embedding; nil where nothing of the kind is.
    ///
    /// Both are read up to the first difference.
    package func storedHeadOfTiedPair() throws(FileError) -> StoredHead? {
        guard statesTiedHead, let pair = tiedPair() else { return nil }
        return StoredHead(
            head: pair.head.name, embedding: pair.embedding.name, equalsEmbedding: try hasSameValues(pair.head, pair.embedding))
    }

    /// config.json as it has to stand beside what is made of these tensors, where that differs from what it is: a head of its own is
    /// stated, and a quantization that was undone is not.
    package func correctedConfig() throws(FileError) -> JSONObject? {
        guard let object = config?.object else { return nil }
        var corrected = hasPackedWeights ? StatedQuantization.removed(from: object) : nil
        if let stored = try storedHeadOfTiedPair(), !stored.equalsEmbedding {
            corrected = corrected ?? object
            corrected?["tie_word_embeddings"] = .bool(false)
        }
        return corrected
    }

    /// The files that travel with the weights, config.json corrected where it has to be.
    package func correctedFiles() throws(FileError) -> [CompanionFile] {
        guard let object = try correctedConfig() else { return files }
        let bytes = Array((JSONValue.object(object).text(.indented) + "\n").utf8)
        return files.map { $0.name == "config.json" ? CompanionFile(name: $0.name, content: .bytes(bytes)) : $0 }
    }

    private func tiedPair() -> (head: LogicalTensor, embedding: LogicalTensor)? {
        func weights(_ isMeant: (String) -> Bool) -> [LogicalTensor] {
            tensors.filter { $0.name.hasSuffix(".weight") && isMeant(String($0.name.dropLast(".weight".count))) }
        }
        let heads = weights(TableNames.isHead), embeddings = weights(TableNames.isEmbedding)
        // Two of a kind (an encoder's and a decoder's) are not told apart here.
        guard heads.count == 1, embeddings.count == 1 else { return nil }
        return (heads[0], embeddings[0])
    }

    private func hasSameValues(_ a: LogicalTensor, _ b: LogicalTensor) throws(FileError) -> Bool {
        guard a.shape == b.shape else { return false }
        switch (a.storage, b.storage) {
        case (.plain(let first), .plain(let second)): return try source.holdsSameValues(first, as: source, second)
        case (.quantized(let first), .quantized(let second)):
            guard first.state == second.state else { return false }
            // The state's own spelling does not matter; codes and constants do.
            for (part, other) in zip(first.parts.dropLast(), second.parts.dropLast()) {
                guard try source.holdsSameValues(part, as: source, other) else { return false }
            }
            return true
        default: return false
        }
    }
}
