import Architectures
import CKernels

/// Cosines and sines of a run of positions.
struct Rotation {
    /// D / 2.
    private let pairCount: Int
    /// [positions, D / 2].
    private let cosines: [Float]
    private let sines: [Float]

    init(_ rotary: RotaryEmbedding, positions: Range<Int>, headWidth: Int) {
        pairCount = headWidth / 2
        (cosines, sines) = rotary.tables(positions: positions, headWidth: headWidth)
    }

    /// Those of a model: layers that rotate alike share one.
    static func tables(of model: ModelDescription, positions: Range<Int>) -> [RotaryEmbedding: Rotation] {
        var tables: [RotaryEmbedding: Rotation] = [:]
        for layer in model.layers {
            guard let rotary = layer.attention.rotary, tables[rotary] == nil else { continue }
            tables[rotary] = Rotation(rotary, positions: positions, headWidth: layer.attention.headWidth)
        }
        return tables
    }

    /// Rotates the heads of one row of queries or keys.
    func apply(row: Int, to heads: UnsafeMutablePointer<Float>, headCount: Int, level: qk_simd) {
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
                qk_rotate_at(level, heads, 1, 0, headCount, pairCount, cosine + row * pairCount, sine + row * pairCount, 1)
            }
        }
    }
}
