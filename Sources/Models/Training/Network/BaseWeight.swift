import Transformer

/// A matrix of the model: trained as a whole, or frozen in whatever form the model has it.
enum BaseWeight {
    case trained(DenseWeight)
    /// Expanded tile by tile inside of each product.
    case frozen(WeightMatrix)

    var inputCount: Int {
        switch self {
        case .trained(let weight): weight.inputCount
        case .frozen(let weight): weight.inputCount
        }
    }

    var outputCount: Int {
        switch self {
        case .trained(let weight): weight.outputCount
        case .frozen(let weight): weight.outputCount
        }
    }

    /// Of the elements; nil where they are frozen.
    var gradient: UnsafeMutablePointer<Float>? {
        switch self {
        case .trained(let weight): weight.gradient
        case .frozen: nil
        }
    }

    private var matrix: WeightMatrix {
        switch self {
        case .trained(let weight): weight.matrix
        case .frozen(let weight): weight
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

    /// dW += dy^T x, where it is trained.
    func addGradient(_ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, _ context: StepContext) {
        if case .trained(let weight) = self { weight.addGradient(dy, x: x, rows: rows, pool: context.pool) }
    }

    /// One row of an embedding table.
    func readRow(_ row: Int, into destination: UnsafeMutablePointer<Float>) {
        matrix.readRow(row, into: UnsafeMutableBufferPointer(start: destination, count: inputCount))
    }
}
