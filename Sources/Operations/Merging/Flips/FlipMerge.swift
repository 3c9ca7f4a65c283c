package import Calibration
import Checkpoints
package import JSONText
package import ModelLoading
package import Streaming
import Transformer

/// How some weights of a merge are brought to what the adapters want: by flips, on inputs that a model saw of a text.
package struct FlipMerge: Sendable {
    /// A matrix that is flipped: a weight, or that of one expert where a tensor holds those of all.
    package struct Matrix: Sendable, Hashable {
        package let weight: String
        package let number: Int
        /// Matrices of the tensor; they come in their order.
        package let count: Int

        package init(_ weight: String, number: Int = 0, of count: Int = 1) {
            self.weight = weight
            self.number = number
            self.count = count
        }
    }

    /// Hands out the inputs of linear layers, each with the matrices that multiply them; nil of an expert that no token asked. The same in
    /// every call.
    package typealias Inputs =
        @Sendable (_ body: (_ matrices: [Matrix], _ inputs: () -> LayerInputs?) throws -> Void) throws -> Void

    /// Share of a delta in the weights below which quantizing again is not enough.
    package static let enough = 0.9

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
            let engine = MatrixEngine(pool: pool)
            try CalibrationPass(model, samples, engine: engine).run { group in
                for (expert, modules) in group.modules.enumerated() {
                    let (number, count) = group.isStacked ? (expert, group.expertCount) : (0, 1)
                    try body(modules.map { Matrix($0.weight.name, number: number, of: count) }) {
                        group.moments(ofExpert: expert, engine).map { LayerInputs($0) }
                    }
                }
            } _: { group in
                try body(group.modules.map { Matrix($0.weight.name) }) { LayerInputs(group.moments) }
            }
        }
    }

    /// As a member of a merge's step in the lineage.
    var document: JSONValue {
        var object = calibration
        object["mu"] = .array(FlipSearch.strengths.map { .double($0) })
        object["enough"] = .array([FlipSearch.enough.lowerBound, FlipSearch.enough.upperBound].map { .double($0) })
        object["largest_aim"] = .double(FlipSearch.largestAim)
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
