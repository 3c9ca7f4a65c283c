import Transformer

/// A matrix of the model: trained as a whole, or frozen in whatever form the model has it.
enum BaseWeight {
    case trained(DenseWeight)
    /// Expanded tile by tile inside of each product.
    case frozen(WeightMatrix)
    /// The same with constants of blocks that are trained.
    case scaled(ScaledWeight)

    var inputCount: Int { matrix.inputCount }
    var outputCount: Int { matrix.outputCount }

    /// Of the elements; nil where they are frozen.
    var gradient: UnsafeMutablePointer<Float>? {
        switch self {
        case .trained(let weight): weight.gradient
        case .frozen, .scaled: nil
        }
    }

    private var matrix: WeightMatrix {
        switch self {
        case .trained(let weight): weight.matrix
        case .frozen(let weight): weight
        case .scaled(let weight): weight.matrix
        }
    }

    /// y = x W^T, or y += x W^T, of `rows` rows.
    func multiply(
        _ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>, accumulates: Bool = false, _ context: StepContext
    ) {
        context.engine.multiply(
            UnsafeBufferPointer(start: x, count: rows * inputCount), rowCount: rows, by: matrix,
            adds: accumulates, into: UnsafeMutableBufferPointer(start: y, count: rows * outputCount))
    }

    /// y = x W^T of a weight of few outputs, row by row.
    func score(_ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>, _ context: StepContext) {
        context.engine.score(
            matrix, of: UnsafeBufferPointer(start: x, count: rows * inputCount), rowCount: rows,
            into: UnsafeMutableBufferPointer(start: y, count: rows * outputCount))
    }

    /// dx = dy W, or dx += dy W.
    func multiplyTransposed(
        _ dy: UnsafePointer<Float>, rows: Int, into dx: UnsafeMutablePointer<Float>, accumulates: Bool, _ context: StepContext
    ) {
        context.engine.multiplyTransposed(
            UnsafeBufferPointer(start: dy, count: rows * outputCount), rowCount: rows, by: matrix, adds: accumulates,
            into: UnsafeMutableBufferPointer(start: dx, count: rows * inputCount))
    }

    /// dW += dy^T x, where it is trained, or what that is of constants.
    func addGradient(_ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, _ context: StepContext) {
        switch self {
        case .trained(let weight): weight.addGradient(dy, x: x, rows: rows, pool: context.pool)
        case .scaled(let weight): weight.addGradient(dy, x: x, rows: rows, pool: context.pool)
        case .frozen: break
        }
    }

    /// One row of an embedding table.
    func readRow(_ row: Int, into destination: UnsafeMutablePointer<Float>) {
        matrix.readRow(row, into: UnsafeMutableBufferPointer(start: destination, count: inputCount))
    }
}
