import Architectures
import Parallelism
import TensorCore
import Transformer

/// A dense f32 matrix that is trained, with its gradient.
struct DenseWeight {
    let values: UnsafePointer<Float>
    let gradient: UnsafeMutablePointer<Float>
    let inputCount: Int
    let outputCount: Int
    let orientation: Orientation
    /// The same elements for products.
    let matrix: WeightMatrix

    /// - Parameter number: of the matrix, in a tensor of several.
    init(_ parameters: ParameterSet, slot: Int, of tensor: ExpectedTensor, number: Int = 0) {
        (outputCount, inputCount) = tensor.sizes
        let count = outputCount * inputCount
        values = UnsafePointer(parameters.value(slot)) + number * count
        gradient = parameters.gradient(slot) + number * count
        orientation = tensor.orientation
        matrix = WeightMatrix(
            dense: UnsafeRawBufferPointer(start: values, count: 4 * count), of: .f32, outputCount: outputCount,
            inputCount: inputCount, orientation: orientation, owner: parameters)
    }

    /// dW += dy^T x, or x^T dy where it lies so.
    func addGradient(_ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, pool: WorkerPool) {
        let left: (pointer: UnsafePointer<Float>, count: Int) = orientation == .outputsByInputs ? (dy, outputCount) : (x, inputCount)
        let right: (pointer: UnsafePointer<Float>, count: Int) = orientation == .outputsByInputs ? (x, inputCount) : (dy, outputCount)
        MatrixProduct.multiply(
            .init(left.pointer, stride: left.count, .transposed), .init(right.pointer, stride: right.count), rows: left.count,
            columns: right.count, inner: rows, into: gradient, stride: right.count, accumulates: true, pool: pool)
    }
}
