import Comparison
import Platform
import Quantization

/// The error of several tensors together, as if they were one.
struct ErrorSum {
    private var referenceSquares = 0.0
    private var actualSquares = 0.0
    private var products = 0.0
    private var errorSquares = 0.0
    private(set) var largestError = 0.0
    private var count = 0

    init(_ rows: [ModelDiffReport.Row] = []) {
        for row in rows { add(row) }
    }

    /// Tensors that are no floats add nothing.
    mutating func add(_ row: ModelDiffReport.Row) {
        guard let totals = row.statistics else { return }
        referenceSquares += totals.referenceSquareSum
        actualSquares += totals.actualSquareSum
        products += totals.productSum
        errorSquares += totals.errorSquareSum
        largestError = max(largestError, totals.largestError)
        count += 1
    }

    /// Nil of no tensors.
    var relativeError: Double? {
        if count == 0 { return nil }
        return errorSquares == 0 ? 0 : (errorSquares / referenceSquares).squareRoot()
    }

    var cosine: Double {
        let norms = referenceSquares.squareRoot() * actualSquares.squareRoot()
        return errorSquares == 0 ? 1 : norms == 0 ? 0 : products / norms
    }

    /// Signal to noise.
    var decibels: Double { -10 * log10(errorSquares / referenceSquares) }
}
