import CKernels
import Parallelism
import Transformer

/// y = x W^T + b, with LoRA beside it where it is tuned.
struct TunableLinear {
    let weight: BaseWeight
    let bias: VectorParameter?
    let update: LowRankBranch?
    /// Is shown x and dy on the way back, [rows, in] and [rows, out].
    var observer: ((_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ rows: Int) -> Void)?

    private static let tile = 32
    private static let columnTile = 256

    var inputCount: Int { weight.inputCount }
    var outputCount: Int { weight.outputCount }
    var rank: Int { update?.rank ?? 0 }

    /// - Parameters:
    ///   - x: [rows, in]
    ///   - u: [rows, rank], kept for `backward`
    ///   - y: [rows, out], written or added to.
    func forward(
        _ x: UnsafePointer<Float>, rows: Int, u: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>,
        accumulates: Bool = false, scratch: BlockScratch, _ context: StepContext
    ) {
        weight.multiply(x, rows: rows, into: y, accumulates: accumulates, context)
        if let bias {
            context.pool.forTiles(of: rows, size: Self.tile) { range in
                qk_addToRows_at(qk_simd_best(), bias.values, range.count, outputCount, y + range.lowerBound * outputCount)
            }
        }
        update?.forward(x, rows: rows, u: u, addingTo: y, scratch: scratch.dropped, context)
    }

    /// As `forward`, the same bits for a row whatever others there are.
    func score(
        _ x: UnsafePointer<Float>, rows: Int, u: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>, scratch: BlockScratch,
        _ context: StepContext
    ) {
        weight.score(x, rows: rows, into: y, context)
        if let bias { qk_addToRows_at(qk_simd_best(), bias.values, rows, outputCount, y) }
        update?.forward(x, rows: rows, u: u, addingTo: y, scratch: scratch.dropped, context)
    }

    /// - Parameters:
    ///   - dy: [rows, out]
    ///   - x, u: of `forward`
    ///   - dx: [rows, in], written or added to; nil where nobody wants it.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, u: UnsafePointer<Float>,
        into dx: UnsafeMutablePointer<Float>?, accumulates: Bool, scratch: BlockScratch, _ context: StepContext
    ) {
        observer?(x, dy, rows)
        if let dx { weight.multiplyTransposed(dy, rows: rows, into: dx, accumulates: accumulates, context) }
        weight.addGradient(dy, x: x, rows: rows, context)
        if let dbias = bias?.gradient {
            context.pool.forTiles(of: outputCount, size: Self.columnTile) { range in
                qk_addRows_at(qk_simd_best(), dy + range.lowerBound, rows, outputCount, range.count, dbias + range.lowerBound)
            }
        }
        update?.backward(
            dy, x: x, u: u, rows: rows, addingTo: dx, dv: scratch.rankRows, scratch: scratch.dropped, context)
    }
}
