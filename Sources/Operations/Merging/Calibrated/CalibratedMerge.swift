package import Calibration
package import Checkpoints
package import JSONText
package import ModelLoading
package import Quantization
package import Streaming
import Transformer

/// How merged weights of a reference become 4-bit: by codes and scales that are chosen by what the layers' inputs are on a text.
package struct CalibratedMerge: Sendable {
    /// Chooses the weights that are `wanted`, of the elements that they are to have, and hands them out in an order that is always the same.
    package typealias Choice =
        @Sendable (
            _ settings: QuantizationSettings, _ wanted: (String) -> Bool, _ values: (LogicalTensor, Range<Int>) throws -> [Float],
            _ body: (ModelCalibration.Outcome) throws -> Void
        ) throws -> Void

    let quantize: Choice
    /// What the inputs come from, for the lineage.
    let calibration: JSONObject

    package init(calibration: JSONObject, quantize: @escaping Choice) {
        self.calibration = calibration
        self.quantize = quantize
    }

    /// On the inputs that the reference itself sees of samples.
    ///
    /// - Throws: where the samples are not for this model.
    package init(of model: LayeredModel, on samples: CalibrationSamples, calibration: JSONObject, resources: Resources) throws {
        let pool = resources.pool
        _ = try CalibrationPass(model, samples, engine: MatrixEngine(pool: pool))
        self.init(calibration: calibration) { settings, wanted, values, body in
            let pass = try CalibrationPass(model, samples, engine: MatrixEngine(pool: pool))
            _ = try ModelCalibration(pass, settings).run(wanted: wanted, values: values, body)
        }
    }

    /// As a member of a merge's step in the lineage.
    var document: JSONValue {
        var object = calibration
        object["quantizer"] = .string(CalibratedQuantizer.name)
        object["damping"] = .double(CalibratedQuantizer.defaultDamping)
        return .object(object)
    }
}
