/// How the matrix of a linear layer lies: which of outputs and inputs its rows are.
package enum Orientation: Sendable, Hashable {
    /// A row for each output, [out, in]: as most families store it, and as every weight is quantized. Said of all other tensors, too.
    case outputsByInputs
    /// A row for each input, [in, out]: transformers' `Conv1D`.
    case inputsByOutputs

    /// Outputs and inputs of a matrix of these dimensions that lies so.
    package func sizes(of dimensions: [Int]) -> (outputs: Int, inputs: Int) {
        precondition(dimensions.count == 2, "\(dimensions) is no matrix")
        return self == .outputsByInputs ? (dimensions[0], dimensions[1]) : (dimensions[1], dimensions[0])
    }

    /// The dimensions of [out, in] for those of a tensor that lies so, and the other way round; only those of a matrix change, or of
    /// several matrices [count, rows, columns], each of which lies so.
    package func turned(_ dimensions: [Int]) -> [Int] {
        guard self == .inputsByOutputs, dimensions.count == 2 || dimensions.count == 3 else { return dimensions }
        return dimensions.dropLast(2) + dimensions.suffix(2).reversed()
    }

    /// Row and column of element `position` of [out, in], by the dimensions of the matrix as it lies; of several matrices the number of
    /// the matrix first.
    package func place(ofElement position: Int, in dimensions: [Int]) -> [Int] {
        let matrix = Array(dimensions.suffix(2))
        let (number, inMatrix) = position.quotientAndRemainder(dividingBy: matrix[0] * matrix[1])
        let (output, input) = inMatrix.quotientAndRemainder(dividingBy: sizes(of: matrix).inputs)
        return (dimensions.count > 2 ? [number] : []) + (self == .outputsByInputs ? [output, input] : [input, output])
    }
}
