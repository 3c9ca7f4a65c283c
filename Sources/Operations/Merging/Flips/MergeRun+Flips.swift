import ByteIO
import Checkpoints
import Parallelism
import Quantization
import Streaming
import Synchronization
import TensorCore

extension MergeRun {
    /// A weight that is brought to what is wanted by flips, on the way.
    private struct FlippedTensor {
        let item: MergePlan.Item
        let values: ElementReader
        let target: MergeTarget
        let quantized: QuantizedTensor
        let reader: QuantizedReader
        /// What codes of each block are multiplied by.
        let absmax: [Float]
        /// Whole rows and blocks.
        let panels: [Range<Int>]
    }

    /// Merges the weights that are to be flipped, as their inputs come along; what is no linear layer of the model is quantized again.
    func mergeFlipped(_ flips: FlipMerge, _ result: inout Result) throws {
        var waiting: [String: Int] = [:]
        for (index, item) in plan.items.enumerated() where isFlipped(item) { waiting[item.name] = index }
        try flips.inputs { weights, inputs in
            let found = weights.compactMap { waiting.removeValue(forKey: $0) }
            guard !found.isEmpty else { return }
            let inputs = inputs()
            for index in found { try mergeFlipped(plan.items[index], at: index, inputs, flips, &result) }
        }
        for index in waiting.values.sorted() {
            guard case .quantized(let state, let settings) = plan.items[index].outcome else { continue }
            try mergeQuantized(plan.items[index], state, settings, at: index, &result)
        }
    }

    /// Whether a weight waits for the inputs of its layer.
    func isFlipped(_ item: MergePlan.Item) -> Bool {
        guard let flips, case .quantized = item.outcome, item.origin == .base, item.previous?.quantized != nil else { return false }
        return flips.requantized[item.name] != nil
    }

    private func mergeFlipped(
        _ item: MergePlan.Item, at index: Int, _ inputs: LayerInputs, _ flips: FlipMerge, _ result: inout Result
    ) throws {
        guard let quantized = item.tensor.quantized, case .quantized(let parts) = places[index], let change = item.change else {
            preconditionFailure("only a changed weight of 4 bits is flipped")
        }
        let state = quantized.state
        let values = try plan.base.reader(of: item.tensor, order: .outputsByInputs)
        precondition(values.columns == inputs.columnCount, "'\(item.name)' has \(values.columns) inputs, not \(inputs.columnCount)")
        let reader = try QuantizedReader(source: plan.base.source, tensor: quantized)
        let unit = Chunks.leastCommonMultiple(values.columns, state.blockSize)
        let tensor = FlippedTensor(
            item: item, values: values, target: try target(change, values: values), quantized: quantized, reader: reader,
            absmax: try reader.absmax(ofBlocks: 0..<state.blockCount),
            panels: Chunks.ranges(count: state.elementCount, limit: CodeFlips.panelRowCount * values.columns, unit: unit))
        let merged = Disjoint<UInt8>(repeating: 0, count: state.packedByteCount)
        var sums = ActivationSums(), strength = 0.0
        for mu in FlipMerge.strengths {
            (sums, strength) = (try flip(tensor, CodeFlips(inputs, steps: CodeSteps(reader.quantMap), mu: mu), merged), mu)
            if sums.survival >= FlipMerge.survival { break }
        }
        let ranges = quantizedRanges(of: values, state, orientation: item.tensor.orientation)
        let changedCount = try write(codes: merged.values, of: quantized, parts, ranges, &result)
        try copyConstants(tensor, parts)
        result.states[index] = state
        try undoState(of: item.tensor, state, &result)
        guard measures else { return }
        let weights = try measure(item, values, tensor.target, state, reader.quantMap, parts, ranges, tensor.absmax)
        add(
            item.name, change, typeName: state.quantType.rawValue.uppercased(), weights, elementCount: state.elementCount,
            changedCount: changedCount,
            flips: MergeReport.Flips(sums, mu: strength, requantized: flips.requantized[item.name] ?? 0), &result)
    }

