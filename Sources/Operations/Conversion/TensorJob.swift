import ByteIO
import Checkpoints
import Parts
import Quantization
import Streaming
import TensorCore

/// A piece of a conversion: some elements or bytes of one tensor, and where they go. Jobs may be done in any order and by anyone.
enum TensorJob: Sendable, Hashable {
    /// Elements, counted in the order of [out, in].
    case quantize(item: Int, Range<Int>)
    /// Bytes of a source tensor to a stored tensor of the output.
    case copy(from: Int, to: Int, Range<Int>)
    /// Likewise, of constants or a codebook in F32: a NaN among them would spread to whole blocks.
    case copyConstants(from: Int, to: Int, Range<Int>)
    case cast(item: Int, Range<Int>, to: ScalarType)
    case decode(item: Int, Range<Int>, to: ScalarType)
    /// Bytes of a turned weight, whose chunks are no runs of the file: counted while they are at hand.
    case count(tensor: Int, Range<Int>)
}

extension ConversionPlan {
    /// All there is to do, in the order of the items; nothing is read for it but constants that a layout needs.
    ///
    /// - Parameter done: items that are written already.
    func jobs(_ resources: Resources, leavingOut done: Set<Int> = []) throws(FileError) -> [TensorJob] {
        var jobs: [TensorJob] = []
        for index in items.indices where !done.contains(index) { jobs += try self.jobs(ofItem: index, resources) }
        return jobs
    }

    /// What a part has to do, in the order of the items.
    func jobs(of share: Partition.Share, _ resources: Resources) throws(FileError) -> [TensorJob] {
        var jobs: [TensorJob] = []
        for index in share.units { jobs += try self.jobs(ofItem: index, resources) }
        for run in share.runs { jobs += try self.jobs(ofItem: run.unit, only: run, resources) }
        return jobs
    }

    /// Where an item may be cut: dense weights that lie as they are written.
    func grain(ofItem index: Int) throws(FileError) -> Partition.Grain? {
        let item = items[index], tensor = item.tensor
        guard let stored = tensor.plainIndex, tensor.orientation == .outputsByInputs else { return nil }
        let info = checkpoint.source.tensors[stored]
        let unit: Int
        switch item.step {
        case .quantize:
            let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
            unit = Chunks.leastCommonMultiple(reader.granularity, quantizer.granularity(for: tensor.shape, settings))
        case .copy, .cast: unit = 1
        case .copyQuantized, .decode: return nil
        }
        // Of whole bytes, whatever the types are.
        return Partition.Grain(
            source: stored, bitCount: info.scalarType.bitCount, elementCount: info.elementCount, unit: Chunks.leastCommonMultiple(unit, 8))
    }

    private func jobs(ofItem index: Int, only run: Partition.Run? = nil, _ resources: Resources) throws(FileError) -> [TensorJob] {
        let item = items[index]
        switch (item.step, item.tensor.storage, layout.places[index]) {
        case (.quantize, _, .quantized): return try quantizing(index, only: run, resources)
        case (.copyQuantized, .quantized(let quantized), .quantized(let parts)): return copying(quantized, to: parts, resources)
        case (.cast(let type), .plain(let tensor), .plain):
            let elements = run?.elements ?? 0..<checkpoint.source.tensors[tensor].elementCount
            return Chunks.ranges(elements, limit: resources.chunkElementCount, unit: 1).map { .cast(item: index, $0, to: type) }
        case (.decode(let type), .encoded, .plain):
            return try ranges(of: item.tensor, only: nil, unit: 1, resources).map { .decode(item: index, $0, to: type) }
        case (.copy, .plain(let tensor), .plain(let stored)):
            return byteRanges(ofTensor: tensor, only: run, resources).map { .copy(from: tensor, to: stored, $0) }
        default: preconditionFailure("step, storage and place of '\(item.tensor.name)' do not belong together")
        }
    }

    private func quantizing(_ index: Int, only run: Partition.Run?, _ resources: Resources) throws(FileError) -> [TensorJob] {
        let tensor = items[index].tensor
        guard let shape = Shape(tensor.orientation.turned(tensor.shape.dimensions)) else { preconditionFailure("as many elements") }
        let jobs = try ranges(of: tensor, only: run, unit: quantizer.granularity(for: shape, settings), resources)
            .map { TensorJob.quantize(item: index, $0) }
        guard let stored = tensor.plainIndex, tensor.orientation == .inputsByOutputs else { return jobs }
        return jobs + byteRanges(ofTensor: stored, resources).map { .count(tensor: stored, $0) }
    }

    private func copying(_ quantized: QuantizedTensor, to parts: QNFPlan.Parts, _ resources: Resources) -> [TensorJob] {
        var jobs = byteRanges(ofTensor: quantized.codes, resources).map { TensorJob.copy(from: quantized.codes, to: parts.codes, $0) }
        for part in QuantizedTensor.Part.allCases {
            guard let tensor = quantized.index(of: part), let stored = parts.index(of: part) else { continue }
            let isPlain = part == .absmax && quantized.nested != nil
            jobs += byteRanges(ofTensor: tensor, resources)
                .map { isPlain ? .copy(from: tensor, to: stored, $0) : .copyConstants(from: tensor, to: stored, $0) }
        }
        return jobs
    }

    private func byteRanges(ofTensor index: Int, only run: Partition.Run? = nil, _ resources: Resources) -> [Range<Int>] {
        Chunks.ranges(run?.bytes ?? 0..<checkpoint.source.tensors[index].byteCount, limit: 4 * resources.chunkElementCount, unit: 1)
    }

    /// Chunks of a weight, counted in the order of [out, in].
    private func ranges(
        of tensor: LogicalTensor, only run: Partition.Run?, unit: Int, _ resources: Resources
    ) throws(FileError) -> [Range<Int>] {
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        let isTurned = tensor.orientation == .inputsByOutputs
        let granularity = Chunks.leastCommonMultiple(reader.granularity, isTurned ? max(1, reader.columns) : 1)
        return Chunks.ranges(
            run?.elements ?? 0..<tensor.elementCount, limit: resources.chunkElementCount * (isTurned ? Resources.transposedChunkFactor : 1),
            unit: Chunks.leastCommonMultiple(granularity, unit))
    }
}
