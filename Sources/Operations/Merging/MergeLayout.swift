import ByteIO
import Checkpoints
import Quantization
import TensorCore

/// Where the tensors of a merge are stored.
enum MergeLayout {
    /// In a .qnf, by its own rules.
    static func qnf(
        _ plan: MergePlan, files: [CompanionFile], undoRecord: (name: String, byteCountLimit: Int)?
    ) throws -> QNFPlan {
        let planned = try plan.items.map { item in
            PlannedTensor(
                name: item.name, form: try form(item, plan),
                orientation: item.shape == item.tensor.shape ? item.tensor.orientation : .outputsByInputs)
        }
        do throws(QuantizationError) {
            return try QNFPlan(tensors: planned, files: files, undoRecord: undoRecord)
        } catch {
            throw FileError(plan.base.path, error.message)
        }
    }

    private static func form(_ item: MergePlan.Item, _ plan: MergePlan) throws -> PlannedTensor.Form {
        switch (item.outcome, item.tensor.storage) {
        case (.dense(let info), _), (.added(let info, _), _): return .plain(info)
        case (.quantized(let state, let settings), _): return .quantized(settings, scalarType: state.scalarType, shape: state.shape)
        case (.copy, .quantized(let quantized)):
            guard let settings = quantized.state.settings else {
                throw FileError(
                    plan.tensors(of: item.origin).path, at: "tensor '\(item.name)'",
                    "its constants are quantized in blocks of \(quantized.state.nested?.blockSize ?? 0), but a .qnf holds blocks of "
                        + "\(QuantizationSettings.nestedBlockSize)")
            }
            return .quantized(settings, scalarType: quantized.state.scalarType, shape: quantized.state.shape)
        case (.copy, .plain(let index)):
            var info = plan.tensors(of: item.origin).source.tensors[index]
            info.name = item.name
            return .plain(info)
        case (.copy, .encoded): preconditionFailure("a .qnf holds '\(item.name)' as 4-bit or dense")
        }
    }

    /// Dense items as they are stored.
    static func info(_ item: MergePlan.Item, _ plan: MergePlan) -> TensorInfo {
        switch (item.outcome, item.tensor.storage) {
        case (.dense(let info), _), (.added(let info, _), _): return info
        case (.copy, .plain(let index)):
            var info = plan.tensors(of: item.origin).source.tensors[index]
            info.name = item.name
            return info
        default: preconditionFailure("'\(item.name)' is not dense")
        }
    }
}

extension Merge {
    /// Bytes of all tensors that a merge writes, without an undo record, headers and files.
    package static func outputByteCount(_ plan: MergePlan) throws -> Int {
        guard case .qnf = plan.form else { return plan.items.reduce(0) { $0 + MergeLayout.info($1, plan).byteCount } }
        return try MergeLayout.qnf(plan, files: [], undoRecord: nil).stored.reduce(0) { $0 + $1.byteCount }
    }
}
