import CKernels
import Calibration
import Quantization
import TestSupport
import Testing
import Transformer

/// Against numpy, and against itself for any number of threads and on every level.
@Suite struct CalibratedQuantizerTests {
    private struct Layer {
        let weight: [Float]
        let inputs: [Float]
        let columns: Int
        let scales: [Float]
        let codes: [UInt8]
        let settings: QuantizationSettings

        init(_ name: String) throws {
            let tensors = try storedTensors(at: Fixture.path("calibration/layers.safetensors"))
            func part(_ part: String) throws -> StoredTensor { try #require(tensors["\(name).\(part)"]) }
            let stored = try part("weight")
            weight = stored.floats
            columns = stored.dimensions[1]
            inputs = try part("inputs").bytes.map { Float(Int8(bitPattern: $0)) / 16 }
            scales = try part("scales").floats
            codes = try part("codes").bytes
            settings = try QuantizationSettings(
                quantType: .nf4, blockSize: name == "long-blocks" ? 256 : 64, isDoubleQuantized: name != "plain-constants")
        }

        /// `heldOut` rows at the end are kept out of the moments.
        func moments(heldOut: Int = 0, _ engine: MatrixEngine) -> InputMoments {
            let moments = InputMoments(width: columns, heldOutCount: heldOut)
            let count = inputs.count / columns - heldOut
            inputs.withUnsafeBufferPointer { inputs in
                guard let start = inputs.baseAddress else { return }
                moments.add(start, rowCount: count, MomentMemory(), engine)
                moments.hold(start + count * columns, rowCount: heldOut)
            }
            moments.finish(engine)
            return moments
        }

        func quantized(_ engine: MatrixEngine, _ moments: InputMoments? = nil) throws -> FourBitWeight {
            let quantizer = CalibratedQuantizer(settings, engine: engine)
            let inputs = try #require(quantizer.inputs(moments ?? self.moments(engine)))
            return try #require(weight.withUnsafeBufferPointer { quantizer.quantize($0, inputs) })
        }
    }

    private static let names = ["whole", "crossing", "plain-constants", "long-blocks"]

    @Test(arguments: names)
    func codesAndScalesAreThoseOfNumpyToTheByte(name: String) throws {
        let layer = try Layer(name)
        let found = try layer.quantized(.test())
        #expect(found.absmax == layer.scales)
        #expect(found.codes == layer.codes)
        let nearest = try #require(layer.weight.withUnsafeBufferPointer { FourBitWeight(nearest: $0, layer.settings) })
        #expect(found.codes != nearest.codes)
    }

    @Test(arguments: names)
    func codesAreTheSameForAnyThreadsAndLevel(name: String) throws {
        let layer = try Layer(name)
        for (threads, level) in levels.map({ (1, $0) }) + [(5, qk_simd_best())] {
            let found = try layer.quantized(.test(threads: threads, level: level))
            #expect(found.codes == layer.codes && found.absmax == layer.scales)
        }
    }

    /// a, by its definition: M M' is H with its rows and columns in order, damped.
    @Test(arguments: ["whole", "crossing"])
    func passingMatrixFactorsTheDampedMoment(name: String) throws {
        let layer = try Layer(name), engine = MatrixEngine.test(), damping = 0.02
        let moments = layer.moments(engine).matrix, n = layer.columns
        let passing = try #require(PassingMatrix(moments, damping: damping, engine: engine))
        let order = passing.order.map(Int.init), mean = moments.diagonal.reduce(0, +) / Double(n)
        #expect(order.sorted() == Array(0..<n))
        #expect(zip(order, order.dropFirst()).allSatisfy { (-moments[$0, $0], $0) < (-moments[$1, $1], $1) })
        // d_j = M_jj^2 from the last column backwards; then a d a' has to be the whole matrix.
        func element(_ i: Int, _ j: Int) -> Double { moments[order[i], order[j]] + (i == j ? damping * mean : 0) }
        var d = [Double](repeating: 0, count: n)
        for j in stride(from: n - 1, through: 0, by: -1) {
            var sum = element(j, j)
            for k in j + 1..<max(j + 1, n) { sum -= d[k] * passing[j, k] * passing[j, k] }
            d[j] = sum
        }
        for i in stride(from: 0, to: n, by: 5) {
            for j in i..<n {
                var sum = 0.0
                for k in j..<n { sum += d[k] * passing[i, k] * passing[j, k] }
                #expect((sum - element(i, j)).magnitude < 1e-12 * element(0, 0))
            }
        }
    }

