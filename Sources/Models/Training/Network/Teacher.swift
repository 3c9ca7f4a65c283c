import Transformer

/// Another model, whose predictions are to be learned instead of what follows in the text.
struct Teacher {
    let head: OutputHead
    /// Outputs of its last block, [N, C].
    let states: UnsafeMutablePointer<Float>
    /// Normed and projected states of the positions that count, and logits of some of them: `head.scratchCount` floats.
    let scratch: UnsafeMutablePointer<Float>

    /// Norms the states of the positions that count, once for all their logits.
    func prepare(_ counted: [Int], _ context: StepContext) { head.project(states, counted, scratch: scratch, context) }

    /// Logits of some of the positions that count, scaled, [rows, V], until the next call.
    func logits(of rows: Range<Int>, outOf count: Int, _ context: StepContext) -> UnsafeMutablePointer<Float> {
        let parts = head.parts(scratch, count: count)
        head.score(parts.projected + rows.lowerBound * head.weight.inputCount, rows: rows.count, into: parts.logits, context)
        return parts.logits
    }
}
