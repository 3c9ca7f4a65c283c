import CKernels
package import Quantization
package import Transformer

/// What a weight in 4 bits gets wrong of a layer's outputs on inputs that it was not chosen by.
package struct OutputError {
    /// X, [rowCount, in].
    private let inputs: [Float]
    private let engine: MatrixEngine

    package init(on moments: InputMoments, engine: MatrixEngine) { self.init(on: moments.heldOut, engine: engine) }

    /// - Parameter inputs: X, row by row.
    package init(on inputs: [Float], engine: MatrixEngine) {
        self.inputs = inputs
        self.engine = engine
    }

    /// Outputs that are summed up at a time, so that memory stays small.
    private static let outputsAtOnce = 1024

    /// The sum of squares of X W'.
    ///
    /// - Parameter weight: [out, in].
    package func squares(of weight: UnsafeBufferPointer<Float>, columns: Int) -> Double {
        let rowCount = inputs.count / columns, outputs = weight.count / columns
        guard rowCount > 0 else { return 0 }
        let results = UnsafeMutableBufferPointer<Float>.allocate(capacity: rowCount * min(outputs, Self.outputsAtOnce))
        defer { results.deallocate() }
        var sum = 0.0
        inputs.withUnsafeBufferPointer { inputs in
            for first in stride(from: 0, to: outputs, by: Self.outputsAtOnce) {
                let count = min(Self.outputsAtOnce, outputs - first)
                let slice = UnsafeMutableBufferPointer(rebasing: results[..<(rowCount * count)])
                engine.product(
                    inputs, UnsafeBufferPointer(rebasing: weight[first * columns..<(first + count) * columns]), transposesB: true,
                    m: rowCount, n: count, k: columns, into: slice)
                var squares = 0.0
                qk_sumOfSquares_at(engine.level, slice.baseAddress, slice.count, &squares)
                sum += squares
            }
        }
        return sum
    }

    /// The sum of squares of X (Q - W)'.
    package func squares(
        of quantized: FourBitWeight, _ settings: QuantizationSettings, against weight: UnsafeBufferPointer<Float>, columns: Int
    ) -> Double {
        let restored = UnsafeMutableBufferPointer<Float>.allocate(capacity: weight.count)
        defer { restored.deallocate() }
        quantized.dequantize(settings, into: restored)
        return squares(of: UnsafeBufferPointer(restored), against: weight, columns: columns)
    }

    /// The sum of squares of X (Q - W)'.
    ///
    /// - Parameter restored: Q, of as many elements as W.
    package func squares(
        of restored: UnsafeBufferPointer<Float>, against weight: UnsafeBufferPointer<Float>, columns: Int
    ) -> Double {
        precondition(restored.count == weight.count, "\(restored.count) elements against \(weight.count)")
        let difference = UnsafeMutableBufferPointer<Float>.allocate(capacity: weight.count)
        defer { difference.deallocate() }
        qk_subtract_at(engine.level, restored.baseAddress, weight.baseAddress, weight.count, difference.baseAddress)
        return squares(of: UnsafeBufferPointer(difference), columns: columns)
    }
}
