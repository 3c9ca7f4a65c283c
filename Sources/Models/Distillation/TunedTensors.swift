import Architectures
import ByteIO
import Calibration
import Checkpoints
import ModelLoading
import Quantization
import TensorCore
import Training
import Transformer

/// What of a 4-bit model is tuned, by the tensors that hold it.
struct TunedTensors {
    private struct Constants {
        let weight: ScaledWeight
        let tensor: LogicalTensor
        let slot: Int
        let settings: QuantizationSettings
    }

    private struct Vector {
        let tensor: LogicalTensor
        let slot: Int
    }

    private let model: TrainableModel
    private let path: String
    private let constants: [Constants]
    private let vectors: [Vector]

    /// - Throws: where a norm is stored in a type that nothing is rounded to, or nothing is 4-bit.
    init(of model: TrainableModel, _ student: LoadedModel) throws(FileError) {
        let index = try WeightIndex(student.checkpoint, student.configuration)
        let slots = Dictionary(model.parameters.slots.enumerated().map { ($1.name, $0) }) { first, _ in first }
        var constants: [Constants] = [], vectors: [Vector] = []
        for expected in student.configuration.expectedTensors {
            guard let tensor = index[expected.name]?.tensor else { continue }
            if let weight = model.scaledWeights[expected.module], expected.isLinearWeight,
                let slot = slots[ScaledWeight.slotName(of: expected.name)]
            {
                guard let settings = tensor.quantized?.state.settings else {
                    preconditionFailure("a weight with constants is of bitsandbytes' layout")
                }
                constants.append(Constants(weight: weight, tensor: tensor, slot: slot, settings: settings))
            } else if let slot = slots[expected.name] {
                guard [.f32, .f16, .bf16].contains(tensor.scalarType) else {
                    throw FileError(
                        student.checkpoint.path, at: "tensor '\(tensor.name)'",
                        "is of type \(tensor.scalarType.rawValue), but norms are tuned in F32, F16 or BF16",
                        hint: "another type can be chosen for what is not quantized")
                }
                vectors.append(Vector(tensor: tensor, slot: slot))
            }
        }
        guard !constants.isEmpty else {
            throw FileError(student.checkpoint.path, "has no 4-bit weight of a linear layer whose constants could be tuned")
        }
        self.model = model
        path = student.checkpoint.path
        self.constants = constants
        self.vectors = vectors
    }

    /// Makes the parameters what whoever reads the file will see: constants quantized themselves, norms rounded to their types.
    ///
    /// - Returns: what is to be stored.
    func rounded() throws(FileError) -> TunedConstants {
        var tuned = TunedConstants(absmax: [:], vectors: [:])
        let parameters = model.parameters
        for part in constants {
            let absmax = part.weight.constants, original = part.weight.originalConstants, factors = parameters.value(part.slot)
            guard let restored = FourBitWeight.restored(absmax, part.settings), restored.allSatisfy(\.isFinite) else {
                throw FileError(path, at: "tensor '\(part.tensor.name)'", "its tuned constants cannot be quantized")
            }
            // A constant of 0 stays one, whatever its factor is.
            for block in absmax.indices { factors[block] = original[block] == 0 ? 0 : restored[block] / original[block] - 1 }
            tuned.absmax[part.tensor.name] = absmax
        }
        for vector in vectors {
            let values = parameters.array(vector.slot).map { FloatConversion.rounded($0, to: vector.tensor.scalarType) }
            guard values.allSatisfy(\.isFinite) else {
                throw FileError(path, at: "tensor '\(vector.tensor.name)'", "what it was tuned to is too large for its type")
            }
            parameters.value(vector.slot).update(from: values, count: values.count)
            tuned.vectors[vector.tensor.name] = values
        }
        return tuned
    }
}
