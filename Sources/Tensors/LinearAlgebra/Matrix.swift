/// A dense matrix of float32, row by row.
package struct Matrix: Hashable, Sendable {
    package let rows: Int
    package let columns: Int
    /// [rows, columns].
    package var elements: [Float]

    package init(rows: Int, columns: Int, elements: [Float]) {
        precondition(rows >= 0 && columns >= 0 && elements.count == rows * columns, "\(elements.count) elements of [\(rows), \(columns)]")
        self.rows = rows
        self.columns = columns
        self.elements = elements
    }

    package init(zeros rows: Int, _ columns: Int) {
        self.init(rows: rows, columns: columns, elements: [Float](repeating: 0, count: rows * columns))
    }

    package subscript(row: Int, column: Int) -> Float {
        get { elements[row * columns + column] }
        set { elements[row * columns + column] = newValue }
    }

    /// [columns, rows].
    package var transposed: Matrix {
        var result = Matrix(zeros: columns, rows)
        for row in 0..<rows { for column in 0..<columns { result.elements[column * rows + row] = elements[row * columns + column] } }
        return result
    }

    /// Every element times `factor`.
    package func scaled(by factor: Float) -> Matrix {
        Matrix(rows: rows, columns: columns, elements: elements.map { $0 * factor })
    }

    /// The first rows.
    package func prefix(rows count: Int) -> Matrix {
        Matrix(rows: count, columns: columns, elements: Array(elements[..<(count * columns)]))
    }

    /// The first columns.
    package func prefix(columns count: Int) -> Matrix {
        var result = Matrix(zeros: rows, count)
        for row in 0..<rows {
            result.elements.replaceSubrange(row * count..<(row + 1) * count, with: elements[row * columns..<row * columns + count])
        }
        return result
    }

    /// The squares of all elements, added up in double precision.
    package var squareSum: Double { elements.reduce(0) { $0 + Double($1) * Double($1) } }
}

extension Matrix {
    /// Matrices of equally many columns, one under the other.
    package init(stacked matrices: [Matrix]) {
        precondition(Set(matrices.map(\.columns)).count == 1, "stacked matrices have equally many columns")
        self.init(
            rows: matrices.reduce(0) { $0 + $1.rows }, columns: matrices[0].columns, elements: matrices.flatMap(\.elements))
    }

    /// Matrices of equally many rows, one beside the other.
    package init(besideEachOther matrices: [Matrix]) {
        precondition(Set(matrices.map(\.rows)).count == 1, "matrices beside each other have equally many rows")
        var elements: [Float] = []
        elements.reserveCapacity(matrices.reduce(0) { $0 + $1.elements.count })
        for row in 0..<matrices[0].rows {
            for matrix in matrices { elements += matrix.elements[row * matrix.columns..<(row + 1) * matrix.columns] }
        }
        self.init(rows: matrices[0].rows, columns: matrices.reduce(0) { $0 + $1.columns }, elements: elements)
    }
}
