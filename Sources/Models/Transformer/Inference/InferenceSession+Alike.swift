import Architectures
import CKernels
import TensorCore

extension InferenceSession {
    /// How many tokens one pass from the next position on may have, so that each is given the very bits that it would have in a pass of
    /// its own: what was guessed can then be run before it is chosen.
    ///
    /// Few rows of x are multiplied by other sums than many (`MatrixEngine.alikeRowCount`), and angles may depend on the length of the
    /// sequence: where they change with the next token, all tokens are read again, which a pass of its own does in just so many rows.
    ///
    /// - Parameter limit: at least 1.
    /// - Returns: at least 1, at most `limit`.
    package func alikePassLength(atMost limit: Int) -> Int {
        guard stagedRotaries.allSatisfy({ $0.stage(ofLength: turnedLength) == $0.stage(ofLength: count + 1) }) else { return 1 }
        let largest = min(limit, alikeRowCount, buffers.rowLimit)
        return (1...largest).last { length in
            stagedRotaries.allSatisfy { $0.stage(ofLength: count + 1) == $0.stage(ofLength: count + length) }
        } ?? 1
    }

    /// Rows that no product with weights tells from one alone.
    var alikeRowCount: Int {
        var layers = [weights.inputProjection, weights.outputProjection, weights.head].compactMap { $0 }
        for block in blocks {
            // These are scored row by row.
            let scores = block.feedForward.mixture == nil ? [] : [block.routerLayer, block.sharedWeightLayer]
            for (number, layer) in block.linearLayers.enumerated() where !scores.contains(number) { layers.append(layer) }
            layers += block.experts.joined()
        }
        return layers.map { engine.alikeRowCount(of: $0, precision: precision) }.min() ?? .max
    }
}

extension MatrixEngine {
    /// Rows of x that `apply` gives the same bits together and one by one.
    func alikeRowCount(of layer: LinearLayer, precision: Precision) -> Int {
        // Factors of adapters are multiplied in float32.
        let few = Int(QK_MATDOT_VECTORS), rest = layer.updates.isEmpty ? Int.max : few
        switch IntegerKernels(precision, for: layer.matrix, rowCount: 1) {
        case .eightBits: return min(rest, Self.fewRows)
        case .sixteenBits: return rest
        case nil: return layer.matrix.orientation == .inputsByOutputs ? rest : few
        }
    }
}
