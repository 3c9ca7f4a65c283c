import CKernels
import Transformer

/// The tensors of a model by their canonical names, as loading leaves them.
struct FrozenTensors {
    private let matrices: [String: WeightMatrix]
    private let vectors: [String: [Float]]

    init(_ weights: ModelWeights) {
        var matrices: [String: WeightMatrix] = [:]
        var vectors: [String: [Float]] = [:]
        func add(_ norm: NormWeights) {
            vectors[norm.name + ".weight"] = norm.weight
            vectors[norm.name + ".bias"] = norm.bias
        }
        for table in [weights.embedding, weights.positions].compactMap(\.self) { matrices[table.name + ".weight"] = table.matrix }
        for layer in weights.layers {
            for norm in [layer.attentionNorm, layer.queryNorm, layer.keyNorm, layer.mlpNorm].compactMap(\.self) { add(norm) }
            for linear in layer.linearLayers {
                matrices[linear.name + ".weight"] = linear.matrix
                vectors[linear.name + ".bias"] = linear.bias
            }
        }
        add(weights.finalNorm)
        matrices[weights.head.name + ".weight"] = weights.head.matrix
        self.matrices = matrices
        self.vectors = vectors
    }

    func matrix(_ name: String) -> WeightMatrix {
        guard let matrix = matrices[name] else { preconditionFailure("a loaded model has '\(name)'") }
        return matrix
    }

    /// Elements of a vector, or of a matrix row by row as it is stored, widened.
    func floats(_ name: String) -> [Float] {
        if let vector = vectors[name] { return vector }
        let matrix = matrix(name).stored
        return [Float](unsafeUninitializedCapacity: matrix.rowCount * matrix.columnCount) { buffer, count in
            withUnsafePointer(to: matrix) { stored in
                for row in 0..<matrix.rowCount {
                    qk_matrix_expand(stored, row, 0, matrix.columnCount, buffer.baseAddress.map { $0 + row * matrix.columnCount })
                }
            }
            count = matrix.rowCount * matrix.columnCount
        }
    }
}
