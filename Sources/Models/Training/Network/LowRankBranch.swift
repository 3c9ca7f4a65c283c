import CKernels
import Parallelism
import Transformer

/// LoRA beside a linear layer: y += s * dropout(x) A^T B^T.
///
///     N  rows      r  rank      A [r, in]      B [out, r]      s  scaling
///
///     forward    xd = dropout(x)      u = xd A^T           y += s u B^T
///     backward   dv = s dy B          dB += s dy^T u       dA += dv^T xd       dx += dropout(dv A)
struct LowRankBranch {
    let rank: Int
    let inputCount: Int
    let outputCount: Int
    let scaling: Float
    let a: UnsafeMutablePointer<Float>
    let b: UnsafeMutablePointer<Float>
    let da: UnsafeMutablePointer<Float>
    let db: UnsafeMutablePointer<Float>
    /// Share of input elements that are dropped.
    let dropout: Float
    /// Number of this layer's stream of random numbers.
    let site: Int
    /// Keeps the memory.
    let owner: ParameterSet

    /// Elements of dropout that a worker takes at a time: whole groups of random words.
    private static let tile = 1 << 14

    /// - Parameters:
    ///   - x: [rows, in]
    ///   - u: [rows, r], kept for `backward`
    ///   - y: [rows, out]
    ///   - scratch: [rows, in]; used only with dropout.
    func forward(
        _ x: UnsafePointer<Float>, rows: Int, u: UnsafeMutablePointer<Float>, addingTo y: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, _ context: StepContext
    ) {
        let xd = dropped(x, rows: rows, scratch, context)
        MatrixProduct.multiply(
            .init(xd, stride: inputCount), .init(a, stride: inputCount, .transposed), rows: rows, columns: rank, inner: inputCount,
            into: u, stride: rank, accumulates: false, pool: context.pool)
        MatrixProduct.multiply(
            .init(u, stride: rank), .init(b, stride: rank, .transposed), rows: rows, columns: outputCount, inner: rank,
            scale: scaling, into: y, stride: outputCount, accumulates: true, pool: context.pool)
    }

    /// - Parameters:
    ///   - dy: [rows, out]
    ///   - x, u: of `forward`
    ///   - dx: [rows, in]; nil where nobody wants the gradient of the input.
    ///   - dv: [rows, r], scratch
    ///   - scratch: [rows, in]; used only with dropout.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, u: UnsafePointer<Float>, rows: Int,
        addingTo dx: UnsafeMutablePointer<Float>?, dv: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>,
        _ context: StepContext
    ) {
        MatrixProduct.multiply(
            .init(dy, stride: outputCount), .init(b, stride: rank), rows: rows, columns: rank, inner: outputCount, scale: scaling,
            into: dv, stride: rank, accumulates: false, pool: context.pool)
        MatrixProduct.multiply(
            .init(dy, stride: outputCount, .transposed), .init(u, stride: rank), rows: outputCount, columns: rank, inner: rows,
            scale: scaling, into: db, stride: rank, accumulates: true, pool: context.pool)
        let xd = dropped(x, rows: rows, scratch, context)
        MatrixProduct.multiply(
            .init(dv, stride: rank, .transposed), .init(xd, stride: inputCount), rows: rank, columns: inputCount, inner: rows,
            into: da, stride: inputCount, accumulates: true, pool: context.pool)
        guard let dx else { return }
        let isDirect = dropout == 0
        MatrixProduct.multiply(
            .init(dv, stride: rank), .init(a, stride: inputCount), rows: rows, columns: inputCount, inner: rank,
            into: isDirect ? dx : scratch, stride: inputCount, accumulates: isDirect, pool: context.pool)
        guard !isDirect else { return }
        let stream = context.dropoutStream(site)
        context.pool.forTiles(of: rows * inputCount, size: Self.tile) { range in
            let first = range.lowerBound
            qk_dropout_add_at(qk_simd_best(), stream, threshold, keptScale, scratch + first, first, range.count, dx + first)
        }
    }

    /// x without the elements that this step drops; x itself where none are.
    private func dropped(
        _ x: UnsafePointer<Float>, rows: Int, _ scratch: UnsafeMutablePointer<Float>, _ context: StepContext
    ) -> UnsafePointer<Float> {
        guard dropout > 0, context.isTraining else { return x }
        let stream = context.dropoutStream(site)
        context.pool.forTiles(of: rows * inputCount, size: Self.tile) { range in
            let first = range.lowerBound
            qk_dropout_at(qk_simd_best(), stream, threshold, keptScale, x + first, first, range.count, scratch + first)
        }
        return UnsafePointer(scratch)
    }

    private var threshold: UInt32 { UInt32(Double(dropout) * 0x1p32) }
    private var keptScale: Float { 1 / (1 - dropout) }
}
