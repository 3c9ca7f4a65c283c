import CKernels
import Parallelism
import Quantization
import TestSupport
import Testing
import Transformer

/// Products in bytes, of `MatrixEngine.Precision.fast`.
struct ByteProductTests {
    /// A row of x rounded to 8 bits, by 8 neighbours.
    private func rounded(_ x: ArraySlice<Float>) -> [Double] {
        let largest = x.reduce(0) { max($0, abs($1)) }
        guard largest > 0 else { return x.map { _ in 0 } }
        return stride(from: x.startIndex, to: x.endIndex, by: 8).flatMap { start in
            let group = x[start..<start + 8]
            let factor = min((group.reduce(0) { max($0, abs($1)) } * (16383 / largest)).rounded(.up), 16383)
            let step = factor * largest / (127 * 16383), perUnit = 16383 / largest * 127 / factor
            return group.map { factor == 0 ? 0 : Double(($0 * perUnit).rounded(.toNearestOrEven)) * Double(step) }
        }
    }

    /// Elements with the values of codes as the bytes say.
    private func elements(_ test: TestWeight) -> [Double] {
        let stored = test.weight.stored
        let map = withUnsafeBytes(of: stored.quantMap) { Array($0.bindMemory(to: Float.self)) }
        let bytes = withUnsafeBytes(of: stored.codeBytes) { $0.map { Int8(bitPattern: $0) } }
        return test.elements.enumerated().map { index, element in
            let pair = stored.values[index / 2], code = Int(index % 2 == 0 ? pair >> 4 : pair & 15)
            guard map[code] != 0 else { return 0 }
            return Double(element) / Double(map[code]) * Double(bytes[code]) * Double(stored.codeUnit)
        }
    }

