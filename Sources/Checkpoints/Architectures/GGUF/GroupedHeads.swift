/// The order of heads in one matrix for queries, keys and values of groups: Hugging Face's, and that of GGUF files.
///
///     Hugging Face   q0 q1 k0 v0  q2 q3 k1 v1        of each of K groups its queries, its key and its value, D rows each
///     GGUF           q0 q1 q2 q3  k0 k1  v0 v1
package struct GroupedHeads: Sendable, Hashable {
    /// H / K.
    package let queriesPerKey: Int
    /// K.
    package let keyCount: Int
    /// D.
    package let headWidth: Int

    package init(_ attention: Attention) {
        queriesPerKey = attention.headCount / attention.keyValueHeadCount
        keyCount = attention.keyValueHeadCount
        headWidth = attention.headWidth
    }

    /// H + 2 K.
    package var headCount: Int { keyCount * (queriesPerKey + 2) }

    /// The place in a GGUF file of a head by its place in Hugging Face's order.
    package func stored(_ head: Int) -> Int {
        let (group, place) = head.quotientAndRemainder(dividingBy: queriesPerKey + 2)
        if place < queriesPerKey { return group * queriesPerKey + place }
        return keyCount * (place == queriesPerKey ? queriesPerKey : queriesPerKey + 1) + group
    }
}
