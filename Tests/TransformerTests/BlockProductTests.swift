import CKernels
import Parallelism
import Quantization
import TensorCore
import TestSupport
import Testing
import Transformer

/// Products with weights in the blocks of GGUF files.
struct BlockProductTests {
    private static let fast: [BlockFormat] = [.q40, .q41, .q50, .q51, .q80, .q4K, .q5K, .q6K]

    /// A weight of random blocks with ordinary scales, and what its elements are.
    private struct BlockWeight {
        let weight: WeightMatrix
        let elements: [Float]

        init(_ format: BlockFormat, outputCount: Int, inputCount: Int, seed: UInt64) throws {
            var random = SeededGenerator(seed: seed)
            let values = random.normals(count: outputCount * inputCount, scale: 0.1)
            var blocks = [UInt8](repeating: 0, count: try #require(format.byteCount(elementCount: values.count)))
            var span = blocks.mutableSpan
            var bytes = span.mutableBytes
            try format.quantize(values.span, into: &bytes)
            var elements = values
            var decoded = elements.mutableSpan
            format.decode(blocks.span.bytes, into: &decoded)
            self.elements = elements
            let memory = TestWeight.Memory(blocks)
            weight = WeightMatrix(blocks: memory[0], of: format, outputCount: outputCount, inputCount: inputCount, owner: memory)
        }
    }

    /// More columns than one piece of x (4096), tails of tiles, weights of both kinds of K in one call.
    @Test(
        "the same bits on every level, for any number of threads and rows at once",
        arguments: [
            ([.q40, .q40], 192), ([.q80], 64), ([.q4K, .q6K, .q4K], 512), ([.q40, .q80], 4096 + 320), ([.q6K, .q4K], 4096 + 256),
            ([.q41, .q41], 192), ([.q51, .q50], 4096 + 320), ([.q5K, .q5K, .q4K], 512), ([.q5K], 4096 + 256),
        ] as [([BlockFormat], Int)])
    func isTheSameEverywhere(_ formats: [BlockFormat], _ inputCount: Int) throws {
        let tests = try formats.enumerated().map {
            try BlockWeight($1, outputCount: inputCount > 4096 ? 9 : 107 + $0, inputCount: inputCount, seed: UInt64($0))
        }
        var random = SeededGenerator(seed: 1)
        var x = random.normals(count: 21 * inputCount)
        for i in 0..<64 { x[i] = 0 }
        x[65] = 300
        var first: [[Float]] = []
        for level in levels {
            for (threadCount, rowsAtOnce) in [(1, 21), (3, 21), (2, 1), (1, 8)] {
                let results = products(
                    x, rowCount: 21, by: tests.map(\.weight), threadCount: threadCount, level: level, rowsAtOnce: rowsAtOnce,
                    precision: .balanced)
                if first.isEmpty { first = results }
                #expect(results == first, "\(level), \(threadCount) threads, \(rowsAtOnce) rows at once")
            }
        }
        // The integers of weights are exact: what is left is the rounding of x to 13 bits.
        for (test, result) in zip(tests, first) {
            #expect(test.weight.hasIntegerProducts)
            let count = test.weight.outputCount
            for t in 1..<21 {
                let expected = (0..<count).map { row in
                    (0..<inputCount).reduce(0.0) {
                        $0 + Double(x[t * inputCount + $1]) * Double(test.elements[row * inputCount + $1])
                    }
                }
                #expect(relativeError(Array(result[t * count..<(t + 1) * count]), expected) < 1e-3)
            }
        }
    }

    @Test("in float32", arguments: BlockFormat.writable)
    func exact(_ format: BlockFormat) throws {
        let inputCount = 2 * max(256, format.elementsPerBlock)
        let test = try BlockWeight(format, outputCount: 37, inputCount: inputCount, seed: 2)
        #expect(test.weight.hasIntegerProducts == Self.fast.contains(format))
        var random = SeededGenerator(seed: 3)
        let x = random.normals(count: 11 * inputCount)
        let expected = referenceProduct(
            { x[$0 * inputCount + $1] }, { test.elements[$1 * inputCount + $0] }, m: 11, n: 37, k: inputCount)
        for level in levels {
            for rowsAtOnce in [11, 2] {
                let y = products(
                    x, rowCount: 11, by: [test.weight], threadCount: 2, level: level, rowsAtOnce: rowsAtOnce, precision: .exact)[0]
                #expect(relativeError(y, expected) < 1e-6)
            }
        }
        var row = [Float](repeating: 0, count: inputCount)
        row.withUnsafeMutableBufferPointer { test.weight.readRow(36, into: $0) }
        #expect(row == Array(test.elements.suffix(inputCount)))
    }

    /// dy W, as training goes back through a weight.
    @Test(arguments: fast)
    func goesBack(_ format: BlockFormat) throws {
        let test = try BlockWeight(format, outputCount: 70, inputCount: 512, seed: 4)
        var random = SeededGenerator(seed: 5)
        for rowCount in [1, 9] {
            let dy = random.normals(count: rowCount * 70)
            var dx = [Float](repeating: .nan, count: rowCount * 512)
            dy.withUnsafeBufferPointer { dy in
                dx.withUnsafeMutableBufferPointer {
                    MatrixEngine(pool: WorkerPool(threadCount: 2)).multiplyTransposed(dy, rowCount: rowCount, by: test.weight, into: $0)
                }
            }
            let expected = referenceProduct({ dy[$0 * 70 + $1] }, { test.elements[$0 * 512 + $1] }, m: rowCount, n: 512, k: 70)
            #expect(relativeError(dx, expected) < 1e-6)
        }
    }
}
