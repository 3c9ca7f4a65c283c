import ByteIO
import CKernels
import Checkpoints
import Parallelism
import Quantization
import Streaming
import Synchronization
import TensorCore

extension MergeRun {
    /// A weight that is merged and quantized again, with the base's own settings.
    ///
    /// First pass: codes, and constants in float32. Then the constants of the whole tensor are quantized themselves, and
    /// only then is it known what the merged weight is: a second pass measures it.
    func mergeQuantized(
        _ item: MergePlan.Item, _ state: QuantState, _ settings: QuantizationSettings, at index: Int, _ result: inout Result
    ) throws {
        guard case .quantized(let parts) = places[index], let change = item.change else {
            preconditionFailure("only a changed weight is quantized again")
        }
        let values = try plan.tensors(of: item.origin).reader(of: item.tensor, order: .outputsByInputs)
        let target = try target(change, values: values)
        let ranges = quantizedRanges(of: values, state, orientation: item.tensor.orientation)
        let constants = Disjoint<Float>(repeating: 0, count: state.blockCount)
        let changedCount = try writeCodes(item, values, target, state, parts, ranges, constants, &result)
        let (merged, absmax) = try writeConstants(constants.values, settings, state, parts, item, &result)
        result.states[index] = merged
        if let previous = item.previous { try undoState(of: previous, merged, &result) }
        guard measures else { return }
        let sums = try measure(item, values, target, merged, quantMap(of: merged), parts, ranges, absmax)
        add(
            item.name, change, typeName: settings.quantType.rawValue.uppercased(), sums, elementCount: state.elementCount,
            changedCount: changedCount, &result)
    }

    /// As our own weights are decoded.
    func quantMap(of state: QuantState) -> QuantMap {
        let hasEvenRows = (state.shape.dimensions.last ?? 0) % 2 == 0
        return hasEvenRows ? state.quantType.quantMap.decodingMap(for: state.quantType) : state.quantType.quantMap
    }

    /// The same chunks whether values come from the base or from a reference.
    func quantizedRanges(of values: ElementReader, _ state: QuantState, orientation: Orientation) -> [Range<Int>] {
        let granularity = orientation == .inputsByOutputs ? values.columns : 1
        let unit = Chunks.leastCommonMultiple(granularity, state.blockSize)
        return Chunks.ranges(count: state.elementCount, limit: Self.chunkElementCount, unit: unit)
    }

    /// Returns the number of codes that changed.
    private func writeCodes(
        _ item: MergePlan.Item, _ values: ElementReader, _ target: MergeTarget, _ state: QuantState, _ parts: QNFPlan.Parts,
        _ ranges: [Range<Int>], _ constants: Disjoint<Float>, _ result: inout Result
    ) throws -> Int {
        let previous = item.previous?.quantized
        let sequence = previous == nil ? nil : undo?.sequence(count: ranges.count)
        let changedCount = Atomic<Int>(0)
        try resources.pool.forEach(count: ranges.count) { chunk, worker in
            let range = ranges[chunk]
            try fill(item, values, target, range, worker: worker)
            let codes = buffer(.output, worker: worker, byteCount: (range.count + 1) / 2)
            let blocks = range.lowerBound / state.blockSize..<(range.upperBound + state.blockSize - 1) / state.blockSize
            var packed = MutableRawSpan(_unsafeBytes: codes)
            var absmax = MutableSpan(_unsafeElements: constants[blocks])
            let sums = UnsafeRawBufferPointer(floats(.target, worker: worker, count: range.count))
            let nonfinite = BlockQuantizer.quantize(
                RawSpan(_unsafeBytes: sums), of: .f32, as: state.quantType, blockSize: state.blockSize, packed: &packed, absmax: &absmax)
            if let nonfinite { throw notFinite(item, element: range.lowerBound + nonfinite) }
            try sink.write(UnsafeRawBufferPointer(codes), stored: parts.codes, atByteOffset: range.lowerBound / 2)
            guard let previous else { return }
            let before = try previousCodes(item, previous, range, worker: worker)
            let count = try recordChange(from: before, to: UnsafeRawBufferPointer(codes), sequence, chunk, worker: worker)
            changedCount.add(count, ordering: .relaxed)
        }
        finish(sequence, previous, ranges, &result)
        return changedCount.load(ordering: .relaxed)
    }

    /// How the codes of a chunk are undone; returns the number of those that changed.
    func recordChange(
        from before: UnsafeRawBufferPointer, to codes: UnsafeRawBufferPointer, _ sequence: UndoRecordWriter.ItemSequence?, _ chunk: Int,
        worker: Int
    ) throws -> Int {
        guard let first = before.baseAddress, let second = codes.baseAddress else { return 0 }
        if let sequence {
            let room = buffer(.sparse, worker: worker, byteCount: SparseDifference.byteCountLimit(codes.count))
            try sequence.set(difference: SparseDifference.encode(before, from: codes, room: room), chunk)
        }
        return qk_differingCodes(first.assumingMemoryBound(to: UInt8.self), second.assumingMemoryBound(to: UInt8.self), codes.count)
    }

    /// Once all chunks of a weight's codes were recorded.
    func finish(
        _ sequence: UndoRecordWriter.ItemSequence?, _ previous: QuantizedTensor?, _ ranges: [Range<Int>], _ result: inout Result
    ) {
        guard let sequence, let previous else { return }
        let info = plan.base.source.tensors[previous.codes]
        result.undone.append(
            UndoDirectory.Tensor(
                name: info.name, method: .difference, byteCount: info.byteCount, chunkByteCount: ((ranges.first?.count ?? 0) + 1) / 2,
                items: sequence.items))
    }

