import Adapters
import ByteIO
import CKernels
import Checkpoints
import Compression
import Parallelism
import Quantization
import Streaming
import TensorCore

/// What a chunk of a dense tensor finds.
private struct DenseChunk {
    var sums = MergeSums()
    var changedCount = 0
    var overflowCount = 0

    init() {}

    init(all chunks: [DenseChunk]) {
        for chunk in chunks {
            sums = sums + chunk.sums
            changedCount += chunk.changedCount
            overflowCount += chunk.overflowCount
        }
    }
}

extension MergeRun {
    /// Elements that go through all steps together, about: all of their buffers fit into the second-level cache.
    private static let tileElementCount = 1 << 15

    /// A dense tensor that is being written.
    private struct DenseTensor {
        let item: MergePlan.Item
        let values: ElementReader
        let target: MergeTarget?
        let info: TensorInfo
        let stored: Int
        let undoing: DenseUndoing
        /// Whether elements that changed can be counted.
        let isSameType: Bool

        var elementByteCount: Int { info.scalarType.bitCount / 8 }
    }

    /// A tensor that is merged or cast, and stored dense.
    func mergeDense(_ item: MergePlan.Item, as info: TensorInfo, at index: Int, _ result: inout Result) throws {
        guard case .plain(let stored) = places[index] else { preconditionFailure("a dense tensor has one place") }
        let values = try plan.tensors(of: item.origin).reader(of: item.tensor)
        let target = try item.change.map { try self.target($0, values: values) }
        let ranges = ranges(of: values)
        if item.isResized { try undoTable(item, &result) }
        let undoing = try DenseUndoing(
            undo == nil || item.isResized ? nil : item.previous, target: target, info: info, ranges: ranges, run: self)
        let tensor = DenseTensor(
            item: item, values: values, target: target, info: info, stored: stored, undoing: undoing,
            isSameType: item.previous?.scalarType == info.scalarType && !item.isResized)
        let findings = Disjoint(repeating: DenseChunk(), count: ranges.count)
        try resources.pool.forEach(count: undoing.jobCount) { job, worker in
            guard job >= undoing.factorCount else { return try undoing.writeFactor(job) }
            let chunk = job - undoing.factorCount
            let found = try mergeChunk(chunk, ranges[chunk], of: tensor, worker: worker)
            findings[chunk] = found
        }
        let total = DenseChunk(all: findings.values)
        if total.overflowCount > 0 { result.overflows.append((item.name, total.overflowCount)) }
        if let undone = undoing.tensor { result.undone.append(undone) }
        guard let change = item.change else { return }
        add(
            item.name, change, typeName: info.scalarType.rawValue, total.sums, elementCount: info.elementCount,
            changedCount: tensor.isSameType ? total.changedCount : nil, &result)
    }

    /// A small tensor that the base lacks.
    func writeAdded(_ values: [Float], as info: TensorInfo, at index: Int, _ result: inout Result) throws {
        guard case .plain(let stored) = places[index] else { preconditionFailure("a dense tensor has one place") }
        var bytes = [UInt8](repeating: 0, count: info.byteCount)
        var span = bytes.mutableSpan
        var destination = span.mutableBytes
        FloatConversion.narrow(values.span, to: info.scalarType, into: &destination)
        if FiniteScan.firstNonfinite(bytes.span.bytes, of: info.scalarType) != nil { result.overflows.append((info.name, 1)) }
        try sink.write(bytes, stored: stored)
    }

    /// Of a table that another one takes the place of, all of its bytes are kept.
    private func undoTable(_ item: MergePlan.Item, _ result: inout Result) throws {
        guard let undo, let previous = item.previous else { return }
        for tensor in previous.parts {
            let info = plan.base.source.tensors[tensor]
            let ranges = Chunks.ranges(count: info.byteCount, limit: Self.chunkElementCount * max(1, info.scalarType.bitCount / 8), unit: 1)
            let sequence = undo.sequence(count: ranges.count)
            try resources.pool.forEach(count: ranges.count) { chunk, _ in
                let bytes = try plan.base.source.bytes(ofTensor: tensor, ranges[chunk])
                try bytes.withUnsafeBytes { try sequence.set($0, chunk, .numbers) }
            }
            result.undone.append(
                UndoDirectory.Tensor(
                    name: info.name, method: .content, byteCount: info.byteCount, chunkByteCount: ranges.first?.count ?? 0,
                    items: sequence.items))
        }
    }

