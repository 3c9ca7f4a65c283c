import ByteIO
import CKernels
import Parallelism
package import Transformer

/// A 4-bit weight whose codes stay, while the constants of its blocks are trained, each as a factor of what it was.
///
///     S  constant of a block      s = S (1 + z)      z  what is trained, 0 at first
///
///     dW = dy^T x                 dz = S times the sum over the elements of the block of dW value(code)
///
/// dW is made and used up a few rows at a time.
package final class ScaledWeight {
    /// With s for constants.
    package let matrix: WeightMatrix
    package let blockSize: Int
    package let blockCount: Int
    /// z and its gradient.
    private let factors: UnsafePointer<Float>
    private let gradient: UnsafeMutablePointer<Float>
    private let original: FloatMemory
    private let current: FloatMemory
    /// Where rows of dW are made: the same for all weights, one after another.
    private let tile: GradientTile
    /// Keeps the memory of z.
    private let owner: ParameterSet

    /// - Precondition: `weight` has 4-bit codes, and the slot as many elements as there are blocks.
    init(_ weight: WeightMatrix, _ parameters: ParameterSet, slot: Int, tile: GradientTile) throws(FileError) {
        let constants = weight.constants
        guard let blockSize = weight.blockSize, constants.count == parameters.slots[slot].count else {
            preconditionFailure("\(constants.count) constants, but a slot for \(parameters.slots[slot].count)")
        }
        self.blockSize = blockSize
        blockCount = constants.count
        factors = UnsafePointer(parameters.value(slot))
        gradient = parameters.gradient(slot)
        original = try FloatMemory(count: constants.count)
        current = try FloatMemory(count: constants.count)
        original.pointer.update(from: constants, count: constants.count)
        current.pointer.update(from: constants, count: constants.count)
        matrix = weight.replacingConstants(current.pointer, owner: current)
        self.tile = tile
        owner = parameters
        tile.makeRoom(Self.tileElementCount(outputs: weight.outputCount, inputs: weight.inputCount, blockSize))
    }

    /// Of the factors of a weight's constants.
    package static func slotName(of tensor: String) -> String { tensor + ".absmax.factors" }

    var inputCount: Int { matrix.inputCount }
    var outputCount: Int { matrix.outputCount }

    /// Makes the constants what the factors say now.
    func refresh() {
        for block in 0..<blockCount { current.pointer[block] = original.pointer[block] * (1 + factors[block]) }
    }

    /// What the constants are by the factors, [blockCount].
    package var constants: [Float] { (0..<blockCount).map { original.pointer[$0] * (1 + factors[$0]) } }

    /// What they were, [blockCount].
    package var originalConstants: [Float] { Array(UnsafeBufferPointer(start: original.pointer, count: blockCount)) }

    /// dW is made of about so many elements.
    private static let tileElementCount = 1 << 20
    /// Blocks whose sums a worker takes at a time.
    private static let blocksAtOnce = 256

    /// Rows of dW that are whole blocks together.
    private static func rowsAtOnce(outputs: Int, inputs: Int, _ blockSize: Int) -> Int {
        var (a, b) = (inputs, blockSize)
        while b > 0 { (a, b) = (b, a % b) }
        let unit = blockSize / a
        return min(outputs, max(unit, tileElementCount / inputs / unit * unit))
    }

    /// Elements of dW that are made at a time.
    package static func tileElementCount(outputs: Int, inputs: Int, _ blockSize: Int) -> Int {
        rowsAtOnce(outputs: outputs, inputs: inputs, blockSize) * inputs
    }

    /// Adds to the gradient of the factors.
    ///
    /// - Parameters:
    ///   - dy: [rows, out]
    ///   - x: [rows, in]
    func addGradient(_ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, pool: WorkerPool) {
        let step = Self.rowsAtOnce(outputs: outputCount, inputs: inputCount, blockSize), dw = tile.pointer
        for first in stride(from: 0, to: outputCount, by: step) {
            let count = min(step, outputCount - first)
            MatrixProduct.multiply(
                .init(dy + first, stride: outputCount, .transposed), .init(x, stride: inputCount), rows: count, columns: inputCount,
                inner: rows, into: dw, stride: inputCount, accumulates: false, pool: pool)
            addSums(of: dw, first: first * inputCount, count: count * inputCount, pool: pool)
        }
    }

    private func addSums(of dw: UnsafePointer<Float>, first: Int, count: Int, pool: WorkerPool) {
        let step = Self.blocksAtOnce * blockSize
        pool.forKernels(count: (count + step - 1) / step) { [matrix, original, gradient, blockSize] index, _ in
            let start = index * step, block = (first + start) / blockSize
            withUnsafeBytes(of: matrix.stored.quantMap) { map in
                guard let values = map.bindMemory(to: Float.self).baseAddress else { return }
                qk_scaleGradients(
                    values, matrix.stored.values, first + start, min(step, count - start), blockSize, dw + start,
                    original.pointer + block, gradient + block)
            }
        }
    }
}

/// Memory for some rows of the gradient of a weight, as large as the largest of those who share it needs.
final class GradientTile {
    private var memory: FloatMemory?
    private(set) var elementCount = 0

    /// Called before the memory is used.
    func makeRoom(_ count: Int) { elementCount = max(elementCount, count) }

    /// Takes the memory.
    func prepare() throws(FileError) { memory = try FloatMemory(count: elementCount) }

    var pointer: UnsafeMutablePointer<Float> {
        guard let memory else { preconditionFailure("memory is prepared before it is used") }
        return memory.pointer
    }
}
