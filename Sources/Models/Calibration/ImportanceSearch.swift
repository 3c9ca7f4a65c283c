import Architectures
package import ByteIO
import CKernels
import Checkpoints
package import GGUFFormat
package import ModelLoading
package import Quantization
import TensorCore
package import Transformer

/// Chooses the codes of a model's weights by the importance of their inputs alone, as an imatrix file tells it: scales of blocks are searched
/// for, each code is the nearest one.
package struct ImportanceSearch {
    /// What a .qnf says of it.
    package static let name = "imatrix-nf4 1"

    private let checkpoint: Checkpoint
    /// Of the tensors that the file says something of: h, by name.
    package let importances: [String: [Double]]
    /// Names of weights, as GGUF files have them, that the file says nothing of.
    package let missing: [String]
    private let quantizer: CalibratedQuantizer

    /// - Parameter settings: of NF4.
    /// - Throws: where the file says something of none, or tells of other numbers of inputs.
    package init(
        _ file: ImportanceFile, for layered: LayeredModel, _ settings: QuantizationSettings, engine: MatrixEngine
    ) throws(FileError) {
        let checkpoint = layered.checkpoint, model = layered.configuration
        var found: [String: [Double]] = [:], missing: [String] = []
        for expected in model.linearWeights + model.expertWeights
        where expected.dimensions.count == 2 && GGUFSpelling.modules[expected.key.role] != nil {
            let name = model.nameInGGUF(ModuleKey(expected.key.role, layer: expected.key.layer), .weight)
            guard let entry = file.entries[name] else {
                missing.append(name)
                continue
            }
            let inputs = expected.sizes.inputs, number = expected.key.expert ?? 0
            let count = expected.key.expert == nil ? 1 : model.mixture?.expertCount ?? 1
            guard entry.means.count == inputs * count else {
                throw FileError(
                    file.path, at: "'\(name)'",
                    "has \(entry.means.count) values, but \(count == 1 ? "" : "\(count) experts of ")\(inputs) inputs are expected: it is of another model"
                )
            }
            let means = entry.means[number * inputs..<(number + 1) * inputs].map { Double($0) }
            let added = CalibratedQuantizer.defaultDamping * (means.reduce(0, +) / Double(inputs))
            // Inputs that were always 0 tell nothing.
            guard added > 0 else { continue }
            found[layered.weight(ofModule: expected.module).name] = means.map { $0 + added }
        }
        guard !found.isEmpty else {
            throw FileError(
                file.path, "says nothing of the weights of \(checkpoint.path): it is of another model",
                hint: "names are those of GGUF files: '\(missing.first ?? "blk.0.attn_q.weight")'")
        }
        self.checkpoint = checkpoint
        importances = found
        self.missing = missing
        quantizer = CalibratedQuantizer(settings, engine: engine)
    }

    /// Hands out every wanted weight, in the order of the checkpoint.
    ///
    /// Errors are roots of the sum of h (q - w)^2 by that of h w^2: what calibration has of outputs, for inputs that have nothing to do with
    /// each other.
    package func run(
        wanted: (String) -> Bool, progress: () -> Void = {}, _ body: (ModelCalibration.Outcome) throws -> Void
    ) throws {
        for tensor in checkpoint.tensors where wanted(tensor.name) {
            guard let importance = importances[tensor.name] else { continue }
            try body(outcome(of: tensor, importance))
            progress()
        }
    }

    private func outcome(of tensor: LogicalTensor, _ importance: [Double]) throws(FileError) -> ModelCalibration.Outcome {
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        let elements = try reader.allElements()
        let nearest = elements.withUnsafeBufferPointer { FourBitWeight(nearest: $0, quantizer.settings) }
        let searched = elements.withUnsafeBufferPointer { quantizer.quantize($0, importance: importance) }
        guard let nearest, let searched else {
            throw FileError(
                checkpoint.path, at: "tensor '\(tensor.name)'", "cannot be quantized: it has values that are not finite, or too large",
                hint: "the file is damaged, or was made of a model with such values")
        }
        let errors = ModelCalibration.Errors(
            calibrated: error(searched, elements, importance), plain: error(nearest, elements, importance))
        let isBetter = (errors.calibrated ?? .infinity) < errors.plain
        return ModelCalibration.Outcome(
            tensor: tensor, weight: isBetter ? searched : nearest, errors: errors,
            matrices: [.init(isBetter ? .searched : .nearest, tokenCount: 0)], isOfExperts: false)
    }

    private func error(_ weight: FourBitWeight, _ elements: [Float], _ importance: [Double]) -> Double {
        var restored = elements
        restored.withUnsafeMutableBufferPointer { weight.dequantize(quantizer.settings, into: $0) }
        let columns = importance.count
        var (error, all) = (0.0, 0.0)
        for start in stride(from: 0, to: elements.count, by: columns) {
            for column in 0..<columns {
                let value = Double(elements[start + column]), difference = Double(restored[start + column]) - value
                error += importance[column] * difference * difference
                all += importance[column] * value * value
            }
        }
        return all > 0 ? (error / all).squareRoot() : 0
    }
}

extension CalibratedQuantizer {
    /// Scales by the importance of each input, [in], and of each element the code that is nearest to it with the scale that readers see.
    ///
    /// - Returns: nil where the constants cannot be quantized.
    package func quantize(_ weight: UnsafeBufferPointer<Float>, importance: [Double]) -> FourBitWeight? {
        let absmax = scales(of: weight, importance)
        guard let restored = FourBitWeight.restored(absmax, settings) else { return nil }
        return FourBitWeight(codes: nearestCodes(of: weight, restored), absmax: absmax, restored: restored)
    }

    /// Of each element the code that is nearest to it.
    ///
    /// - Parameter scales: of the blocks, as readers will see them.
    func nearestCodes(of weight: UnsafeBufferPointer<Float>, _ scales: [Float]) -> [UInt8] {
        let blockSize = settings.blockSize
        let thresholds = (0..<15).map { Float(bitPattern: qk_quantize4_thresholds(QK_NF4)[$0]) }
        return thresholds.withUnsafeBufferPointer { thresholds in
            [UInt8](unsafeUninitializedCapacity: (weight.count + 1) / 2) { packed, count in
                count = (weight.count + 1) / 2
                for byte in 0..<count {
                    let first = 2 * byte, scale = scales[first / blockSize]
                    let high = Self.nearest(weight[first] / scale, thresholds)
                    // After an odd number of elements, the code of 0.
                    let low = first + 1 < weight.count ? Self.nearest(weight[first + 1] / scale, thresholds) : 7
                    packed[byte] = high << 4 | low
                }
            }
        }
    }

    /// How many thresholds a value is above; what is no number, of a block whose scale is 0, is above all.
    private static func nearest(_ value: Float, _ thresholds: UnsafeBufferPointer<Float>) -> UInt8 {
        var code = 0
        for step in [8, 4, 2, 1] where !(value <= thresholds[code + step - 1]) { code += step }
        return UInt8(code)
    }
}
