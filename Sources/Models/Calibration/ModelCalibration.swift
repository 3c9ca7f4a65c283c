import ByteIO
package import Checkpoints
import ModelLoading
package import Quantization
import TensorCore

/// Chooses the codes of all linear layers of a model by what their inputs are on a text, layer by layer.
package struct ModelCalibration {
    /// What becomes of a weight.
    package struct Outcome {
        /// The tensor of the checkpoint that is quantized.
        package let tensor: LogicalTensor
        package let weight: FourBitWeight
        package let errors: Errors
        /// Whether the codes are the calibrated ones: these are not taken where the nearest ones are as good on the tokens held out.
        package let isCalibrated: Bool
    }

    /// Errors of a layer's outputs on held-out tokens, as shares of the outputs: root of |X (Q - W)'|^2 / |X W'|^2.
    package struct Errors: Sendable, Hashable {
        /// Of calibrated codes; nil where there are none.
        package let calibrated: Double?
        /// Of the nearest codes.
        package let plain: Double
    }

    package let pass: CalibrationPass
    package let quantizer: CalibratedQuantizer

    package init(_ pass: CalibrationPass, _ settings: QuantizationSettings, damping: Double = CalibratedQuantizer.defaultDamping) {
        self.pass = pass
        quantizer = CalibratedQuantizer(settings, damping: damping, engine: pass.engine)
    }

    /// Hands out every wanted weight, in the order of the forward pass.
    ///
    /// - Parameters:
    ///   - wanted: the tensors that are to be quantized, by name.
    ///   - progress: told of each layer that is done.
    /// - Returns: `sha256:...` of all moments, those of weights that are not wanted included.
    package func run(
        wanted: (String) -> Bool, progress: () -> Void = {}, _ body: (Outcome) throws -> Void
    ) throws -> String {
        var digest = SHA256()
        var layer = 0
        try pass.run { group in
            if group.layer != layer { progress() }
            layer = group.layer
            digest.append(Array("\(group.layer) \(group.modules[0].name) \(group.moments.matrix.checksum)\n".utf8))
            let modules = group.modules.filter { wanted($0.weight.name) }
            guard !modules.isEmpty else { return }
            let inputs = quantizer.inputs(group.moments.matrix)
            let judge = OutputError(on: group.moments, engine: pass.engine)
            for module in modules { try body(outcome(of: module.weight, inputs, judge)) }
        }
        progress()
        return "sha256:" + digest.finish()
    }

    private func outcome(
        of tensor: LogicalTensor, _ inputs: CalibratedQuantizer.Inputs?, _ judge: OutputError
    ) throws -> Outcome {
        let checkpoint = pass.model.checkpoint, settings = quantizer.settings
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        let elements = try reader.allElements()
        try requireFinite(elements, of: tensor)
        return try elements.withUnsafeBufferPointer { weight in
            guard let plain = FourBitWeight(nearest: weight, settings) else {
                throw FileError(
                    checkpoint.path, at: "tensor '\(tensor.name)'", "its constants cannot be quantized: their mean is not finite",
                    hint: "its values are too large to be averaged; use `plainConstants`")
            }
            let all = judge.squares(of: weight, columns: reader.columns)
            func share(_ quantized: FourBitWeight) -> Double {
                let error = judge.squares(of: quantized, settings, against: weight, columns: reader.columns)
                return all > 0 ? (error / all).squareRoot() : 0
            }
            let plainError = share(plain)
            guard let inputs, let calibrated = quantizer.quantize(weight, inputs) else {
                return Outcome(tensor: tensor, weight: plain, errors: Errors(calibrated: nil, plain: plainError), isCalibrated: false)
            }
            let errors = Errors(calibrated: share(calibrated), plain: plainError)
            let isBetter = errors.calibrated.map { $0 < plainError } ?? false
            return Outcome(tensor: tensor, weight: isBetter ? calibrated : plain, errors: errors, isCalibrated: isBetter)
        }
    }

    private func requireFinite(_ elements: [Float], of tensor: LogicalTensor) throws(FileError) {
        let first = elements.withUnsafeBytes { FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: $0), of: .f32) }
        guard let first else { return }
        throw FileError(
            pass.model.checkpoint.path, at: "tensor '\(tensor.name)'",
            "element \(tensor.orientation.place(ofElement: first, in: tensor.shape.dimensions)) is not a finite number",
            hint: "nothing can be calibrated with such a weight: the file is damaged, or was made of a model with such values")
    }
}
