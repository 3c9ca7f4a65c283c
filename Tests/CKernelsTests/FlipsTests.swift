import CKernels
import TestSupport
import Testing

struct FlipsTests {
    @Test(arguments: levels)
    func everyLevelGivesTheSameProducts(_ level: qk_simd) {
        var random = SeededGenerator(seed: 31)
        for (matrixRows, columns, rows) in [(0, 8, 3), (1, 1, 1), (5, 7, 2), (9, 8, 4), (3, 41, 5), (17, 64, 9)] {
            let matrix = random.normals(count: matrixRows * columns, scale: 1)
            let others = random.normals(count: rows * columns, scale: 1).map(Double.init)
            func products(_ level: qk_simd) -> [UInt64] {
                var out = [Double](repeating: 7, count: rows * (matrixRows + 1))
                qk_flip_products_at(level, matrix, matrixRows, columns, others, rows, &out, matrixRows + 1)
                return out.map(\.bitPattern)
            }
            let found = products(level)
            #expect(difference(found, products(QK_SCALAR)) == nil)
            for row in 0..<rows {
                #expect(Double(bitPattern: found[row * (matrixRows + 1) + matrixRows]) == 7)
                for other in 0..<matrixRows {
                    let exact = (0..<columns).reduce(0.0) { $0 + Double(matrix[other * columns + $1]) * others[row * columns + $1] }
                    #expect(abs(Double(bitPattern: found[row * (matrixRows + 1) + other]) - exact) < 1e-12)
                }
            }
        }
    }

    /// Codes, gradient and number of steps of one row of `columns` random elements.
    private func run(_ level: qk_simd, columns: Int, seed: UInt64, limit: Int) -> (codes: [UInt8], gradient: [UInt64], count: Int) {
        var random = SeededGenerator(seed: seed)
        let inputs = random.normals(count: 2 * columns * columns, scale: 1)
        var moments = [Float](repeating: 0, count: columns * columns)
        for i in 0..<columns {
            for j in 0..<columns {
                for k in 0..<2 * columns { moments[i * columns + j] += inputs[k * columns + i] * inputs[k * columns + j] }
            }
        }
        let delta = random.normals(count: columns, scale: 0.02).map(Double.init)
        var scales = random.normals(count: columns, scale: 0.001).map { 0.05 + $0 }
        scales[0] *= -1
        var codes = (0..<columns).map { UInt8($0 * 7 % 16) }
        var steps = qk_flip_steps()
        withUnsafeMutableBytes(of: &steps) { bytes in
            for code in 0..<16 {
                bytes.storeBytes(of: Double(code) / 8 - 1, toByteOffset: 8 * code, as: Double.self)
                bytes[128 + code] = UInt8(min(code + 1, 15))
                bytes[144 + code] = UInt8(max(code - 1, 0))
            }
        }
        var product = [Double](repeating: 0, count: columns), memory = [Double](repeating: 0, count: 5 * columns), count = 0
        qk_flip_products_at(level, moments, columns, columns, delta, 1, &product, columns)
        memory.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return }
            var row = qk_flip_row(
                gradient: base, direction: base + columns, curvature: base + 2 * columns, up: base + 3 * columns, down: base + 4 * columns)
            #expect(qk_flip_prepare(moments, columns, 0.5, 3, 1.25, delta, product, &row) > 0)
            qk_flip_run_at(level, moments, columns, 0.5, 3, &steps, scales, limit, &row, &codes, &count)
        }
        return (codes, memory[..<columns].map(\.bitPattern), count)
    }

    @Test(arguments: levels)
    func everyLevelTakesTheSameSteps(_ level: qk_simd) {
        for columns in [1, 2, 7, 8, 9, 31, 40] {
            let expected = run(QK_SCALAR, columns: columns, seed: UInt64(columns), limit: 1000)
            let found = run(level, columns: columns, seed: UInt64(columns), limit: 1000)
            #expect(found.codes == expected.codes && found.count == expected.count && found.count < 1000)
            #expect(difference(found.gradient, expected.gradient) == nil)
            #expect(run(level, columns: columns, seed: UInt64(columns), limit: 1).count <= 1)
        }
    }

    /// Two inputs that are always the same: of equal steps the one of the lower column is taken.
    @Test(arguments: levels)
    func equalStepsAreTakenFromTheLeft(_ level: qk_simd) {
        for columns in [4, 9, 24] {
            let moments = [Float](repeating: 1, count: columns * columns)
            let scales = [Float](repeating: 1, count: columns)
            var codes = [UInt8](repeating: 0, count: columns)
            var steps = qk_flip_steps()
            withUnsafeMutableBytes(of: &steps) { bytes in
                for code in 0..<16 { bytes.storeBytes(of: Double(min(code, 1)), toByteOffset: 8 * code, as: Double.self) }
                bytes[128] = 1
                bytes[129] = 1
            }
            // Half the gradient of a delta of 2.4 in one of them: two steps of 1 bring it back.
            var memory = [Double](repeating: -2.4, count: columns) + [Double](repeating: 0, count: columns)
            memory += [Double](repeating: 1, count: columns) + [Double](repeating: 0, count: 2 * columns)
            var count = 0
            memory.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return }
                var row = qk_flip_row(
                    gradient: base, direction: base + columns, curvature: base + 2 * columns, up: base + 3 * columns,
                    down: base + 4 * columns)
                qk_flip_run_at(level, moments, columns, 0, 0, &steps, scales, 100, &row, &codes, &count)
            }
            #expect(codes == [1, 1] + [UInt8](repeating: 0, count: columns - 2) && count == 2)
        }
    }
}
