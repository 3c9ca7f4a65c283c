import Architectures
import Parallelism
package import Transformer

extension InferenceSession {
    /// Appends all of `tokens` but the last, and hands out losses of those that are wanted, in order: the negative logarithm of
    /// each one's probability after all before it, in nats. It is the one measure of loss, whoever asks.
    ///
    /// - Parameters:
    ///   - isWanted: asked for indices of `tokens` from 1 on.
    ///   - body: is given some indices and losses at a time; a loss is not finite where a logit is not.
    package func losses(
        of tokens: [Int32], isWanted: (Int) -> Bool = { _ in true }, _ body: (_ indices: [Int], _ losses: [Double]) throws -> Void
    ) throws {
        let width = configuration.vocabularySize
        try append(Array(tokens.dropLast()), unread: 1) { first, rows in
            let indices = (first + 1...first + rows.count / width).filter(isWanted)
            // The session's memory, only read until it goes on.
            nonisolated(unsafe) let rows = rows
            let losses = Disjoint<Double>(repeating: 0, count: indices.count)
            engine.pool.forEach(count: indices.count) { number, _ in
                let index = indices[number]
                losses[number] = LogitRow(rows.row(index - 1 - first, width: width)).loss(of: Int(tokens[index]))
            }
            try body(indices, losses.values)
        }
    }
}

extension UnsafeBufferPointer<Float> {
    /// Row `index` of rows of `width` floats.
    func row(_ index: Int, width: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(rebasing: self[index * width..<(index + 1) * width])
    }
}
