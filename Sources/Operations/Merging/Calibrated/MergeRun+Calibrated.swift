import ByteIO
import CKernels
import Calibration
import Checkpoints
import Parallelism
import Quantization
import Streaming
import Synchronization
import TensorCore

extension MergeRun {
    /// Whether a weight waits for the inputs of its layer, to be quantized by them.
    func isCalibrated(_ item: MergePlan.Item) -> Bool {
        guard calibrated != nil, case .quantized(_, let settings) = item.outcome else { return false }
        return item.origin == .reference && settings.quantType == .nf4
    }

    /// Merges the weights whose values are those of a reference; what is no linear layer of it is quantized by the nearest codes.
    func mergeCalibrated(_ calibrated: CalibratedMerge, _ result: inout Result) throws {
        var waiting: [QuantizationSettings: [String: Int]] = [:]
        for (index, item) in plan.items.enumerated() where isCalibrated(item) {
            guard case .quantized(_, let settings) = item.outcome else { continue }
            waiting[settings, default: [:]][item.tensor.name] = index
        }
        // Of one model all are quantized alike; if not, it is run once for each way.
        let ways = waiting.sorted { ($0.value.values.min() ?? 0) < ($1.value.values.min() ?? 0) }
        for (settings, names) in ways {
            let indices = names
            var names = names
            try calibrated.quantize(settings, { indices[$0] != nil }) { tensor, range in
                guard let index = indices[tensor.name] else { preconditionFailure("'\(tensor.name)' is wanted") }
                return try mergedValues(plan.items[index], range)
            } _: { outcome in
                guard let index = names.removeValue(forKey: outcome.tensor.name) else { return }
                try write(outcome, of: plan.items[index], settings, at: index, &result)
            }
            for index in names.values.sorted() {
                guard case .quantized(let state, let settings) = plan.items[index].outcome else { continue }
                try mergeQuantized(plan.items[index], state, settings, at: index, &result)
            }
        }
    }

    /// Elements of W + D: of whole matrices.
    private func mergedValues(_ item: MergePlan.Item, _ range: Range<Int>) throws -> [Float] {
        guard let change = item.change, case .quantized(let state, _) = item.outcome else {
            preconditionFailure("only a changed weight is quantized again")
        }
        let values = try plan.tensors(of: item.origin).reader(of: item.tensor, order: .outputsByInputs)
        let target = try target(change, values: values)
        let unit = Chunks.leastCommonMultiple(item.tensor.orientation == .inputsByOutputs ? values.columns : 1, state.blockSize)
        let chunks = Chunks.ranges(count: range.count, limit: Self.chunkElementCount, unit: unit)
        let merged = Disjoint<Float>(repeating: 0, count: range.count)
        try resources.pool.forEach(count: chunks.count) { chunk, worker in
            let own = chunks[chunk], elements = range.lowerBound + own.lowerBound..<range.lowerBound + own.upperBound
            try fill(item, values, target, elements, worker: worker)
            let sums = UnsafeBufferPointer(floats(.target, worker: worker, count: own.count))
            if let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(sums)), of: .f32) {
                throw notFinite(item, element: elements.lowerBound + first)
            }
            _ = merged[own].update(fromContentsOf: sums)
        }
        return merged.values
    }

    private func write(
        _ outcome: ModelCalibration.Outcome, of item: MergePlan.Item, _ settings: QuantizationSettings, at index: Int,
        _ result: inout Result
    ) throws {
        guard case .quantized(let parts) = places[index], let change = item.change, case .quantized(let state, _) = item.outcome else {
            preconditionFailure("only a changed weight is quantized again")
        }
        let values = try plan.tensors(of: item.origin).reader(of: item.tensor, order: .outputsByInputs)
        let ranges = quantizedRanges(of: values, state, orientation: item.tensor.orientation)
        let changedCount = try write(codes: outcome.weight.codes, of: item.previous?.quantized, parts, ranges, &result)
        let (merged, absmax) = try writeConstants(outcome.weight.absmax, settings, state, parts, item, &result)
        result.states[index] = merged
        if let previous = item.previous { try undoState(of: previous, merged, &result) }
        guard measures else { return }
        let target = try target(change, values: values)
        let sums = try measure(item, values, target, merged, quantMap(of: merged), parts, ranges, absmax)
        add(
            item.name, change, typeName: settings.quantType.rawValue.uppercased(), sums, elementCount: state.elementCount,
            changedCount: changedCount,
            calibration: MergeReport.Calibration(
                error: outcome.isCalibrated ? outcome.errors.calibrated ?? outcome.errors.plain : outcome.errors.plain,
                nearestError: outcome.errors.plain), &result)
    }
}
