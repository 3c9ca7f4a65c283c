import Testing

@testable import LinearAlgebra

struct DecompositionTests {
    /// Uniform in -1 ... 1, the same on every machine.
    private static func random(_ rows: Int, _ columns: Int, seed: UInt32) -> Matrix {
        var state = seed
        return Matrix(
            rows: rows, columns: columns,
            elements: (0..<rows * columns).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return Float(Int32(bitPattern: state)) * 0x1p-31
            })
    }

    /// Largest difference of two matrices.
    private static func distance(_ a: Matrix, _ b: Matrix) -> Float {
        zip(a.elements, b.elements).map { abs($0 - $1) }.max() ?? 0
    }

    private static func identity(_ count: Int) -> Matrix {
        var matrix = Matrix(zeros: count, count)
        for index in 0..<count { matrix[index, index] = 1 }
        return matrix
    }

    private static let shapes = [(1, 1), (5, 1), (1, 6), (7, 4), (4, 7), (33, 33)]

    @Test(arguments: shapes) func factorsGiveTheMatrixBack(_ rows: Int, _ columns: Int) throws {
        let matrix = Self.random(rows, columns, seed: 7)
        let k = min(rows, columns)
        let qr = try QRDecomposition(of: matrix)
        #expect(Self.distance(Matrix.product(qr.q, qr.r), matrix) < 1e-5)
        #expect(Self.distance(Matrix.product(qr.q.transposed, qr.q), Self.identity(k)) < 1e-5)
        for row in 0..<k { for column in 0..<min(row, columns) { #expect(qr.r[row, column] == 0) } }
        let svd = try SingularValues(of: matrix)
        var scaled = svd.u
        for row in 0..<rows { for column in 0..<k { scaled[row, column] *= svd.values[column] } }
        #expect(Self.distance(Matrix.product(scaled, svd.vt), matrix) < 1e-5)
        #expect(svd.values == svd.values.sorted(by: >))
        #expect(Self.distance(Matrix.product(svd.vt, svd.vt.transposed), Self.identity(k)) < 1e-5)
    }

    @Test func keepsWhatTheRankAllows() throws {
        // Singular values 3, 2, 1 along the axes.
        var matrix = Matrix(zeros: 4, 3)
        for (index, value) in [Float(2), 3, 1].enumerated() { matrix[index, index] = value }
        let cut = try LowRankProduct(truncating: matrix, toRank: 2)
        #expect(cut.left.columns == 2 && cut.right.rows == 2)
        #expect(abs(cut.keptEnergy - 13.0 / 14) < 1e-6)
        var expected = matrix
        expected[2, 2] = 0
        #expect(Self.distance(Matrix.product(cut.left, cut.right), expected) < 1e-5)
    }

    @Test func cutsAProductWithoutFormingIt() throws {
        let left = Self.random(40, 6, seed: 1), right = Self.random(6, 30, seed: 2)
        let whole = Matrix.product(left, right)
        let exact = try LowRankProduct(truncating: left, right, toRank: 6)
        #expect(Self.distance(Matrix.product(exact.left, exact.right), whole) < 1e-5)
        #expect(exact.keptEnergy > 0.999_999)
        let direct = try LowRankProduct(truncating: whole, toRank: 2), cut = try LowRankProduct(truncating: left, right, toRank: 2)
        #expect(Self.distance(Matrix.product(direct.left, direct.right), Matrix.product(cut.left, cut.right)) < 1e-4)
        #expect(abs(direct.keptEnergy - cut.keptEnergy) < 1e-5)
    }

    @Test func aRankBeyondTheMatrixIsAllOfIt() throws {
        let matrix = Self.random(5, 3, seed: 3)
        let cut = try LowRankProduct(truncating: matrix, toRank: 100)
        #expect(cut.left.columns == 3)
        #expect(Self.distance(Matrix.product(cut.left, cut.right), matrix) < 1e-5)
    }

    @Test func zerosHaveAllTheirEnergy() throws {
        #expect(try LowRankProduct(truncating: Matrix(zeros: 3, 2), toRank: 1).keptEnergy == 1)
    }

    @Test func refusesWhatIsNoNumber() {
        var matrix = Self.random(3, 3, seed: 4)
        matrix[1, 1] = .nan
        #expect(throws: LinearAlgebraError(description: "a value of the matrix is not finite")) { try SingularValues(of: matrix) }
        #expect(throws: LinearAlgebraError(description: "a value of the matrix is not finite")) { try QRDecomposition(of: matrix) }
    }
}