    /// Fills the worker's buffers `base`, `delta` and `target`.
    func fill(
        _ item: MergePlan.Item, _ values: ElementReader, _ target: MergeTarget, _ range: Range<Int>, worker: Int
    ) throws {
        let stored = buffer(.stored, worker: worker, byteCount: values.storedByteCount(range.count))
        let spare = buffer(.spare, worker: worker, byteCount: max(4 * range.count, stored.count))
        let base = floats(.base, worker: worker, count: range.count)
        try values.read(range, stored: stored, spare: spare, into: base)
        if item.origin == plan.readOrigin, let quantized = item.tensor.quantized {
            pass.count(UnsafeRawBufferPointer(stored), tensor: quantized.codes, atByteOffset: range.lowerBound / 2)
        }
        try target.fill(
            range, base: UnsafeBufferPointer(base), delta: floats(.delta, worker: worker, count: range.count),
            target: floats(.target, worker: worker, count: range.count))
    }

    /// The base's codes: still in the worker's buffer, or read beside the values of a reference.
    private func previousCodes(
        _ item: MergePlan.Item, _ previous: QuantizedTensor, _ range: Range<Int>, worker: Int
    ) throws -> UnsafeRawBufferPointer {
        let codes = buffer(.stored, worker: worker, byteCount: (range.count + 1) / 2)
        if item.origin != .base { try pass.read(tensor: previous.codes, atByteOffset: range.lowerBound / 2, into: codes) }
        return UnsafeRawBufferPointer(codes)
    }

    /// Returns the quant state and the constants as whoever reads the merged weight gets them.
    func writeConstants(
        _ absmax: [Float], _ settings: QuantizationSettings, _ state: QuantState, _ parts: QNFPlan.Parts, _ item: MergePlan.Item,
        _ result: inout Result
    ) throws -> (QuantState, [Float]) {
        let constants = QuantizedConstants(absmax, settings)
        for (part, bytes) in constants.parts {
            guard let stored = parts.index(of: part) else { preconditionFailure("the plan has a place for '\(part.rawValue)'") }
            try sink.write(bytes, stored: stored)
            if let tensor = item.previous?.quantized?.index(of: part) { try undoDifference(ofStored: tensor, written: bytes, &result) }
        }
        func made(_ type: ScalarType) throws(FileError) -> QuantState {
            do throws(QuantizationError) {
                return try QuantState(settings: settings, scalarType: type, shape: state.shape, offset: constants.offset)
            } catch {
                throw FileError(plan.base.path, at: "tensor '\(item.name)'", "merged: \(error.message)")
            }
        }
        let merged = try made(state.scalarType)
        let restored = constants.restored(merged)
        // Read back as what the base was, the largest of a block would be infinite: as float32, like all that PEFT merges.
        return (Self.fits(restored, merged.scalarType) ? merged : try made(.f32), restored)
    }

    /// Whether constants, and so all values of their blocks, are finite as a type.
    private static func fits(_ constants: [Float], _ type: ScalarType) -> Bool {
        var bytes = [UInt8](repeating: 0, count: constants.count * type.bitCount / 8)
        var span = bytes.mutableSpan
        var destination = span.mutableBytes
        FloatConversion.narrow(constants.span, to: type, into: &destination)
        return FiniteScan.firstNonfinite(bytes.span.bytes, of: type) == nil
    }

    /// Reads the merged weight back, as whoever opens it will, and compares it with the base.
    func measure(
        _ item: MergePlan.Item, _ values: ElementReader, _ target: MergeTarget, _ merged: QuantState, _ quantMap: QuantMap,
        _ parts: QNFPlan.Parts, _ ranges: [Range<Int>], _ absmax: [Float]
    ) throws -> MergeSums {
        let chunks = Disjoint(repeating: MergeSums(), count: ranges.count)
        try resources.pool.forEach(count: ranges.count) { chunk, worker in
            let range = ranges[chunk]
            try fill(item, values, target, range, worker: worker)
            let codes = buffer(.output, worker: worker, byteCount: (range.count + 1) / 2)
            try sink.read(stored: parts.codes, atByteOffset: range.lowerBound / 2, into: codes)
            let blocks = range.lowerBound / merged.blockSize..<(range.upperBound + merged.blockSize - 1) / merged.blockSize
            let type = merged.scalarType
            let typed = buffer(.spare, worker: worker, byteCount: range.count * type.bitCount / 8)
            let blockConstants = Array(absmax[blocks])
            var destination = MutableRawSpan(_unsafeBytes: typed)
            BlockDequantizer.dequantize(
                RawSpan(_unsafeBytes: UnsafeRawBufferPointer(codes)), absmax: blockConstants.span, quantMap: quantMap,
                blockSize: merged.blockSize, to: type, into: &destination)
            let result = floats(.merged, worker: worker, count: range.count)
            var widened = MutableSpan(_unsafeElements: result)
            FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: type, into: &widened)
            let sums = MergeSums(
                ofFinite: UnsafeBufferPointer(floats(.base, worker: worker, count: range.count)),
                delta: UnsafeBufferPointer(floats(.delta, worker: worker, count: range.count)), merged: UnsafeBufferPointer(result))
            chunks[chunk] = sums
        }
        return chunks.values.reduce(MergeSums(), +)
    }

    func notFinite(_ item: MergePlan.Item, element: Int) -> FileError {
        let columns = item.tensor.shape.dimensions.last ?? 1
        return FileError(
            plan.tensors(of: item.origin).path, at: "tensor '\(item.name)'",
            "merged element \(element) (row \(element / max(1, columns)) as it is quantized) is not a finite number",
            hint: "base or adapter hold values that are too large; `IntegrityCheck` and `AdapterListing` say where")
    }
}
