/// The two families of integer products.
enum IntegerKernels {
    /// `qk_matmul16`: activations of 13 bits in groups of 64, or as blocks of GGUF files are grouped.
    case sixteenBits
    /// `qk_matmul8`: activations of 8 bits in groups of 8. For few rows of x, where reading weights is what takes time: in tiles for many,
    /// products of 16 bits are as fast without VNNI, and more exact.
    case eightBits

    /// What a precision takes for a weight and so many rows of x; nil for none, which is multiplied in float32.
    init?(_ precision: MatrixEngine.Precision, for weight: WeightMatrix, rowCount: Int) {
        if precision == .fast, rowCount <= MatrixEngine.fewRows, weight.hasByteProducts {
            self = .eightBits
        } else if precision != .exact, weight.hasIntegerProducts {
            self = .sixteenBits
        } else {
            return nil
        }
    }
}
