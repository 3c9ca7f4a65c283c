import ByteIO
import Checkpoints
import Quantization
import Streaming
import TensorCore

extension ConversionRun {
    /// Some elements of a weight on their way to codes.
    private struct Chunk {
        /// Counted in the order of [out, in].
        let range: Range<Int>
        let blockSize: Int
        let codes: UnsafeMutableRawBufferPointer
        var absmax: [Float]

        /// Quantizes a piece of it, which begins at a block.
        ///
        /// - Returns: the index in the weight of the first element that is not finite.
        mutating func quantize(
            _ piece: Range<Int>, _ values: UnsafeRawBufferPointer, _ type: ScalarType, of name: String, _ plan: ConversionPlan
        ) -> Int? {
            let start = piece.lowerBound - range.lowerBound, firstBlock = start / blockSize
            var packed = MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: codes[start / 2..<start / 2 + (piece.count + 1) / 2]))
            let blocks = firstBlock..<firstBlock + (piece.count + blockSize - 1) / blockSize
            let nonfinite = absmax.withUnsafeMutableBufferPointer { absmax in
                var constants = MutableSpan(_unsafeElements: UnsafeMutableBufferPointer(rebasing: absmax[blocks]))
                return plan.quantizer.quantize(
                    RawSpan(_unsafeBytes: values), of: type, elements: piece, ofWeight: name, plan.settings, packed: &packed,
                    absmax: &constants)
            }
            return nonfinite.map { piece.lowerBound + $0 }
        }
    }

    func quantize(_ index: Int, _ range: Range<Int>, worker: Int) throws {
        guard case .quantized(let parts) = plan.layout.places[index] else { preconditionFailure("a quantized weight has its parts") }
        let tensor = plan.items[index].tensor, blockSize = plan.settings.blockSize
        var chunk = Chunk(
            range: range, blockSize: blockSize, codes: scratch.buffer(worker: worker, slot: 2, byteCount: (range.count + 1) / 2),
            absmax: [Float](repeating: 0, count: (range.count + blockSize - 1) / blockSize))
        if let stored = tensor.plainIndex {
            let values = try readStored(tensor, stored, range, worker: worker)
            let nonfinite = chunk.quantize(range, values, source.tensors[stored].scalarType, of: tensor.name, plan)
            if let nonfinite { try found(nonfinite: nonfinite, in: index) }
        } else {
            try quantizeEncoded(&chunk, index, worker: worker)
        }
        try writer.write(UnsafeRawBufferPointer(chunk.codes), stored: parts.codes, atByteOffset: range.lowerBound / 2)
        try collect(chunk.absmax, firstBlock: range.lowerBound / blockSize, item: index, parts: parts)
    }

    /// Elements of a dense weight, in the order of [out, in].
    private func readStored(
        _ tensor: LogicalTensor, _ stored: Int, _ range: Range<Int>, worker: Int
    ) throws -> UnsafeRawBufferPointer {
        let size = source.tensors[stored].scalarType.bitCount / 8
        let values = scratch.buffer(worker: worker, slot: 0, byteCount: range.count * size)
        let isTurned = tensor.orientation == .inputsByOutputs
        let spare = isTurned ? scratch.buffer(worker: worker, slot: 1, byteCount: values.count) : values
        try WeightReader(source: source, tensor: stored, orientation: tensor.orientation).read(range, into: values, scratch: spare)
        if !isTurned { pass.count(UnsafeRawBufferPointer(values), tensor: stored, atByteOffset: range.lowerBound * size) }
        return UnsafeRawBufferPointer(values)
    }

    /// A weight of other codes: these are translated where that can be, else decoded in pieces that stay in the cache until they are
    /// quantized.
    private func quantizeEncoded(_ chunk: inout Chunk, _ index: Int, worker: Int) throws {
        let tensor = plan.items[index].tensor, range = chunk.range, codes = chunk.codes
        guard let (run, type) = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs).run(range),
            let shape = Shape(tensor.orientation.turned(tensor.shape.dimensions))
        else { preconditionFailure("codes of bitsandbytes are copied") }
        if plan.quantizer is NearestQuantizer {
            let done = chunk.absmax.withUnsafeMutableBufferPointer {
                run.quantize(range, as: type, to: plan.settings.quantType, blockSize: plan.settings.blockSize, packed: codes, absmax: $0)
            }
            if let done {
                if let nonfinite = done.firstNonfinite { try found(nonfinite: range.lowerBound + nonfinite, in: index) }
                return
            }
        }
        let unit = Chunks.leastCommonMultiple(run.granularity, plan.quantizer.granularity(for: shape, plan.settings))
        for part in Chunks.ranges(count: range.count, limit: Resources.pieceElementCount, unit: unit) {
            let piece = range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound
            let values = scratch.buffer(worker: worker, slot: 0, byteCount: piece.count * type.bitCount / 8)
            try run.decode(piece, as: type, into: values)
            let nonfinite = chunk.quantize(piece, UnsafeRawBufferPointer(values), type, of: tensor.name, plan)
            if let nonfinite { try found(nonfinite: nonfinite, in: index) }
        }
    }
}
