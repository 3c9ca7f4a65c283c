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
    ///   - journal: what was done before, and where what is done now is kept.
    ///   - observer: is shown the moments of all layers that are run now.
    ///   - progress: told of each layer that is done.
    /// - Returns: `sha256:...` of all moments, those of weights that are not wanted included.
    package func run(
        wanted: (String) -> Bool, journal: CalibrationJournal? = nil, observer: (CalibrationPass.Group) -> Void = { _ in },
        progress: () -> Void = {}, _ body: (Outcome) throws -> Void
    ) throws -> String {
        let checkpoint = pass.model.checkpoint
        return try run(
            wanted: wanted, values: { try checkpoint.reader(of: $0, order: .outputsByInputs).allElements() }, journal: journal,
            observer: observer, progress: progress, body)
    }

    /// The same of other weights than those that are run.
    ///
    /// - Parameter values: what a tensor is to hold, [out, in].
    package func run(
        wanted: (String) -> Bool, values: (LogicalTensor) throws -> [Float], journal: CalibrationJournal? = nil,
        observer: (CalibrationPass.Group) -> Void = { _ in }, progress: () -> Void = {}, _ body: (Outcome) throws -> Void
    ) throws -> String {
        var digest = SHA256()
        for layer in 0..<(journal?.finishedCount ?? 0) {
            for line in try replay(layer, of: journal, wanted, body) { digest.append(Array(line.utf8)) }
            progress()
        }
        let start = journal.flatMap { journal in
            journal.finishedCount > 0 ? CalibrationPass.Start(layer: journal.finishedCount) { try journal.readStates(into: $0) } : nil
        }
        var (lines, kept): ([String], [CalibrationJournal.Layer.Weight]) = ([], [])
        try pass.run(from: start) { layer, states in
            try journal?.add(layer, .init(lines: lines, weights: kept), states: states)
            for line in lines { digest.append(Array(line.utf8)) }
            (lines, kept) = ([], [])
            progress()
        } _: { group in
            observer(group)
            lines.append("\(group.layer) \(group.modules[0].name) \(group.moments.matrix.checksum)\n")
            let modules = group.modules.filter { wanted($0.weight.name) }
            guard !modules.isEmpty else { return }
            let inputs = quantizer.inputs(group.moments.matrix)
            let judge = OutputError(on: group.moments, engine: pass.engine)
            for module in modules {
                let outcome = try outcome(of: module.weight, values, inputs, judge)
                if journal != nil { kept.append(.init(outcome)) }
                try body(outcome)
            }
        }
        return "sha256:" + digest.finish()
    }

    /// Hands out the weights of a layer that was done before; returns what the digest is made of.
    private func replay(
        _ number: Int, of journal: CalibrationJournal?, _ wanted: (String) -> Bool, _ body: (Outcome) throws -> Void
    ) throws -> [String] {
        guard let journal else { return [] }
        let layer = try journal.layer(number), checkpoint = pass.model.checkpoint, settings = quantizer.settings
        for weight in layer.weights {
            guard wanted(weight.name), let tensor = checkpoint.tensors.first(where: { $0.name == weight.name }),
                weight.codes.count == (tensor.elementCount + 1) / 2,
                weight.absmax.count == (tensor.elementCount + settings.blockSize - 1) / settings.blockSize,
                let restored = FourBitWeight.restored(weight.absmax, settings)
            else { throw FileError(journal.folder, "its weight '\(weight.name)' is not one that is to be calibrated") }
            try body(
                Outcome(
                    tensor: tensor, weight: FourBitWeight(codes: weight.codes, absmax: weight.absmax, restored: restored),
                    errors: weight.errors, isCalibrated: weight.isCalibrated))
        }
        return layer.lines
    }

    private func outcome(
        of tensor: LogicalTensor, _ values: (LogicalTensor) throws -> [Float], _ inputs: CalibratedQuantizer.Inputs?,
        _ judge: OutputError
    ) throws -> Outcome {
        let checkpoint = pass.model.checkpoint, settings = quantizer.settings
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        let elements = try values(tensor)
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

extension CalibrationJournal.Layer.Weight {
    fileprivate init(_ outcome: ModelCalibration.Outcome) {
        self.init(
            name: outcome.tensor.name, isCalibrated: outcome.isCalibrated, errors: outcome.errors, codes: outcome.weight.codes,
            absmax: outcome.weight.absmax)
    }
}
