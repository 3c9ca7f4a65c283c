package import Calibration
import Checkpoints
package import JSONText
package import ModelLoading
package import Streaming
import Transformer

/// How some weights of a merge are brought to what the adapters want: by flips, on inputs that a model saw of a text.
package struct FlipMerge: Sendable {
    /// Hands out the inputs of linear layers, each with the names of the weights that multiply them. The same in every call.
    package typealias Inputs =
        @Sendable (_ body: (_ weights: [String], _ inputs: () -> LayerInputs) throws -> Void) throws -> Void

    /// Share of a delta in the weights below which quantizing again is not enough.
    package static let enough = 0.9
    /// What is tried of mu in turn, as long as less than `survival` of the effect on held-out inputs is there: more of it wants the
    /// effect more and brings more noise.
    package static let strengths = [10.0, 30, 100]
    package static let survival = 0.95

    /// Of the weights that are to be flipped: what would survive in them if they were quantized again.
    package let requantized: [String: Double]
    let inputs: Inputs
    /// What the inputs come from, for the lineage.
    let calibration: JSONObject

    /// - Parameters:
    ///   - requantized: by the names of the weights that are to be flipped; `MergeTrial` finds it.
    ///   - calibration: what the inputs come from.
    package init(requantized: [String: Double], calibration: JSONObject, inputs: @escaping Inputs) {
        self.requantized = requantized
        self.inputs = inputs
        self.calibration = calibration
    }

    /// On the inputs that the base itself sees of samples: what runs is what the adapters were trained on.
    ///
    /// - Parameter calibration: what the samples come from.
    /// - Throws: where the samples are not for this model.
    package init(
        requantized: [String: Double], of model: LayeredModel, on samples: CalibrationSamples, calibration: JSONObject,
        resources: Resources
    ) throws {
        let pool = resources.pool
        _ = try CalibrationPass(model, samples, engine: MatrixEngine(pool: pool))
        self.init(requantized: requantized, calibration: calibration) { body in
            try CalibrationPass(model, samples, engine: MatrixEngine(pool: pool)).run { group in
                try body(group.modules.map(\.weight.name)) { LayerInputs(group.moments) }
            }
        }
    }

    /// As a member of a merge's step in the lineage.
    var document: JSONValue {
        var object = calibration
        object["mu"] = .array(Self.strengths.map { .double($0) })
        object["least_survival"] = .double(Self.survival)
        return .object(object)
    }
}

extension LayerInputs {
    /// Rounded to float32, both halves: steps read whole rows of the moments.
    init(_ found: InputMoments) {
        let n = found.width
        let moments = [Float](unsafeUninitializedCapacity: n * n) { floats, count in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: n) { row in
                for index in 0..<n {
                    found.matrix.readRow(index, into: row)
                    for column in 0..<n { floats[index * n + column] = Float(row[column]) }
                }
            }
            count = n * n
        }
        self.init(columnCount: n, moments: moments, heldOut: found.heldOut)
    }
}
