import ByteIO
package import Calibration
package import Checkpoints
import JSONText
import ModelLoading
package import Quantization
import Streaming
import TensorCore

extension Checkpoint {
    /// Whether a .qnf says that its codes were chosen for all of a weight at once: single ones may be far from their elements.
    package var isCalibrated: Bool { metadata?.quantizer == CalibratedQuantizer.name || isSearched }

    /// Whether it says that they were chosen by an imatrix.
    package var isSearched: Bool { metadata?.quantizer == ImportanceSearch.name }

    /// The imatrix that they were chosen by, by the last step of its lineage that did so: its name and its CRC-32C; nil where there is none.
    package var statedImportance: (name: String, checksum: String)? {
        metadata?.lineage.array?.reversed().lazy.compactMap { step in
            guard let name = step["imatrix"]?["name"]?.string, let checksum = step["imatrix"]?["crc32c"]?.string else { return nil }
            return (name, checksum)
        }.first
    }

    /// How it was calibrated, by the last step of its lineage that did so; nil where there is none.
    package var calibrationNote: CalibrationNote? {
        metadata?.lineage.array?.reversed().lazy.compactMap { $0["calibration"].flatMap { CalibrationNote($0) } }.first
    }

    /// How its constants and norms were tuned after that, by the last step of its lineage; nil where they were not.
    package var distillationNote: DistillationNote? {
        metadata?.lineage.array?.last?["distillation"].flatMap { DistillationNote($0) }
    }
}

/// Chooses the codes of a calibrated model again and compares every byte; where constants were tuned after that, those of the codes alone.
package struct CalibratedBits {
    private let choose:
        (_ wanted: (String) -> Bool, _ progress: () -> Void, _ body: (ModelCalibration.Outcome) throws -> Void) throws -> Void
    private let settings: QuantizationSettings
    private let model: Checkpoint
    private var hasTunedConstants: Bool { model.distillationNote.map { $0.weightCount > 0 } ?? false }

    /// - Parameters:
    ///   - calibration: of the source, as the model's lineage says.
    ///   - model: to judge.
    package init(_ calibration: ModelCalibration, model: Checkpoint) {
        choose = { _ = try calibration.run(wanted: $0, progress: $1, $2) }
        settings = calibration.quantizer.settings
        self.model = model
    }

    /// - Parameters:
    ///   - search: in the source, by the imatrix of the model's lineage.
    ///   - model: to judge.
    package init(_ search: ImportanceSearch, _ settings: QuantizationSettings, model: Checkpoint) {
        choose = { try search.run(wanted: $0, progress: $1, $2) }
        self.settings = settings
        self.model = model
    }

    /// - Returns: whether each weight that calibration reaches is what it gives, by the tensor's name.
    package func run(progress: () -> Void = {}) throws -> [String: Bool] {
        var tensors: [String: QuantizedTensor] = [:]
        for tensor in model.tensors { tensors[tensor.name] = tensor.quantized }
        var result: [String: Bool] = [:]
        try choose({ tensors[$0] != nil }, progress) { outcome in
            guard let tensor = tensors[outcome.tensor.name] else { return }
            result[outcome.tensor.name] = try isSame(outcome.weight, tensor)
        }
        return result
    }

    private func isSame(_ weight: FourBitWeight, _ tensor: QuantizedTensor) throws(FileError) -> Bool {
        guard tensor.state.settings == settings, try model.source.bytes(ofTensor: tensor.codes) == weight.codes else { return false }
        guard !hasTunedConstants else { return true }
        let constants = QuantizedConstants(weight.absmax, settings)
        for (part, bytes) in constants.parts {
            guard let index = tensor.index(of: part), try model.source.bytes(ofTensor: index) == bytes else { return false }
        }
        return tensor.state.nested?.offset == constants.offset
    }
}

extension RoundtripReport {
    /// The same with what is known of some tensors' bits; where constants were tuned, nothing is known of those whose codes are right.
    package func with(bits: [String: Bool]) -> RoundtripReport {
        let hasTunedConstants = distillation.map { $0.weightCount > 0 } ?? false
        func isExact(_ row: Row) -> Bool? {
            guard let isSame = bits[row.name] else { return row.isBitExact }
            return isSame && hasTunedConstants ? nil : isSame
        }
        return RoundtripReport(
            rows: rows.map { row in
                Row(
                    name: row.name, shape: row.shape, typeName: row.typeName, isQuantized: row.isQuantized, statistics: row.statistics,
                    largestBoundShare: row.largestBoundShare, isBitExact: isExact(row), isTuned: row.isTuned)
            }, quantizedTotals: quantizedTotals, missing: missing, extra: extra, mismatched: mismatched, isCalibrated: isCalibrated,
            distillation: distillation)
    }
}
