import Architectures
import Checkpoints
import JSONText

/// Which tensor of one model is which of another, by their names.
struct TensorMatching: Sendable {
    enum Rule: Sendable {
        case exactNames
        /// What has no namesake is matched across a prefix of `TableNames.prefixes` on one side, where only one pair can be meant.
        case optionalPrefixes
    }

    /// Indices into both models' tensors, in the order of the second.
    let pairs: [(first: Int, second: Int)]
    /// Indices of tensors of the first model that the second one lacks, and the other way round.
    let onlyInFirst: [Int]
    let onlyInSecond: [Int]

    init(_ first: [LogicalTensor], _ second: [LogicalTensor], rule: Rule) {
        let positions = Dictionary(first.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { earlier, _ in earlier })
        var partner = second.map { positions[ByteKey($0.name)] }
        var matched = Set(partner.compactMap { $0 })
        if rule == .optionalPrefixes {
            let free = Self.byBareName(first, where: { !matched.contains($0) })
            for (name, indices) in Self.byBareName(second, where: { partner[$0] == nil }) {
                guard let candidates = free[name], candidates.count == 1, indices.count == 1 else { continue }
                let names = (first[candidates[0]].name, second[indices[0]].name)
                // One of the two has no prefix: `transformer.x` is not `model.x`.
                guard [names.0, names.1].contains(where: { ByteKey($0) == name }) else { continue }
                partner[indices[0]] = candidates[0]
                matched.insert(candidates[0])
            }
        }
        pairs = partner.enumerated().compactMap { second, first in first.map { ($0, second) } }
        onlyInFirst = first.indices.filter { !matched.contains($0) }
        onlyInSecond = second.indices.filter { partner[$0] == nil }
    }

    /// The prefix that `longer` has and `shorter` lacks; nil where they do not differ by one.
    static func prefix(of longer: String, over shorter: String) -> String? {
        TableNames.prefixes.first { ByteKey($0 + shorter) == ByteKey(longer) }
    }

    private static func byBareName(_ tensors: [LogicalTensor], where isIncluded: (Int) -> Bool) -> [ByteKey: [Int]] {
        Dictionary(grouping: tensors.indices.filter(isIncluded)) { index in
            let name = tensors[index].name
            let prefix = TableNames.prefixes.first { name.utf8.starts(with: $0.utf8) } ?? ""
            return ByteKey(String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
        }
    }
}