    /// Flips the codes of all rows from the base on; they end up in `merged`, packed.
    private func flip(_ tensor: FlippedTensor, _ flips: CodeFlips, _ merged: Disjoint<UInt8>) throws -> ActivationSums {
        let found = Disjoint(repeating: ActivationSums(), count: tensor.panels.count)
        let blockSize = tensor.reader.state.blockSize
        try resources.pool.forEach(count: tensor.panels.count) { panel, worker in
            let range = tensor.panels[panel]
            try fill(tensor.item, tensor.values, tensor.target, range, worker: worker)
            let delta = UnsafeBufferPointer(floats(.delta, worker: worker, count: range.count))
            if let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(delta)), of: .f32) {
                throw notFinite(tensor.item, element: range.lowerBound + first)
            }
            let packed = buffer(.stored, worker: worker, byteCount: (range.count + 1) / 2)
            let codes = buffer(.output, worker: worker, byteCount: range.count).bindMemory(to: UInt8.self)
            let scales = floats(.merged, worker: worker, count: range.count)
            for element in 0..<range.count {
                let byte = packed[element / 2]
                codes[element] = element % 2 == 0 ? byte >> 4 : byte & 15
                scales[element] = tensor.absmax[(range.lowerBound + element) / blockSize]
            }
            let sums = flips.flip(codes: codes, scales: UnsafeBufferPointer(scales), delta: delta)
            found[panel] = sums
            let own = merged[range.lowerBound / 2..<(range.upperBound + 1) / 2]
            for byte in own.indices {
                own[byte] = codes[2 * byte] << 4 | (2 * byte + 1 < range.count ? codes[2 * byte + 1] : packed[byte] & 15)
            }
        }
        return found.values.reduce(ActivationSums(), +)
    }

    /// Writes packed codes, and how to undo that; returns the number of those that changed.
    ///
    /// - Parameter previous: the base's weight of the same shape; nil where it has none.
    func write(
        codes packed: [UInt8], of previous: QuantizedTensor?, _ parts: QNFPlan.Parts, _ ranges: [Range<Int>], _ result: inout Result
    ) throws -> Int {
        let sequence = previous == nil ? nil : undo?.sequence(count: ranges.count)
        let changedCount = Atomic<Int>(0)
        try resources.pool.forEach(count: ranges.count) { chunk, worker in
            let range = ranges[chunk]
            let own = buffer(.output, worker: worker, byteCount: (range.count + 1) / 2)
            own.copyBytes(from: packed[range.lowerBound / 2..<(range.upperBound + 1) / 2])
            let codes = UnsafeRawBufferPointer(own)
            try sink.write(codes, stored: parts.codes, atByteOffset: range.lowerBound / 2)
            guard let previous else { return }
            let before = buffer(.stored, worker: worker, byteCount: codes.count)
            try pass.read(tensor: previous.codes, atByteOffset: range.lowerBound / 2, into: before)
            let count = try recordChange(from: UnsafeRawBufferPointer(before), to: codes, sequence, chunk, worker: worker)
            changedCount.add(count, ordering: .relaxed)
        }
        finish(sequence, previous, ranges, &result)
        return changedCount.load(ordering: .relaxed)
    }

    /// Scales stay what they are, to the byte.
    private func copyConstants(_ tensor: FlippedTensor, _ parts: QNFPlan.Parts) throws {
        for part in QuantizedTensor.Part.allCases {
            guard let index = tensor.quantized.index(of: part), let stored = parts.index(of: part) else { continue }
            for range in pass.byteRanges(ofTensor: index, limit: 1 << 20) {
                let bytes = buffer(.stored, worker: 0, byteCount: range.count)
                try pass.read(tensor: index, atByteOffset: range.lowerBound, into: bytes)
                try sink.write(UnsafeRawBufferPointer(bytes), stored: stored, atByteOffset: range.lowerBound)
            }
        }
    }
}
