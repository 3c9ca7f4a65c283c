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

    /// The dimensions of [out, in] for those of a tensor that lies so, and the other way round; only those of a matrix change.
    package func turned(_ dimensions: [Int]) -> [Int] {
        self == .inputsByOutputs && dimensions.count == 2 ? dimensions.reversed() : dimensions
    }

    /// Row and column of element `position` of [out, in], by the dimensions of the matrix as it lies.
    package func place(ofElement position: Int, in dimensions: [Int]) -> [Int] {
        let (output, input) = position.quotientAndRemainder(dividingBy: sizes(of: dimensions).inputs)
        return self == .outputsByInputs ? [output, input] : [input, output]
    }
}