    @Test(
        "the same bits on every level, for any number of threads and rows at once",
        arguments: [(40, 128), (203, 320), (8, 64), (43, 1088), (5, 4096 + 192)])
    func isTheSameEverywhere(_ shape: (Int, Int)) throws {
        let (outputCount, inputCount) = shape
        var values = SeededGenerator(seed: 1)
        let tests = try [TestWeight.Form.nf4, .doubleNF4].enumerated().map {
            try TestWeight($1, outputCount: outputCount + $0, inputCount: inputCount, seed: UInt64($0))
        }
        var x = values.floats(21 * inputCount)
        if inputCount > 64 { for i in 0..<32 { x[i] = 0 } }
        x[45] = 300
        for i in 0..<inputCount { x[2 * inputCount + i] = 0 }
        var first: [[Float]] = []
        for level in levels {
            for (threadCount, rowsAtOnce) in [(1, 8), (3, 8), (2, 1), (1, 3), (2, 5)] {
                let results = products(
                    x, rowCount: 21, by: tests.map(\.weight), threadCount: threadCount, level: level, rowsAtOnce: rowsAtOnce,
                    precision: .fast)
                if first.isEmpty { first = results }
                #expect(results == first, "\(level), \(threadCount) threads, \(rowsAtOnce) rows at once")
            }
        }
        // Only the rounding of sums is left against a product of rounded activations and codes.
        let exact = (0..<21).flatMap { rounded(x[$0 * inputCount..<($0 + 1) * inputCount]) }
        for (test, result) in zip(tests, first) {
            let count = test.weight.outputCount, elements = elements(test)
            for t in 0..<21 {
                let expected = (0..<count).map { row in
                    (0..<inputCount).reduce(0.0) { $0 + exact[t * inputCount + $1] * elements[row * inputCount + $1] }
                }
                let row = Array(result[t * count..<(t + 1) * count])
                if t == 2 { #expect(row.allSatisfy { $0 == 0 }) } else { #expect(relativeError(row, expected) < 2e-6) }
            }
        }
    }

    /// Sums at the ends of their ranges: 8 products of 127 and 127 in a lane.
    @Test("sums at the ends of their ranges", arguments: [QuantType.nf4, .fp4])
    func largestProductsFit(_ type: QuantType) throws {
        // Largest and smallest value of each map, in all pairs.
        let (least, most): (UInt8, UInt8) = type == .nf4 ? (0, 15) : (11, 3)
        let codes = (0..<16 * 64).map { i -> UInt8 in
            [most << 4 | most, least << 4 | least, most << 4 | least, least << 4 | most][i / 64 % 4]
        }
        let test = try TestWeight(codes: codes, type, outputCount: 16, inputCount: 128)
        #expect(test.elements.allSatisfy { abs($0) == 1 })
        var values = SeededGenerator(seed: 4)
        let signs = (0..<12 * 128).map { $0 < 128 ? Float(1) : $0 < 256 ? -1 : values.next() % 2 == 0 ? 1 : -1 }
        let expected = referenceProduct({ signs[$0 * 128 + $1] }, { test.elements[$1 * 128 + $0] }, m: 12, n: 16, k: 128)
        for level in levels {
            for rowsAtOnce in [6, 1] {
                let y = products(
                    signs, rowCount: 12, by: [test.weight], threadCount: 1, level: level, rowsAtOnce: rowsAtOnce, precision: .fast)[0]
                #expect(relativeError(y, expected) < 1e-6)
            }
        }
    }

    @Test func blocksMaySpanRows() throws {
        for (outputCount, inputCount, blockSize) in [(9, 192, 256), (5, 64, 4096)] {
            let test = try TestWeight(blockSize: blockSize, outputCount: outputCount, inputCount: inputCount, seed: 4)
            #expect(test.weight.hasByteProducts)
            var values = SeededGenerator(seed: 5)
            let x = values.floats(2 * inputCount)
            var first: [Float] = []
            for level in levels {
                let y = products(x, rowCount: 2, by: [test.weight], threadCount: 1, level: level, rowsAtOnce: 2, precision: .fast)[0]
                if first.isEmpty { first = y }
                #expect(y == first)
            }
            let expected = referenceProduct(
                { x[$0 * inputCount + $1] }, { test.elements[$1 * inputCount + $0] }, m: 2, n: outputCount, k: inputCount)
            #expect(relativeError(first, expected) < 1e-2)
        }
    }

    /// Many rows are multiplied as in the precision above, to the last of them.
    @Test(arguments: [9, 21, 515, 519])
    func manyRowsAreMultipliedAsBefore(_ rowCount: Int) throws {
        let weight = try TestWeight(.doubleNF4, outputCount: 5, inputCount: 64, seed: 9).weight
        var values = SeededGenerator(seed: 10)
        let x = values.floats(rowCount * 64)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        var (fast, balanced) = ([Float](repeating: 0, count: rowCount * 5), [Float](repeating: 0, count: rowCount * 5))
        x.withUnsafeBufferPointer { x in
            fast.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: rowCount, by: weight, precision: .fast, into: $0) }
            balanced.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: rowCount, by: weight, precision: .balanced, into: $0) }
        }
        #expect(fast == balanced)
    }

    /// Weights of another kind, alone or beside one that is multiplied in bytes, are multiplied as in the precision above.
    @Test func otherWeightsAreMultipliedAsBefore() throws {
        let head = try TestWeight(.transposedF16, outputCount: 45, inputCount: 192, seed: 2).weight
            .quantizedToBytes(pool: WorkerPool(threadCount: 1))
        let narrow = try TestWeight(.nf4, outputCount: 5, inputCount: 96, seed: 6).weight
        let packed = try TestWeight(.nf4, outputCount: 5, inputCount: 192, seed: 7).weight
        #expect(!head.hasByteProducts && !narrow.hasByteProducts && packed.hasByteProducts)
        var values = SeededGenerator(seed: 8)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        for weight in [head, narrow] {
            let x = values.floats(weight.inputCount)
            var (fast, balanced) = ([Float](repeating: 0, count: weight.outputCount), [Float](repeating: 0, count: weight.outputCount))
            x.withUnsafeBufferPointer { x in
                fast.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: 1, by: weight, precision: .fast, into: $0) }
                balanced.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: 1, by: weight, precision: .balanced, into: $0) }
            }
            #expect(fast == balanced)
        }
        let x = values.floats(192)
        let together = products(x, rowCount: 1, by: [packed, head], threadCount: 2, level: qk_simd_best(), rowsAtOnce: 1, precision: .fast)
        for (weight, y) in zip([packed, head], together) {
            #expect(products(x, rowCount: 1, by: [weight], threadCount: 1, level: qk_simd_best(), rowsAtOnce: 1, precision: .fast)[0] == y)
        }
    }

    @Test("what is not finite stays so", arguments: [Float.nan, .infinity])
    func staysNonfinite(_ value: Float) throws {
        let weight = try TestWeight(.nf4, outputCount: 16, inputCount: 128, seed: 7).weight
        var x = [Float](repeating: 0.5, count: 10 * 128)
        x[3 * 128 + 70] = value
        for level in levels {
            for rowsAtOnce in [5, 1] {
                let y = products(x, rowCount: 10, by: [weight], threadCount: 1, level: level, rowsAtOnce: rowsAtOnce, precision: .fast)[0]
                for t in 0..<10 { #expect(y[t * 16..<(t + 1) * 16].allSatisfy { $0.isFinite == (t != 3) }) }
            }
        }
    }
}
