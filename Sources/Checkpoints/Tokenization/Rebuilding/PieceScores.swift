/// Scores of pieces that lead to the same merges as a list of merges does.
///
/// A list has the merge of two pieces before all that are less urgent. A program that goes by scores merges the two neighbours whose
/// concatenation is the piece of the best score. Both do the same where
///
/// 1. every way to make a piece of two others is in the list, as a program that goes by scores knows no list and takes each of them;
/// 2. all merges that make the same piece stand together, so that urgency is a matter of the piece.
///
/// Then the piece that is made first in the list has the best score, 0, the next one -1, and so on: whichever two merges of different
/// pieces meet, list and scores choose the same. Merges of one piece differ by their place in the list, but not in score, where the
/// leftmost goes first, as in SentencePiece, from whose models such lists were made. Both conditions are checked.
enum PieceScores {
    /// - Parameters:
    ///   - merges: in their order.
    ///   - parts: of the same file.
    ///   - isPiece: by id, whether a token can be merged: neither added nor for a byte.
    /// - Returns: by id; of tokens that no merge makes, scores below all others.
    static func scores(
        of merges: [(left: String, right: String)], _ parts: TokenizerParts, isPiece: [Bool]
    ) throws(Malformed) -> [Float] {
        var scores = [Float?](repeating: nil, count: isPiece.count)
        var count = 0
        var last: TokenID?
        for (rank, merge) in merges.enumerated() {
            guard let id = parts.vocabulary.id(of: merge.left + merge.right), scores.indices.contains(Int(id)) else { continue }
            defer { last = id }
            guard id != last else { continue }
            guard scores[Int(id)] == nil else {
                throw refusal(
                    at: "merge \(rank)",
                    "of '\(shown(merge.left))' and '\(shown(merge.right))' is less urgent than another one that makes the same, with others between"
                )
            }
            scores[Int(id)] = -Float(count)
            count += 1
        }
        try checkAllMergesAreListed(parts, isPiece)
        for id in scores.indices where scores[id] == nil {
            scores[id] = -Float(count)
            count += 1
        }
        return scores.map { $0 ?? 0 }
    }

    private static func checkAllMergesAreListed(_ parts: TokenizerParts, _ isPiece: [Bool]) throws(Malformed) {
        func piece(_ bytes: [UInt8], _ range: Range<Int>) -> TokenID? {
            parts.vocabulary.id(of: bytes.span, from: range.lowerBound, to: range.upperBound).flatMap { id in
                isPiece.indices.contains(Int(id)) && isPiece[Int(id)] ? id : nil
            }
        }
        var steps = 0
        for id in isPiece.indices where isPiece[id] {
            let bytes = Array(parts.vocabulary.spelling(of: TokenID(id)) ?? [])
            steps += bytes.count * bytes.count
            guard steps <= MergeTable.cuttingLimit else {
                throw Malformed(
                    at: "token \(id)",
                    "has \(bytes.count) bytes, and with those before it takes too long to be cut up: the squares of all lengths may be "
                        + "\(MergeTable.cuttingLimit) together")
            }
            for middle in bytes.indices.dropFirst() where bytes[middle] & 0xc0 != 0x80 {
                guard let left = piece(bytes, 0..<middle), let right = piece(bytes, middle..<bytes.count),
                    parts.merges.entry(left, right) == MergeTable.none
                else { continue }
                throw refusal(
                    at: "merges",
                    "do not have '\(shown(bytes[..<middle]))' and '\(shown(bytes[middle...]))', whose concatenation is a token")
            }
        }
    }

    private static func refusal(at place: String, _ message: String) -> Malformed {
        Malformed(
            at: place, "\(message): a GGUF file has scores instead of merges, and none mean this list",
            hint: "where the model has a tokenizer.model, keep it beside tokenizer.json")
    }

    private static func shown(_ spelling: ArraySlice<UInt8>) -> String { shown(String(decoding: spelling, as: UTF8.self)) }

    private static func shown(_ spelling: String) -> String { spelling.count > 40 ? "\(spelling.prefix(40))..." : spelling }
}
