import CKernels
import Glibc
import Parallelism
import Quantization
import TensorCore
import TestSupport
import Transformer

/// The levels this machine can run.
let levels: [qk_simd] = (0..<UInt32(QK_SIMD_COUNT)).map { qk_simd(rawValue: $0) }.filter { qk_simd_supports($0) }

/// A weight of random numbers and what its elements are.
struct TestWeight {
    /// Keeps the parts of a weight in one place.
    final class Memory {
        private let buffers: [UnsafeMutableRawBufferPointer]

        /// Each one byte off any alignment.
        init(_ parts: [UInt8]...) {
            buffers = parts.map { bytes in
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 1, alignment: 64)
                UnsafeMutableRawBufferPointer(rebasing: buffer[1...]).copyBytes(from: bytes)
                return buffer
            }
        }

        deinit { for buffer in buffers { buffer.deallocate() } }

        subscript(_ part: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffers[part][1...]) }
    }

    let weight: WeightMatrix
    /// [out, in].
    let elements: [Float]

    enum Form: CaseIterable {
        case f32, f16, bf16, transposedF32, transposedF16, nf4, doubleNF4, fp4Blocks32
    }

    init(_ form: Form, outputCount: Int, inputCount: Int, seed: UInt64) throws {
        var values = SeededGenerator(seed: seed)
        switch form {
        case .f32, .f16, .bf16, .transposedF32, .transposedF16:
            let type: ScalarType = form == .f32 || form == .transposedF32 ? .f32 : form == .bf16 ? .bf16 : .f16
            let orientation: Orientation = form == .transposedF32 || form == .transposedF16 ? .inputsByOutputs : .outputsByInputs
            self.init(
                dense: values.floats(outputCount * inputCount), type, outputCount: outputCount, inputCount: inputCount,
                orientation: orientation)
        case .nf4, .doubleNF4, .fp4Blocks32:
            let nested = form == .doubleNF4 ? try QuantState.Nested(blockSize: 8, offset: 0.4) : nil
            let state = try QuantState(
                quantType: form == .fp4Blocks32 ? .fp4 : .nf4, blockSize: form == .fp4Blocks32 ? 32 : 64, scalarType: .f32,
                shape: [outputCount, inputCount], nested: nested)
            self.init(packed: state, values: &values)
        }
    }

    /// NF4 with plain constants.
    init(blockSize: Int, outputCount: Int, inputCount: Int, seed: UInt64) throws {
        var values = SeededGenerator(seed: seed)
        let state = try QuantState(
            quantType: .nf4, blockSize: blockSize, scalarType: .f32, shape: [outputCount, inputCount], nested: nil)
        self.init(packed: state, values: &values)
    }

    /// Codes with a constant of 1, in blocks of 64.
    init(codes: [UInt8], _ quantType: QuantType, outputCount: Int, inputCount: Int) throws {
        var values = SeededGenerator(seed: 0)
        let state = try QuantState(
            quantType: quantType, blockSize: 64, scalarType: .f32, shape: [outputCount, inputCount], nested: nil)
        self.init(packed: state, codes: codes, constants: [Float](repeating: 1, count: state.blockCount), values: &values)
    }

    private init(dense values: [Float], _ type: ScalarType, outputCount: Int, inputCount: Int, orientation: Orientation) {
        var bytes = [UInt8](repeating: 0, count: values.count * type.bitCount / 8), stored = values
        bytes.withUnsafeMutableBytes { bytes in
            var span = bytes.mutableBytes
            FloatConversion.narrow(values.span, to: type, into: &span)
        }
        var span = stored.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: type, into: &span)
        let memory = Memory(bytes)
        weight = WeightMatrix(
            dense: memory[0], of: type, outputCount: outputCount, inputCount: inputCount, orientation: orientation,
            owner: memory)
        elements =
            orientation == .inputsByOutputs
            ? (0..<outputCount * inputCount).map { stored[$0 % inputCount * outputCount + $0 / inputCount] } : stored
    }

    private init(packed state: QuantState, codes: [UInt8]? = nil, constants: [Float]? = nil, values: inout SeededGenerator) {
        let codes = codes ?? values.bytes(state.packedByteCount)
        let map = state.quantType.quantMap.decodingMap(for: state.quantType)
        let bits = { (floats: [Float]) in floats.withUnsafeBytes { [UInt8]($0) } }
        let absmax: [Float]
        if let nested = state.nested {
            let scaleCodes = values.bytes(state.blockCount), nestedMap = DynamicMap.values
            let nestedAbsmax = values.floats(state.nestedBlockCount, 0.1...0.3)
            absmax = scaleCodes.enumerated().map { nestedMap[Int($1)] * nestedAbsmax[$0 / nested.blockSize] + nested.offset }
            let memory = Memory(codes, scaleCodes, bits(nestedAbsmax), bits(nestedMap))
            weight = WeightMatrix(
                codes: memory[0],
                constants: .nested(codes: memory[1], absmax: memory[2], map: memory[3], nested), quantMap: map,
                state: state, owner: memory)
        } else {
            absmax = constants ?? values.floats(state.blockCount, 0.5...1)
            let memory = Memory(codes, bits(absmax))
            weight = WeightMatrix(codes: memory[0], constants: .plain(memory[1]), quantMap: map, state: state, owner: memory)
        }
        elements = (0..<state.elementCount).map { i in
            map.values[Int(i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15)] * absmax[i / state.blockSize]
        }
    }
}

/// op(a) op(b) in double; a [m, k], b [k, n].
func referenceProduct(_ a: (Int, Int) -> Float, _ b: (Int, Int) -> Float, m: Int, n: Int, k: Int) -> [Double] {
    (0..<m * n).map { i in (0..<k).reduce(0.0) { $0 + Double(a(i / n, $1)) * Double(b($1, i % n)) } }
}

/// Largest difference as a part of the largest magnitude.
func relativeError(_ actual: [Float], _ expected: [Double]) -> Double {
    let scale = expected.reduce(0) { max($0, abs($1)) }
    return zip(actual, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / scale
}

func doubleExp(_ x: Double) -> Double { exp(x) }
/// Products of rows of x with each of some weights [rows, outputCount], as many rows at once as asked for.
func products(
    _ x: [Float], rowCount: Int, by weights: [WeightMatrix], threadCount: Int, level: qk_simd, rowsAtOnce: Int,
    precision: MatrixEngine.Precision
) -> [[Float]] {
    let engine = MatrixEngine(pool: WorkerPool(threadCount: threadCount), level: level)
    let inputCount = x.count / rowCount
    var results = weights.map { [Float](repeating: .nan, count: rowCount * $0.outputCount) }
    for start in stride(from: 0, to: rowCount, by: rowsAtOnce) {
        let end = min(rowCount, start + rowsAtOnce)
        let buffers = weights.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: (end - start) * $0.outputCount) }
        x.withUnsafeBufferPointer { x in
            engine.multiply(
                UnsafeBufferPointer(rebasing: x[start * inputCount..<end * inputCount]), rowCount: end - start, by: weights,
                precision: precision, into: buffers)
        }
        for (i, buffer) in buffers.enumerated() {
            results[i].replaceSubrange(start * weights[i].outputCount..<end * weights[i].outputCount, with: buffer)
            buffer.deallocate()
        }
    }
    return results
}
