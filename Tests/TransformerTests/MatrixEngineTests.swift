import CKernels
import Parallelism
import TestSupport
import Testing
import Transformer

struct MatrixEngineTests {
    /// Odd ones, one below the tile sizes, and some above.
    static let shapes = [(1, 1), (7, 13), (33, 64), (100, 270), (270, 40)]

    private func multiplied(
        _ engine: MatrixEngine, _ x: [Float], _ weight: WeightMatrix, rowCount: Int, transposed: Bool, adds: Bool = false
    ) -> [Float] {
        let count = transposed ? weight.inputCount : weight.outputCount
        var y = [Float](repeating: adds ? 0.5 : .nan, count: rowCount * count)
        x.withUnsafeBufferPointer { x in
            y.withUnsafeMutableBufferPointer { y in
                if transposed {
                    engine.multiplyTransposed(x, rowCount: rowCount, by: weight, adds: adds, into: y)
                } else {
                    engine.multiply(x, rowCount: rowCount, by: weight, adds: adds, into: y)
                }
            }
        }
        return y
    }

    @Test("multiplies as in double precision", arguments: TestWeight.Form.allCases, shapes)
    func multiplies(_ form: TestWeight.Form, _ shape: (Int, Int)) throws {
        let (outputCount, inputCount) = shape
        let test = try TestWeight(form, outputCount: outputCount, inputCount: inputCount, seed: 3)
        var values = SeededGenerator(seed: 4)
        for rowCount in [1, 4, 19] {
            let x = values.floats(rowCount * inputCount), dy = values.floats(rowCount * outputCount)
            let y = referenceProduct(
                { x[$0 * inputCount + $1] }, { test.elements[$1 * inputCount + $0] }, m: rowCount, n: outputCount, k: inputCount)
            let dx = referenceProduct(
                { dy[$0 * outputCount + $1] }, { test.elements[$0 * inputCount + $1] }, m: rowCount, n: inputCount, k: outputCount)
            var first: [[Float]] = []
            for level in levels {
                for threadCount in [1, 3] {
                    let engine = MatrixEngine(pool: WorkerPool(threadCount: threadCount), level: level)
                    let results = [
                        multiplied(engine, x, test.weight, rowCount: rowCount, transposed: false),
                        multiplied(engine, dy, test.weight, rowCount: rowCount, transposed: true),
                    ]
                    #expect(relativeError(results[0], y) < 1e-6, "\(rowCount) rows, \(level)")
                    #expect(relativeError(results[1], dx) < 1e-6, "\(rowCount) rows, \(level)")
                    if first.isEmpty { first = results }
                    #expect(results == first, "\(rowCount) rows, \(level), \(threadCount) threads")
                }
            }
        }
    }

    @Test func addsToWhatIsThere() throws {
        let test = try TestWeight(.doubleNF4, outputCount: 70, inputCount: 128, seed: 5)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        var values = SeededGenerator(seed: 6)
        for (rowCount, transposed) in [(1, false), (9, false), (1, true), (9, true)] {
            let x = values.floats(rowCount * (transposed ? 70 : 128))
            let plain = multiplied(engine, x, test.weight, rowCount: rowCount, transposed: transposed)
            let added = multiplied(engine, x, test.weight, rowCount: rowCount, transposed: transposed, adds: true)
            #expect(added == plain.map { $0 + 0.5 })
        }
    }

    @Test("general products", arguments: [false, true], [false, true])
    func products(_ transposesA: Bool, _ transposesB: Bool) {
        var values = SeededGenerator(seed: 7)
        for (m, n, k) in [(1, 1, 1), (3, 16, 200), (70, 16, 300), (16, 150, 65), (130, 3, 40), (5, 5, 0)] {
            let a = values.floats(m * k), b = values.floats(k * n), start = values.floats(m * n)
            let product = referenceProduct(
                { a[transposesA ? $1 * m + $0 : $0 * k + $1] }, { b[transposesB ? $1 * k + $0 : $0 * n + $1] }, m: m, n: n, k: k)
            for (alpha, beta) in [(Float(1), Float(0)), (0.5, 1), (-2, 0.25)] {
                let expected = zip(product, start).map { Double(alpha) * $0 + Double(beta) * Double($1) }
                var first: [Float] = []
                for level in levels {
                    var c = beta == 0 ? start.map { _ in Float.nan } : start
                    let engine = MatrixEngine(pool: WorkerPool(threadCount: 2), level: level)
                    a.withUnsafeBufferPointer { a in
                        b.withUnsafeBufferPointer { b in
                            c.withUnsafeMutableBufferPointer { c in
                                engine.product(
                                    a, transposesA: transposesA, b, transposesB: transposesB, m: m, n: n, k: k, alpha: alpha,
                                    beta: beta, into: c)
                            }
                        }
                    }
                    if k > 0 || beta != 0 { #expect(relativeError(c, expected) < 1e-6) } else { #expect(c.allSatisfy { $0 == 0 }) }
                    if first.isEmpty { first = c }
                    #expect(c == first)
                }
            }
        }
    }

    @Test("reads rows", arguments: TestWeight.Form.allCases)
    func readsRows(_ form: TestWeight.Form) throws {
        let test = try TestWeight(form, outputCount: 9, inputCount: 75, seed: 8)
        for range in [0..<9, 3..<4, 8..<9, 4..<4] {
            var rows = [Float](repeating: .nan, count: range.count * 75)
            rows.withUnsafeMutableBufferPointer { test.weight.readRows(range, into: $0) }
            #expect(rows == Array(test.elements[range.lowerBound * 75..<range.upperBound * 75]))
        }
    }
}
