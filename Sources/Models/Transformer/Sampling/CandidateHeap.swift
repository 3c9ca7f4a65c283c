/// Tokens by falling logit, as many as are asked for: a few of 100,000 are had without sorting all.
///
///     heap[0] is the largest; the children of heap[i] are heap[2i + 1] and heap[2i + 2]
///
/// Equal logits come in the order of their tokens, so that the order is defined.
struct CandidateHeap {
    private var tokens: [Int32]
    private let logits: [Float]

    init(_ logits: [Float]) {
        self.logits = logits
        tokens = (0..<logits.count).map { Int32($0) }
        for parent in stride(from: tokens.count / 2 - 1, through: 0, by: -1) { sink(parent) }
    }

    /// Removes the token with the largest logit; nil where none is left.
    mutating func popLargest() -> Int? {
        guard let last = tokens.popLast() else { return nil }
        guard let largest = tokens.first else { return Int(last) }
        tokens[0] = last
        sink(0)
        return Int(largest)
    }

    private func precedes(_ a: Int32, _ b: Int32) -> Bool {
        let (first, second) = (logits[Int(a)], logits[Int(b)])
        return first > second || first == second && a < b
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < tokens.count else { return }
            if child + 1 < tokens.count, precedes(tokens[child + 1], tokens[child]) { child += 1 }
            guard precedes(tokens[child], tokens[parent]) else { return }
            tokens.swapAt(parent, child)
            parent = child
        }
    }
}