    private func mergeChunk(_ chunk: Int, _ range: Range<Int>, of tensor: DenseTensor, worker: Int) throws -> DenseChunk {
        let size = tensor.elementByteCount
        let stored = buffer(.stored, worker: worker, byteCount: tensor.values.storedByteCount(range.count))
        let output = buffer(.output, worker: worker, byteCount: range.count * size)
        // What undoing would find; without it the memory is not touched.
        let found = tensor.undoing.subtracts ? buffer(.found, worker: worker, byteCount: output.count) : output
        var result = DenseChunk()
        let unit = tensor.values.granularity
        let step = max(unit, Self.tileElementCount / unit * unit)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: step) {
            let tile = start..<min(start + step, range.upperBound)
            let bytes = (tile.lowerBound - range.lowerBound) * size..<(tile.upperBound - range.lowerBound) * size
            let first = tensor.values.storedByteCount(tile.lowerBound - range.lowerBound)
            let own = UnsafeMutableRawBufferPointer(rebasing: stored[first..<first + tensor.values.storedByteCount(tile.count)])
            try mergeTile(
                tile, of: tensor, stored: own, output: UnsafeMutableRawBufferPointer(rebasing: output[bytes]),
                found: UnsafeMutableRawBufferPointer(rebasing: found[bytes]), worker: worker, &result)
        }
        try writeDense(UnsafeRawBufferPointer(output), range, of: tensor, worker: worker)
        let before = try storedChunk(tensor.item, range, stored, worker: worker)
        if tensor.target != nil, measures, tensor.isSameType {
            result.changedCount = differingElements(before, UnsafeRawBufferPointer(output), count: range.count)
        }
        if tensor.undoing.isNeeded {
            let room = buffer(.sparse, worker: worker, byteCount: SparseDifference.byteCountLimit(output.count))
            try tensor.undoing.writeChunk(chunk, before: before, found: UnsafeRawBufferPointer(found), room: room)
        }
        return result
    }

    private func mergeTile(
        _ range: Range<Int>, of tensor: DenseTensor, stored: UnsafeMutableRawBufferPointer, output: UnsafeMutableRawBufferPointer,
        found: UnsafeMutableRawBufferPointer, worker: Int, _ result: inout DenseChunk
    ) throws {
        let base = floats(.base, worker: worker, count: range.count), delta = floats(.delta, worker: worker, count: range.count)
        let spare = buffer(.spare, worker: worker, byteCount: max(4 * range.count, stored.count))
        try tensor.values.read(range, stored: stored, spare: spare, into: base)
        var wanted = UnsafeBufferPointer(base)
        if let target = tensor.target {
            let sum = floats(.target, worker: worker, count: range.count)
            try target.fill(range, base: wanted, delta: delta, target: sum)
            wanted = UnsafeBufferPointer(sum)
        }
        let type = tensor.info.scalarType
        var narrowed = MutableRawSpan(_unsafeBytes: output)
        FloatConversion.narrow(Span(_unsafeElements: wanted), to: type, into: &narrowed)
        let merged = floats(.merged, worker: worker, count: range.count)
        var widened = MutableSpan(_unsafeElements: merged)
        FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(output)), of: type, into: &widened)
        result.overflowCount += overflowCount(merged, base: UnsafeBufferPointer(base))
        guard tensor.target != nil else { return }
        if measures {
            result.sums =
                result.sums
                + MergeSums(ofFinite: UnsafeBufferPointer(base), delta: UnsafeBufferPointer(delta), merged: UnsafeBufferPointer(merged))
        }
        if tensor.undoing.subtracts, let values = merged.baseAddress, let d = delta.baseAddress {
            qk_subtract(values, d, range.count, values)
            var without = MutableRawSpan(_unsafeBytes: found)
            FloatConversion.narrow(Span(_unsafeElements: UnsafeBufferPointer(merged)), to: type, into: &without)
        }
    }

    /// One row of the report.
    func add(
        _ name: String, _ change: WeightChange, typeName: String, _ sums: MergeSums, elementCount: Int, changedCount: Int?,
        flips: MergeReport.Flips? = nil, calibration: MergeReport.Calibration? = nil, _ result: inout Result
    ) {
        result.rows.append(
            MergeReport.Row(
                name: name, change: change.word, typeName: typeName,
                measures: .init(sums, elementCount: elementCount, changedCount: changedCount), flips: flips,
                calibration: calibration))
        result.findings.append(Finding(typeName: typeName, sums: sums, elementCount: elementCount, changedCount: changedCount))
        result.sums = result.sums + sums
        result.elementCount += elementCount
        if let total = result.changedCount { result.changedCount = changedCount.map { total + $0 } }
    }

    /// What the tensor becomes; of DoRA, after a pass over the base for the lengths of its rows.
    func target(_ change: WeightChange, values: ElementReader) throws -> MergeTarget {
        guard case .rescaled(let term, let magnitude) = change.kind else {
            return try MergeTarget(change, of: plan.adapters, values: values)
        }
        let factors = try DeltaFactors(
            [term], of: plan.adapters, rows: values.rows, columns: values.columns, orientation: values.orientation)
        let magnitudes = try plan.adapters[term.adapter].adapter.values(of: magnitude)
        return MergeTarget(
            factors, lengths: try lengths(values, factors), magnitudes: magnitudes, orientation: values.orientation)
    }

    /// Chunks of a tensor: of a fixed size, so that no limit shows in what is written.
    func ranges(of values: ElementReader) -> [Range<Int>] {
        let turnsOnWriting = values.tensor.orientation != values.orientation
        let unit = turnsOnWriting ? Chunks.leastCommonMultiple(values.granularity, values.columns) : values.granularity
        return Chunks.ranges(count: values.rows * values.columns, limit: Self.chunkElementCount, unit: unit)
    }

    /// The base's own stored bytes of a chunk whose values were read through `stored`; counts what was read.
    private func storedChunk(
        _ item: MergePlan.Item, _ range: Range<Int>, _ stored: UnsafeMutableRawBufferPointer, worker: Int
    ) throws -> UnsafeRawBufferPointer {
        let found = UnsafeRawBufferPointer(stored)
        switch item.tensor.storage {
        case .encoded: return found
        case .quantized(let quantized):
            if item.origin == plan.readOrigin { pass.count(found, tensor: quantized.codes, atByteOffset: range.lowerBound / 2) }
            return found
        case .plain(let tensor):
            guard item.origin != plan.readOrigin else {
                pass.count(found, tensor: tensor, atByteOffset: range.lowerBound * item.tensor.scalarType.bitCount / 8)
                return found
            }
            // Values of the reference: the base is read for its checksum, and for what undoing leads back to.
            guard case .plain(let own)? = item.previous?.storage, !item.isResized else { return found }
            let size = plan.base.source.tensors[own].scalarType.bitCount / 8
            let before = buffer(.stored, worker: worker, byteCount: range.count * size)
            try pass.read(tensor: own, atByteOffset: range.lowerBound * size, into: before)
            return UnsafeRawBufferPointer(before)
        }
    }

    /// Writes a chunk; of an encoded `Conv1D` weight, whose rows are columns of the dense tensor, turned.
    private func writeDense(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, of tensor: DenseTensor, worker: Int) throws {
        let (values, size) = (tensor.values, tensor.elementByteCount)
        func write(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws(FileError) {
            try sink.write(bytes, stored: tensor.stored, atByteOffset: offset)
        }
        guard values.tensor.orientation != values.orientation else { return try write(bytes, range.lowerBound * size) }
        let panel = buffer(.spare, worker: worker, byteCount: bytes.count)
        try PanelWriter(outputs: values.rows / values.matrixCount, inputs: values.columns, elementByteCount: size)
            .write(bytes, range, turnedIn: panel, to: write)
    }

    private func overflowCount(_ merged: UnsafeMutableBufferPointer<Float>, base: UnsafeBufferPointer<Float>) -> Int {
        let bytes = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(merged))
        guard let first = FiniteScan.firstNonfinite(bytes, of: .f32) else { return 0 }
        return merged[first...].indices.count { !merged[$0].isFinite && base[$0].isFinite }
    }

    private func differingElements(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, count: Int) -> Int {
        guard count > 0, let first = a.baseAddress, let second = b.baseAddress else { return 0 }
        return qk_differingElements(
            first.assumingMemoryBound(to: UInt8.self), second.assumingMemoryBound(to: UInt8.self), count, b.count / count)
    }

    /// Lengths of the rows of [out, in] of base + delta, summed in double precision and in the order of the chunks.
    private func lengths(_ values: ElementReader, _ factors: DeltaFactors) throws -> [Float] {
        let isByInputs = values.orientation == .inputsByOutputs
        let outputs = isByInputs ? values.columns : values.rows
        let unit = Chunks.leastCommonMultiple(values.granularity, values.columns)
        let ranges = Chunks.ranges(count: values.rows * values.columns, limit: Self.chunkElementCount, unit: unit)
        let partial = Disjoint<[Double]>(repeating: [], count: ranges.count)
        try resources.pool.forEach(count: ranges.count) { chunk, worker in
            let range = ranges[chunk]
            let stored = buffer(.stored, worker: worker, byteCount: values.storedByteCount(range.count))
            let spare = buffer(.spare, worker: worker, byteCount: max(4 * range.count, stored.count))
            let base = floats(.base, worker: worker, count: range.count), delta = floats(.delta, worker: worker, count: range.count)
            try values.read(range, stored: stored, spare: spare, into: base)
            guard let d = delta.baseAddress, let w = base.baseAddress else { return }
            factors.fill(range, into: d)
            qk_add(w, d, range.count, d)
            let firstRow = range.lowerBound / values.columns
            var sums = [Double](repeating: 0, count: isByInputs ? outputs : range.count / values.columns)
            for index in 0..<range.count {
                let (row, column) = (range.lowerBound + index).quotientAndRemainder(dividingBy: values.columns)
                sums[isByInputs ? column : row - firstRow] += Double(d[index]) * Double(d[index])
            }
            partial[chunk] = sums
        }
        let parts = partial.values
        guard isByInputs else { return parts.joined().map { Float($0.squareRoot()) } }
        var sums = [Double](repeating: 0, count: outputs)
        for part in parts { for index in 0..<outputs { sums[index] += part[index] } }
        return sums.map { Float($0.squareRoot()) }
    }
}
