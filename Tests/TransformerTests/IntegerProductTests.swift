import CKernels
import Parallelism
import TestSupport
import Testing
import Transformer

struct IntegerProductTests {
    /// x rounded to 13 bits in groups of 64.
    private func rounded(_ x: [Float]) -> [Double] {
        stride(from: 0, to: x.count, by: 64).flatMap { start in
            let group = x[start..<min(x.count, start + 64)]
            let largest = Double(group.reduce(0) { max($0, abs($1)) })
            return group.map { largest == 0 ? 0 : (Double($0) * 4095 / largest).rounded(.toNearestOrEven) * largest / 4095 }
        }
    }

    @Test(
        "the same bits on every level, for any number of threads and rows at once",
        arguments: [(40, 128), (203, 320), (8, 64), (43, 1088)])
    func isTheSameEverywhere(_ shape: (Int, Int)) throws {
        let (outputCount, inputCount) = shape
        var values = SeededGenerator(seed: 1)
        let tests = try [TestWeight.Form.nf4, .doubleNF4].enumerated().map {
            try TestWeight($1, outputCount: outputCount + $0, inputCount: inputCount, seed: UInt64($0))
        }
        var x = values.floats(21 * inputCount)
        if inputCount > 64 { for i in 0..<64 { x[i] = 0 } }
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
        // Only the rounding of codes and sums is left against a product with rounded activations.
        let exact = (0..<21).flatMap { rounded(Array(x[$0 * inputCount..<($0 + 1) * inputCount])) }
        for (test, result) in zip(tests, first) {
            let count = test.weight.outputCount
            for t in 0..<21 {
                let expected = (0..<count).map { row in
                    (0..<inputCount).reduce(0.0) { $0 + exact[t * inputCount + $1] * Double(test.elements[row * inputCount + $1]) }
                }
                #expect(relativeError(Array(result[t * count..<(t + 1) * count]), expected) < 2e-4)
            }
        }
    }

    @Test("bytes of any row length", arguments: [64, 75, 200, 600])
    func bytes(_ inputCount: Int) throws {
        let test = try TestWeight(.transposedF16, outputCount: 45, inputCount: inputCount, seed: 2)
        let weight = test.weight.quantizedToBytes(pool: WorkerPool(threadCount: 2))
        #expect(weight.hasIntegerProducts)
        var rows = [Float](repeating: 0, count: 45 * inputCount)
        rows.withUnsafeMutableBufferPointer { weight.readRows(0..<45, into: $0) }
        #expect(zip(rows, test.elements).allSatisfy { abs($0 - $1) <= 1.001 / 254 })
        var values = SeededGenerator(seed: 3)
        let x = values.floats(12 * inputCount)
        var first: [Float] = []
        for level in levels {
            for rowsAtOnce in [12, 1] {
                let y = products(x, rowCount: 12, by: [weight], threadCount: 2, level: level, rowsAtOnce: rowsAtOnce, precision: .balanced)[
                    0]
                if first.isEmpty { first = y }
                #expect(y == first, "\(level), \(rowsAtOnce) rows at once")
            }
        }
        let expected = referenceProduct({ x[$0 * inputCount + $1] }, { rows[$1 * inputCount + $0] }, m: 12, n: 45, k: inputCount)
        #expect(relativeError(first, expected) < 1e-3)
    }

    /// Larger blocks than groups, in rows that begin within a block; longer rows than one piece of constants (64 groups).
    @Test func blocksMaySpanRowsAndPieces() throws {
        for (outputCount, inputCount, blockSize) in [(9, 192, 256), (3, 4096 + 320, 64), (5, 64, 4096)] {
            let test = try TestWeight(blockSize: blockSize, outputCount: outputCount, inputCount: inputCount, seed: 4)
            var values = SeededGenerator(seed: 5)
            let x = values.floats(2 * inputCount)
            var first: [Float] = []
            for level in levels {
                let y = products(x, rowCount: 2, by: [test.weight], threadCount: 1, level: level, rowsAtOnce: 2, precision: .balanced)[0]
                if first.isEmpty { first = y }
                #expect(y == first)
            }
            let expected = referenceProduct(
                { x[$0 * inputCount + $1] }, { test.elements[$1 * inputCount + $0] }, m: 2, n: outputCount, k: inputCount)
            #expect(relativeError(first, expected) < 1e-3)
        }
    }

    /// Long inputs are cut into slices of 512 rows.
    @Test func slicesChangeNothing() throws {
        let test = try TestWeight(.nf4, outputCount: 3, inputCount: 64, seed: 8)
        var values = SeededGenerator(seed: 9)
        let x = values.floats(1030 * 64)
        let whole = products(
            x, rowCount: 1030, by: [test.weight], threadCount: 2, level: qk_simd_best(), rowsAtOnce: 1030, precision: .balanced)
        let parts = products(
            x, rowCount: 1030, by: [test.weight], threadCount: 2, level: qk_simd_best(), rowsAtOnce: 103, precision: .balanced)
        #expect(whole == parts)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        for rowCount in [513, 516, 1025, 1030] {
            var exact = [Float](repeating: .nan, count: rowCount * 3)
            x.withUnsafeBufferPointer { x in
                exact.withUnsafeMutableBufferPointer {
                    engine.multiply(UnsafeBufferPointer(rebasing: x[..<(rowCount * 64)]), rowCount: rowCount, by: test.weight, into: $0)
                }
            }
            #expect(zip(exact, whole[0]).allSatisfy { abs($0 - $1) < 0.01 })
        }
    }

    @Test func unalignedRowsAreMultipliedExactly() throws {
        let weight = try TestWeight(.nf4, outputCount: 5, inputCount: 96, seed: 6).weight
        #expect(!weight.hasIntegerProducts)
        let x = [Float](repeating: 1, count: 96)
        let fast = products(x, rowCount: 1, by: [weight], threadCount: 1, level: qk_simd_best(), rowsAtOnce: 1, precision: .balanced)[0]
        var exact = [Float](repeating: 0, count: 5)
        exact.withUnsafeMutableBufferPointer { y in
            x.withUnsafeBufferPointer { MatrixEngine(pool: WorkerPool(threadCount: 1)).multiply($0, rowCount: 1, by: weight, into: y) }
        }
        #expect(fast == exact)
    }

    @Test("what is not finite stays so", arguments: [Float.nan, .infinity])
    func staysNonfinite(_ value: Float) throws {
        let weight = try TestWeight(.nf4, outputCount: 16, inputCount: 128, seed: 7).weight
        var x = [Float](repeating: 0.5, count: 10 * 128)
        x[3 * 128 + 70] = value
        for level in levels {
            for rowsAtOnce in [10, 1] {
                let y = products(x, rowCount: 10, by: [weight], threadCount: 1, level: level, rowsAtOnce: rowsAtOnce, precision: .balanced)[
                    0]
                for t in 0..<10 { #expect(y[t * 16..<(t + 1) * 16].allSatisfy { $0.isFinite == (t != 3) }) }
            }
        }
    }
}
