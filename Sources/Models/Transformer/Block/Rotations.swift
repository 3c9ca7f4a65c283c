package import Architectures

/// Cosines and sines of some positions, one after another, for each way in which layers of a model rotate.
package struct Rotations {
    private struct Key: Hashable {
        let rotary: RotaryEmbedding
        let headWidth: Int
    }

    private let tables: [Key: FloatBuffer]
    private let positionCount: Int

    /// - Parameter positions: of each row in its sequence.
    package init(of model: ModelDescription, positions: [Int]) {
        var tables: [Key: FloatBuffer] = [:]
        for layer in model.layers {
            guard let rotary = layer.attention.rotary else { continue }
            let key = Key(rotary: rotary, headWidth: layer.attention.headWidth)
            if tables[key] == nil { tables[key] = Self.table(key, positions) }
        }
        self.tables = tables
        positionCount = positions.count
    }

    /// [N, D / 2] each; nil where nothing is rotated.
    func angles(of attention: Attention) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>)? {
        guard let rotary = attention.rotary else { return nil }
        guard let table = tables[Key(rotary: rotary, headWidth: attention.headWidth)] else {
            preconditionFailure("tables are those of the model that has this layer")
        }
        return (UnsafePointer(table.start), UnsafePointer(table.start + positionCount * attention.headWidth / 2))
    }

    private static func table(_ key: Key, _ positions: [Int]) -> FloatBuffer {
        let half = key.headWidth / 2, lowest = positions.min() ?? 0
        let all = key.rotary.tables(positions: lowest..<(positions.max() ?? lowest - 1) + 1, headWidth: key.headWidth)
        let table = FloatBuffer(count: 2 * positions.count * half)
        for (row, position) in positions.enumerated() {
            let from = (position - lowest) * half
            for i in 0..<half {
                table.start[row * half + i] = all.cosines[from + i]
                table.start[(positions.count + row) * half + i] = all.sines[from + i]
            }
        }
        return table
    }
}
