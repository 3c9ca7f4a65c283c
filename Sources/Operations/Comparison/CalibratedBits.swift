import ByteIO
package import Calibration
package import Checkpoints
import JSONText
import ModelLoading
import Quantization
import Streaming
import TensorCore

extension Checkpoint {
    /// Whether a .qnf says that its codes were chosen by calibration.
    package var isCalibrated: Bool { metadata?.quantizer == CalibratedQuantizer.name }

    /// How it was calibrated, by the last step of its lineage that did so; nil where there is none.
    package var calibrationNote: CalibrationNote? {
        metadata?.lineage.array?.reversed().lazy.compactMap { $0["calibration"].flatMap { CalibrationNote($0) } }.first
    }
}

/// Chooses the codes of a calibrated model again and compares every byte.
package struct CalibratedBits {
    private let calibration: ModelCalibration
    private let model: Checkpoint

    /// - Parameters:
    ///   - calibration: of the source, as the model's lineage says.
    ///   - model: to judge.
    package init(_ calibration: ModelCalibration, model: Checkpoint) {
        self.calibration = calibration
        self.model = model
    }

    /// - Returns: whether each weight that calibration reaches is what it gives, by the tensor's name.
    package func run(progress: () -> Void = {}) throws -> [String: Bool] {
        var tensors: [String: QuantizedTensor] = [:]
        for tensor in model.tensors { tensors[tensor.name] = tensor.quantized }
        var result: [String: Bool] = [:]
        _ = try calibration.run(wanted: { tensors[$0] != nil }, progress: progress) { outcome in
            guard let tensor = tensors[outcome.tensor.name] else { return }
            result[outcome.tensor.name] = try isSame(outcome.weight, tensor)
        }
        return result
    }

    private func isSame(_ weight: FourBitWeight, _ tensor: QuantizedTensor) throws(FileError) -> Bool {
        let settings = calibration.quantizer.settings
        guard tensor.state.settings == settings, try model.source.bytes(ofTensor: tensor.codes) == weight.codes else { return false }
        let constants = QuantizedConstants(weight.absmax, settings)
        for (part, bytes) in constants.parts {
            guard let index = tensor.index(of: part), try model.source.bytes(ofTensor: index) == bytes else { return false }
        }
        return tensor.state.nested?.offset == constants.offset
    }
}

extension RoundtripReport {
    /// The same with what is known of some tensors' bits.
    package func with(bits: [String: Bool]) -> RoundtripReport {
        RoundtripReport(
            rows: rows.map { row in
                Row(
                    name: row.name, shape: row.shape, typeName: row.typeName, isQuantized: row.isQuantized, statistics: row.statistics,
                    largestBoundShare: row.largestBoundShare, isBitExact: bits[row.name] ?? row.isBitExact)
            }, quantizedTotals: quantizedTotals, missing: missing, extra: extra, mismatched: mismatched, isCalibrated: isCalibrated)
    }
}
