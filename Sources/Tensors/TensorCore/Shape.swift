/// The dimensions of a tensor, row-major: the last one varies fastest. No dimensions is a scalar of one element.
package struct Shape: Hashable, Sendable, CustomStringConvertible {
    package let dimensions: [Int]
    /// The product of the dimensions, known not to overflow.
    package let elementCount: Int

    /// Dimensions of a tensor at most: TensorFlow's limit, the highest of the libraries that could read one.
    package static let rankLimit = 254

    /// Nil where a dimension is negative, there are more than `rankLimit`, or the product does not fit an `Int`.
    package init?(_ dimensions: [Int]) {
        guard dimensions.count <= Self.rankLimit else { return nil }
        var product = 1
        // A zero anywhere makes the product zero, but the others must still be sane: a product that overflows
        // before the zero is met is refused as every reader would.
        for dimension in dimensions {
            guard dimension >= 0 else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            guard !overflow else { return nil }
            product = next
        }
        self.dimensions = dimensions
        elementCount = product
    }

    /// Written as in a safetensors header: `[50257, 768]`.
    package var description: String {
        // Not that of the array, which asks of every element at run time how it describes itself.
        var text = "["
        for (index, dimension) in dimensions.enumerated() {
            if index > 0 { text += ", " }
            text += String(dimension)
        }
        return text + "]"
    }
}
