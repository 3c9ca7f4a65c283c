import CKernels

/// Rows that tokens are looked up in, and what adapters change about them.
package struct EmbeddingTable: Sendable {
    /// Path of the module: `model.embed_tokens`.
    package let name: String
    /// [V, C].
    package var matrix: WeightMatrix
    /// Row `id` gets A[:, id] B^T added; a is [r, V], b is [C, r].
    package var updates: [LowRankFactors] = []
    /// Rows [C] that take the place of stored ones.
    package var replacedRows: [Int: [Float]] = [:]

    package init(name: String, matrix: WeightMatrix) {
        self.name = name
        self.matrix = matrix
    }

    /// Reads row `id` into `row`, of C floats.
    package func read(_ id: Int, into row: UnsafeMutableBufferPointer<Float>) {
        if let replaced = replacedRows[id] {
            _ = row.update(from: replaced)
        } else {
            matrix.readRow(id, into: row)
        }
        for update in updates {
            for output in row.indices {
                for factor in 0..<update.rank {
                    row[output] += update.a[factor * update.inputCount + id] * update.b[output * update.rank + factor]
                }
            }
        }
    }
}
