/// Modules whose weights have a row for each token, and heads of tasks, by the last component of their names.
package enum TableNames {
    private static let embeddings: Set<Substring> = ["embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings"]
    private static let heads: Set<Substring> = ["lm_head", "embed_out"]
    private static let taskHeads: Set<Substring> = ["score", "classifier", "qa_outputs"]

    package static func isEmbedding(_ module: String) -> Bool { embeddings.contains(last(module)) }
    /// What turns hidden states into logits.
    package static func isHead(_ module: String) -> Bool { heads.contains(last(module)) }
    package static func isTable(_ module: String) -> Bool { isEmbedding(module) || isHead(module) }
    /// What classifies hidden states: no part of a model that writes text.
    package static func isTaskHead(_ module: String) -> Bool { taskHeads.contains(last(module)) }

    private static func last(_ module: String) -> Substring {
        module[(module.lastIndex(of: ".").map(module.index(after:)) ?? module.startIndex)...]
    }
}
