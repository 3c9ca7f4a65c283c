import CKernels
import Parallelism
package import Quantization
package import Transformer

/// Chooses the 4-bit codes of linear layers by what their inputs are (`formats/calibration.md`).
///
/// A pure function of weight, moments and settings: the same bytes for any number of threads and on every level.
package struct CalibratedQuantizer {
    /// What a .qnf says of it.
    package static let name = "calibrated-nf4 1"
    /// Of a block's absmax, the scales that are tried.
    package static let factors: [Float] = [0.70, 0.74, 0.78, 0.81, 0.84, 0.87, 0.90, 0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.05]
    /// In parts of the mean of h; anything from 0.005 to 0.1 does.
    package static let defaultDamping = 0.02

    package let settings: QuantizationSettings
    package let damping: Double
    package let engine: MatrixEngine

    /// - Precondition: NF4, a positive damping.
    package init(_ settings: QuantizationSettings = .standard, damping: Double = defaultDamping, engine: MatrixEngine) {
        precondition(settings.quantType == .nf4 && damping > 0 && damping.isFinite, "calibrated codes are of NF4, and damped")
        self.settings = settings
        self.damping = damping
        self.engine = engine
    }

    /// What layers that share their inputs need of these.
    package struct Inputs {
        /// h, damped as H is: a block of inputs that are always 0 is as important as any other, a little.
        package let importance: [Double]
        /// One, or one for each chunk of columns where H is cut.
        package let passing: [PassingMatrix]
    }

    /// - Returns: nil where nothing can be learned of the inputs: all are 0.
    package func inputs(_ moments: InputMoments) -> Inputs? {
        guard let passing = PassingMatrix.ofChunks(of: moments, damping: damping, engine: engine) else { return nil }
        let diagonal = moments.diagonal
        let added = damping * (diagonal.reduce(0, +) / Double(diagonal.count))
        return Inputs(importance: diagonal.map { $0 + added }, passing: passing)
    }

    /// - Parameters:
    ///   - weight: [out, in], finite.
    ///   - inputs: of as many columns as the weight has.
    /// - Returns: nil where the constants cannot be quantized.
    package func quantize(_ weight: UnsafeBufferPointer<Float>, _ inputs: Inputs) -> FourBitWeight? {
        let columns = inputs.importance.count
        precondition(!weight.isEmpty && weight.count % columns == 0, "\(weight.count) elements are no rows of \(columns)")
        let absmax = scales(of: weight, inputs.importance)
        guard let restored = FourBitWeight.restored(absmax, settings) else { return nil }
        return FourBitWeight(codes: codes(of: weight, restored, inputs.passing), absmax: absmax, restored: restored)
    }

    /// Blocks that a worker takes at a time.
    private static let blocksAtOnce = 256

    /// Scales of the blocks, chosen each by itself.
    package func scales(of weight: UnsafeBufferPointer<Float>, _ importance: [Double]) -> [Float] {
        let blockSize = settings.blockSize, step = Self.blocksAtOnce * blockSize
        let blockCount = (weight.count + blockSize - 1) / blockSize
        return [Float](unsafeUninitializedCapacity: blockCount) { scales, count in
            count = blockCount
            guard let start = weight.baseAddress, let result = scales.baseAddress else { return }
            importance.withUnsafeBufferPointer { importance in
                engine.pool.forKernels(count: (weight.count + step - 1) / step) { index, _ in
                    let first = index * step
                    qk_searchScales_at(
                        engine.level, start + first, first, min(step, weight.count - first), importance.count, importance.baseAddress,
                        blockSize, Self.factors, Self.factors.count, result + index * Self.blocksAtOnce)
                }
            }
        }
    }

    /// Rows that are coded together: lanes of the kernel.
    private static let rowsAtOnce = SymmetricBlocks.size

    /// Codes by feedback.
    ///
    /// - Parameters:
    ///   - scales: of the blocks, as readers will see them.
    ///   - passing: of all columns, in chunks: what is wrong in one is not paid back in another.
    func codes(of weight: UnsafeBufferPointer<Float>, _ scales: [Float], _ passing: [PassingMatrix]) -> [UInt8] {
        let columns = passing.reduce(0) { $0 + $1.order.count }
        let unpacked = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: weight.count)
        defer { unpacked.deallocate() }
        for chunk in passing { choose(weight, scales, columns: columns, chunk, into: unpacked) }
        return [UInt8](unsafeUninitializedCapacity: (weight.count + 1) / 2) { packed, count in
            qk_packCodes(unpacked.baseAddress, unpacked.count, packed.baseAddress)
            count = (weight.count + 1) / 2
        }
    }

    /// Codes of some columns, one in each byte.
    private func choose(
        _ weight: UnsafeBufferPointer<Float>, _ scales: [Float], columns: Int, _ passing: PassingMatrix,
        into unpacked: UnsafeMutableBufferPointer<UInt8>
    ) {
        let rowCount = weight.count / columns, size = Self.rowsAtOnce
        scales.withUnsafeBufferPointer { scales in
            passing.order.withUnsafeBufferPointer { order in
                var feedback = qk_feedback(
                    weight: weight.baseAddress, columns: columns, scales: scales.baseAddress, blockSize: settings.blockSize,
                    order: order.baseAddress, count: order.count, passing: passing.blocks.block(at: 0),
                    blockRows: passing.blocks.blockRowCount)
                let scratchCount = qk_feedback_scratchCount(&feedback)
                let scratch = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: 8 * scratchCount * engine.pool.threadCount, alignment: 64
                ).bindMemory(to: Double.self)
                defer { scratch.deallocate() }
                engine.pool.forKernels(count: (rowCount + size - 1) / size) { index, worker in
                    let row = index * size
                    qk_feedback_at(
                        engine.level, &feedback, row, min(size, rowCount - row), scratch.baseAddress.map { $0 + worker * scratchCount },
                        unpacked.baseAddress.map { $0 + row * columns })
                }
            }
        }
    }
}