    /// On inputs that the codes were not chosen by the outputs are much nearer than those of the nearest codes.
    @Test func outputsOfOtherInputsAreNearer() throws {
        let layer = try Layer("whole"), engine = MatrixEngine.test()
        let moments = layer.moments(heldOut: 64, engine), judge = OutputError(on: moments, engine: engine)
        let found = try layer.quantized(engine, moments)
        layer.weight.withUnsafeBufferPointer { weight in
            guard let nearest = FourBitWeight(nearest: weight, layer.settings) else {
                Issue.record("finite weights are quantized")
                return
            }
            let all = judge.squares(of: weight, columns: layer.columns)
            let calibrated = judge.squares(of: found, layer.settings, against: weight, columns: layer.columns)
            let plain = judge.squares(of: nearest, layer.settings, against: weight, columns: layer.columns)
            #expect(calibrated < 0.6 * plain && plain < 0.1 * all && calibrated > 0)
        }
    }

    /// The sums by hand, of float64.
    @Test func outputErrorIsTheSumOfSquares() throws {
        let layer = try Layer("crossing"), engine = MatrixEngine.test(), columns = layer.columns
        let moments = layer.moments(heldOut: 11, engine), found = try layer.quantized(engine, moments)
        let rows = layer.weight.count / columns
        var restored = [Float](repeating: 0, count: layer.weight.count)
        restored.withUnsafeMutableBufferPointer { found.dequantize(layer.settings, into: $0) }
        var expected = 0.0
        for t in 0..<11 {
            for r in 0..<rows {
                var sum = 0.0
                for c in 0..<columns {
                    sum +=
                        Double(moments.heldOut[t * columns + c])
                        * (Double(restored[r * columns + c]) - Double(layer.weight[r * columns + c]))
                }
                expected += sum * sum
            }
        }
        let squares = layer.weight.withUnsafeBufferPointer {
            OutputError(on: moments, engine: engine).squares(of: found, layer.settings, against: $0, columns: columns)
        }
        #expect((squares / expected - 1).magnitude < 1e-5)
    }

    @Test func nothingIsLearnedOfInputsThatAreAllZero() throws {
        let moments = InputMoments(width: 70, heldOutCount: 0)
        #expect(CalibratedQuantizer(engine: .test()).inputs(moments) == nil)
    }

    /// Blocks of zeros get a scale of 0, or what double quantization makes of it, and restore to what is nearest.
    @Test func blocksOfZerosStayNearZero() throws {
        let engine = MatrixEngine.test(), layer = try Layer("whole")
        var weight = layer.weight
        for i in 0..<1024 { weight[i] = 0 }
        let quantizer = CalibratedQuantizer(engine: engine)
        let inputs = try #require(quantizer.inputs(layer.moments(engine)))
        let found = try #require(weight.withUnsafeBufferPointer { quantizer.quantize($0, inputs) })
        #expect(found.absmax.prefix(16).allSatisfy { $0 == 0 })
        var restored = [Float](repeating: .nan, count: weight.count)
        restored.withUnsafeMutableBufferPointer { found.dequantize(layer.settings, into: $0) }
        let largest = restored.prefix(1024).map(\.magnitude).max() ?? .nan
        #expect(largest < 0.01)
    }
}
