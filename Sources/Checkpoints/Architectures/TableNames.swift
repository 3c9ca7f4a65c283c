/// Modules whose weights have a row for each token, and heads of tasks, by the last component of their names.
package enum TableNames {
    private static let embeddings = names(of: .embedding).union(["embed_in", "word_embeddings", "tok_embeddings"])
    private static let heads = names(of: .head).union(["embed_out"])
    private static let taskHeads: Set<Substring> = ["score", "classifier", "qa_outputs"]

    /// What libraries put before the names of a model when it is saved with its output head, and leave out otherwise.
    package static let prefixes = Set(Architecture.all.map(\.spelling.prefix)).sorted(by: >)

    package static func isEmbedding(_ module: String) -> Bool { embeddings.contains(last(module)) }
    /// What turns hidden states into logits.
    package static func isHead(_ module: String) -> Bool { heads.contains(last(module)) }
    package static func isTable(_ module: String) -> Bool { isEmbedding(module) || isHead(module) }
    /// The head's module beside an embedding that is called so.
    package static func head(besideEmbedding module: String) -> String { last(module) == "embed_in" ? "embed_out" : "lm_head" }
    /// What classifies hidden states: no part of a model that writes text.
    package static func isTaskHead(_ module: String) -> Bool { taskHeads.contains(last(module)) }

    private static func names(of role: TensorRole) -> Set<Substring> {
        Set(Architecture.all.map { last($0.spelling.name(of: role)) })
    }

    private static func last(_ module: String) -> Substring {
        module[(module.lastIndex(of: ".").map(module.index(after:)) ?? module.startIndex)...]
    }
}
