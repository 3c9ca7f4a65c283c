import Adapters
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
        let change: WeightChange
        let parts: QNFPlan.Parts
        let values: ElementReader
        let target: MergeTarget
        let quantized: QuantizedTensor
        let reader: QuantizedReader
        /// What codes of each block are multiplied by.
        let absmax: [Float]
        /// Of all elements, packed.
        let merged: Disjoint<UInt8>
        /// Over the matrices that are done.
        var sums = ActivationSums()
        /// The most of them.
        var mu = 0.0
        var aim = 1.0
        /// Inputs that these were measured on.
        var heldOutCount = 0

        /// Whole rows and blocks of a matrix.
        func panels(of matrix: FlipMerge.Matrix) -> [Range<Int>] {
            let count = reader.state.elementCount / matrix.count, start = matrix.number * count
            let unit = Chunks.leastCommonMultiple(values.columns, reader.state.blockSize)
            return Chunks.ranges(count: count, limit: CodeFlips.panelRowCount * values.columns, unit: unit)
                .map { start + $0.lowerBound..<start + $0.upperBound }
        }
    }

    /// Merges the weights that are to be flipped, as their inputs come along; what is no linear layer of the model, and what no token asked, is
    /// quantized again.
    func mergeFlipped(_ flips: FlipMerge, _ result: inout Result) throws {
        var waiting: [String: Int] = [:]
        for (index, item) in plan.items.enumerated() where isFlipped(item) { waiting[item.name] = index }
        var begun: [Int: FlippedTensor] = [:]
        try flips.inputs { matrices, inputs in
            let found = matrices.compactMap { matrix in waiting[matrix.weight].map { (index: $0, matrix: matrix) } }
            guard !found.isEmpty else { return }
            let inputs = inputs()
            for (index, matrix) in found where inputs != nil || matrix.count > 1 {
                var tensor = try begun.removeValue(forKey: index) ?? flippedTensor(plan.items[index], at: index)
                try flip(&tensor, matrix, inputs)
                guard matrix.number == matrix.count - 1 else {
                    begun[index] = tensor
                    continue
                }
                waiting[matrix.weight] = nil
                try finish(tensor, at: index, flips, &result)
            }
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

    private func flippedTensor(_ item: MergePlan.Item, at index: Int) throws -> FlippedTensor {
        guard let quantized = item.tensor.quantized, case .quantized(let parts) = places[index], let change = item.change else {
            preconditionFailure("only a changed weight of 4 bits is flipped")
        }
        let values = try plan.base.reader(of: item.tensor, order: .outputsByInputs)
        let reader = try QuantizedReader(source: plan.base.source, tensor: quantized)
        return FlippedTensor(
            item: item, change: change, parts: parts, values: values, target: try target(change, values: values), quantized: quantized,
            reader: reader, absmax: try reader.absmax(ofBlocks: 0..<quantized.state.blockCount),
            merged: Disjoint<UInt8>(repeating: 0, count: quantized.state.packedByteCount))
    }

    /// Flips the codes of a matrix; as `FlipSearch` finds best.
    ///
    /// - Parameter inputs: nil where nothing is known of them: each code becomes the nearest to what is wanted then.
    private func flip(_ tensor: inout FlippedTensor, _ matrix: FlipMerge.Matrix, _ inputs: LayerInputs?) throws {
        let steps = CodeSteps(tensor.reader.quantMap)
        guard let inputs else {
            _ = try forEachPanel(of: tensor, matrix) { codes, scales, delta in
                steps.moveToNearest(codes, scales, delta)
                return ActivationSums()
            }
            return
        }
        precondition(
            tensor.values.columns == inputs.columnCount, "'\(matrix.weight)' has \(tensor.values.columns) inputs, not \(inputs.columnCount)"
        )
        let tensorSoFar = tensor
        func flipped(mu: Double, aim: Double) throws -> ActivationSums {
            let flips = CodeFlips(inputs, steps: steps, mu: mu, aim: aim)
            return try forEachPanel(of: tensorSoFar, matrix) { flips.flip(codes: $0, scales: $1, delta: $2) }
        }
        let (best, isLast) = try FlipSearch.run { try flipped(mu: $0, aim: $1) }
        if !isLast { _ = try flipped(mu: best.mu, aim: best.aim) }
        tensor.sums = tensor.sums + best.sums
        tensor.mu = max(tensor.mu, best.mu)
        tensor.aim = max(tensor.aim, best.aim)
        tensor.heldOutCount += inputs.heldOutCount
    }

    /// Writes a weight whose matrices are all done.
    private func finish(_ tensor: FlippedTensor, at index: Int, _ flips: FlipMerge, _ result: inout Result) throws {
        let (item, values, state) = (tensor.item, tensor.values, tensor.quantized.state)
        let ranges = quantizedRanges(of: values, state, orientation: item.tensor.orientation)
        let changedCount = try write(codes: tensor.merged.values, of: tensor.quantized, tensor.parts, ranges, &result)
        try copyConstants(tensor)
        result.states[index] = state
        try undoState(of: item.tensor, state, &result)
        guard measures else { return }
        let weights = try measure(item, values, tensor.target, state, tensor.reader.quantMap, tensor.parts, ranges, tensor.absmax)
        add(
            item.name, tensor.change, typeName: state.quantType.rawValue.uppercased(), weights, elementCount: state.elementCount,
            changedCount: changedCount,
            flips: MergeReport.Flips(
                tensor.heldOutCount > 0 ? tensor.sums : nil, mu: tensor.mu, aim: tensor.aim,
                requantized: flips.requantized[item.name] ?? 0), &result)
    }

    /// Changes the codes of all rows of a matrix from the base on; they end up in `merged`, packed.
    ///
    /// - Parameter change: of codes, one in each byte, what they are multiplied by, and the delta.
    private func forEachPanel(
        of tensor: FlippedTensor, _ matrix: FlipMerge.Matrix,
        _ change: @Sendable (UnsafeMutableBufferPointer<UInt8>, UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>) -> ActivationSums
    ) throws -> ActivationSums {
        let panels = tensor.panels(of: matrix)
        let found = Disjoint(repeating: ActivationSums(), count: panels.count)
        let (merged, blockSize) = (tensor.merged, tensor.reader.state.blockSize)
        try resources.pool.forEach(count: panels.count) { panel, worker in
            let range = panels[panel]
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
            found[panel] = change(codes, UnsafeBufferPointer(scales), delta)
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
    private func copyConstants(_ tensor: FlippedTensor) throws {
        for part in QuantizedTensor.Part.allCases {
            guard let index = tensor.quantized.index(of: part), let stored = tensor.parts.index(of: part) else { continue }
            for range in pass.byteRanges(ofTensor: index, limit: 1 << 20) {
                let bytes = buffer(.stored, worker: 0, byteCount: range.count)
                try pass.read(tensor: index, atByteOffset: range.lowerBound, into: bytes)
                try sink.write(UnsafeRawBufferPointer(bytes), stored: stored, atByteOffset: range.lowerBound)
            }
        }
    }
}
