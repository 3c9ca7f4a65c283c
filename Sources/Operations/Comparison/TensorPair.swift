import ByteIO
import Checkpoints
import Quantization
import Streaming
import TensorCore

/// A tensor of the source and what became of it in the model, compared chunk by chunk.
struct TensorPair: Sendable {
    /// What is asked about bits, beside the error.
    enum BitCheck: Sendable {
        /// Whether dense tensors are what converting the source gives.
        case denseConversion
        /// Likewise, and whether quantizing the source again gives the same 4-bit weights.
        case conversion
        /// Whether both hold the same. NaN and infinities that are equal on both sides are then no error, but counted.
        case identity
    }

    /// Memory of the calling worker: a slot, and how many bytes.
    typealias Scratch = (_ slot: Int, _ byteCount: Int) -> UnsafeMutableRawBufferPointer

    /// What one chunk adds.
    struct Partial: Sendable {
        var statistics = ErrorStatistics()
        var largestBoundShare = 0.0
        /// Constants of the source's own blocks, for the second quantization; only where bits are checked.
        var absmax: [Float] = []
        var isEqual = true
        /// Only where identity is checked.
        var difference = ElementDifference()
        var sourceByteCount = 0
    }

    /// What all chunks together say.
    struct Summary: Sendable {
        let statistics: ErrorStatistics
        /// Of weights that were quantized on the way from the source to the model.
        let largestBoundShare: Double?
        /// Nil where bits were not checked.
        let isBitExact: Bool?
        let difference: ElementDifference
    }

    /// In a box: of dense tensors, which may be very many, there is none.
    private indirect enum Weight: Sendable {
        case quantized(QuantizedReader)
        /// Of another encoding, decoded.
        case encoded(ElementReader)

        var granularity: Int {
            switch self {
            case .quantized(let reader): reader.state.blockSize
            case .encoded(let reader): reader.granularity
            }
        }
    }

    let original: LogicalTensor
    let tensor: LogicalTensor
    private let source: any TensorSource
    private let model: any TensorSource
    private let bits: BitCheck
    private let originalWeight: Weight?
    private let weight: Weight?
    /// Half the widest gap between neighbouring codes: the largest error, as a share of the block's absmax.
    private let halfGap: Double

    /// - Parameters:
    ///   - original: of `source`; `tensor`: of `model`.
    init(source: any NamedTensors, original: LogicalTensor, model: any NamedTensors, tensor: LogicalTensor, bits: BitCheck)
        throws(FileError)
    {
        self.source = source.source
        self.original = original
        self.model = model.source
        self.tensor = tensor
        self.bits = bits
        func open(_ tensor: LogicalTensor, _ checkpoint: any NamedTensors) throws(FileError) -> Weight? {
            switch tensor.storage {
            case .plain: return nil
            case .quantized(let quantized): return .quantized(try QuantizedReader(source: checkpoint.source, tensor: quantized))
            case .encoded: return .encoded(try checkpoint.reader(of: tensor, order: .outputsByInputs))
            }
        }
        originalWeight = try open(original, source)
        weight = try open(tensor, model)
        let codes = Self.reader(weight).map { reader in reader.quantMap.values.indices.map { reader.quantMap.values[$0] }.sorted() } ?? []
        halfGap = zip(codes, codes.dropFirst()).map { Double($1) - Double($0) }.max().map { $0 / 2 } ?? 0
    }

    /// 4-bit in the model.
    var isQuantized: Bool { reader != nil }

    /// Quantized on the way from the source to the model.
    private var hasBound: Bool { isQuantized && originalReader == nil && bits != .identity }

    private var reader: QuantizedReader? { Self.reader(weight) }
    private var originalReader: QuantizedReader? { Self.reader(originalWeight) }

    private static func reader(_ weight: Weight?) -> QuantizedReader? {
        guard case .quantized(let reader) = weight else { return nil }
        return reader
    }

    /// Whether the elements are walked in the order of [out, in]: that of the 4-bit side, where there is one.
    private var turned: Orientation {
        let turns =
            weight != nil && tensor.orientation == .inputsByOutputs || originalWeight != nil && original.orientation == .inputsByOutputs
        return turns ? .inputsByOutputs : .outputsByInputs
    }

    /// Runs of elements, independent of the number of threads.
    func chunks(limit: Int) -> [Range<Int>] {
        guard isComparable else { return [0..<tensor.elementCount] }
        let granularity = turned == .inputsByOutputs ? tensor.orientation.sizes(of: Array(tensor.shape.dimensions.suffix(2))).inputs : 1
        let blockSize = Chunks.leastCommonMultiple(weight?.granularity ?? 1, originalWeight?.granularity ?? 1)
        return Chunks.ranges(
            count: tensor.elementCount, limit: limit * (turned == .inputsByOutputs ? Resources.transposedChunkFactor : 1),
            unit: Chunks.leastCommonMultiple(granularity, blockSize))
    }

    /// Floats on both sides; other types are compared as bytes.
    var isComparable: Bool { original.scalarType.isQuantizable && tensor.scalarType.isQuantizable }

    func compare(_ range: Range<Int>, scratch: Scratch) throws -> Partial {
        guard isComparable else { return try compareBytes(scratch: scratch) }
        if originalReader == nil, bits != .identity {
            if let reader { return try compareQuantized(reader, range, scratch: scratch) }
            if originalWeight == nil, weight == nil, original.scalarType == tensor.scalarType,
                let same = try compareSame(range, scratch: scratch)
            {
                return same
            }
        }
        return try compareValues(range, scratch: scratch)
    }

    /// A dense source and a 4-bit weight.
    private func compareQuantized(_ reader: QuantizedReader, _ range: Range<Int>, scratch: Scratch) throws -> Partial {
        var partial = Partial()
        let (raw, type) = try readSource(range, scratch: scratch)
        partial.sourceByteCount = raw.count
        let codes = scratch(2, (range.count + 1) / 2)
        try reader.readCodes(range, into: codes)
        let blockSize = reader.state.blockSize
        let absmax = try reader.absmax(ofBlocks: range.lowerBound / blockSize..<(range.upperBound + blockSize - 1) / blockSize)
        let blocks = QuantizedBlocks(
            codes: UnsafeRawBufferPointer(codes), absmax: absmax[...], quantMap: reader.quantMap, elementCount: range.count,
            blockSize: blockSize)
        let maxima = partial.statistics.add(reference: RawSpan(_unsafeBytes: raw), of: type, actual: blocks)
        partial.largestBoundShare = largestBoundShare(maxima, stored: absmax)
        if bits == .conversion { compareConversion(reader, range, raw: raw, type, codes: codes, scratch: scratch, partial: &partial) }
        return partial
    }

    /// Two dense sides of one type, as long as they hold the same bytes; nil where they do not.
    private func compareSame(_ range: Range<Int>, scratch: Scratch) throws -> Partial? {
        var partial = Partial()
        let raw = try readPlain(original, source, range, slot: 3, scratch: scratch)
        let stored = try readPlain(tensor, model, range, slot: 2, scratch: scratch)
        guard hasSameBytes(raw, stored) else { return nil }
        partial.sourceByteCount = raw.count
        partial.statistics.add(same: RawSpan(_unsafeBytes: raw), of: original.scalarType)
        return partial
    }

    /// Any two, both turned into float32.
    private func compareValues(_ range: Range<Int>, scratch: Scratch) throws -> Partial {
        var partial = Partial()
        let reference = scratch(0, 4 * range.count), actual = scratch(1, 4 * range.count)
        let raw = try readOriginal(range, into: reference, scratch: scratch, partial: &partial)
        if let reader {
            let codes = scratch(2, (range.count + 1) / 2)
            try reader.dequantize(range, as: .f32, codes: codes, into: actual)
            if bits != .denseConversion { partial.isEqual = try isSameQuantized(range, codes: codes, scratch: scratch) }
            if bits == .identity { partial.difference = ElementDifference(takenFrom: reference, actual) }
        } else if case .encoded(let reader) = weight {
            try reader.read(
                range, stored: .init(start: nil, count: 0), spare: scratch(2, 4 * range.count), into: actual.bindMemory(to: Float.self))
            partial.isEqual = original.typeName == tensor.typeName && hasSameBytes(reference, actual)
            if bits == .identity { partial.difference = ElementDifference(takenFrom: reference, actual) }
        } else {
            let stored = try readPlain(tensor, model, range, slot: 2, scratch: scratch)
            Self.widen(stored, of: tensor.scalarType, into: actual)
            if bits == .identity {
                compareDense(raw, stored, reference: reference, actual: actual, partial: &partial)
            } else {
                partial.isEqual = isSameDense(raw, reference, stored, scratch)
            }
        }
        partial.statistics.add(
            reference: Span(_unsafeElements: UnsafeBufferPointer(reference.bindMemory(to: Float.self))),
            actual: Span(_unsafeElements: UnsafeBufferPointer(actual.bindMemory(to: Float.self))))
        return partial
    }

    /// Joins the chunks, all of them and in their order.
    func summary(of chunks: [Partial]) throws -> Summary {
        var statistics = ErrorStatistics()
        var difference = ElementDifference()
        for chunk in chunks {
            statistics.append(chunk.statistics)
            difference.append(chunk.difference)
        }
        var isBitExact = isQuantized && bits == .denseConversion ? nil : chunks.allSatisfy(\.isEqual)
        if bits == .conversion, isBitExact == true, originalReader == nil, let reader {
            isBitExact = try hasSameConstants(reader, chunks.flatMap(\.absmax))
        }
        return Summary(
            statistics: statistics, largestBoundShare: hasBound ? chunks.map(\.largestBoundShare).max() : nil,
            isBitExact: isBitExact, difference: difference)
    }

    // MARK: - Reading

    /// The source's elements: as they are stored, or those of an encoded weight, as float32.
    private func readSource(_ range: Range<Int>, scratch: Scratch) throws -> (UnsafeRawBufferPointer, ScalarType) {
        guard case .encoded(let reader) = originalWeight else {
            return (try readPlain(original, source, range, slot: 3, scratch: scratch), original.scalarType)
        }
        let values = scratch(3, 4 * range.count)
        try reader.read(
            range, stored: .init(start: nil, count: 0), spare: scratch(5, 4 * range.count), into: values.bindMemory(to: Float.self))
        return (UnsafeRawBufferPointer(values), .f32)
    }

    /// Fills `floats` with the source's values; returns its raw bytes where it is dense.
    private func readOriginal(
        _ range: Range<Int>, into floats: UnsafeMutableRawBufferPointer, scratch: Scratch, partial: inout Partial
    ) throws -> UnsafeRawBufferPointer? {
        if let originalReader {
            let codes = scratch(3, (range.count + 1) / 2)
            try originalReader.dequantize(range, as: .f32, codes: codes, into: floats)
            partial.sourceByteCount = codes.count
            return nil
        }
        if case .encoded(let reader) = originalWeight {
            try reader.read(
                range, stored: .init(start: nil, count: 0), spare: scratch(3, 4 * range.count), into: floats.bindMemory(to: Float.self))
            return nil
        }
        let raw = try readPlain(original, source, range, slot: 3, scratch: scratch)
        Self.widen(raw, of: original.scalarType, into: floats)
        partial.sourceByteCount = raw.count
        return raw
    }

    /// Raw elements of a dense tensor.
    private func readPlain(
        _ tensor: LogicalTensor, _ source: any TensorSource, _ range: Range<Int>, slot: Int, scratch: Scratch
    ) throws -> UnsafeRawBufferPointer {
        guard case .plain(let index) = tensor.storage else { preconditionFailure("only a dense tensor is read as such") }
        let reader = WeightReader(source: source, tensor: index, orientation: turned)
        let raw = scratch(slot, range.count * tensor.scalarType.bitCount / 8)
        let spare = turned == .inputsByOutputs ? scratch(5, raw.count) : raw
        try reader.read(range, into: raw, scratch: spare)
        return UnsafeRawBufferPointer(raw)
    }

    private static func widen(_ raw: UnsafeRawBufferPointer, of type: ScalarType, into floats: UnsafeMutableRawBufferPointer) {
        var values = MutableSpan(_unsafeElements: floats.bindMemory(to: Float.self))
        FloatConversion.widen(RawSpan(_unsafeBytes: raw), of: type, into: &values)
    }

    // MARK: - Measuring

    /// The largest |error| against halfGap * absmax + |absmax - stored|, block by block.
    ///
    /// The second term is what double quantization did to the constant: a code's magnitude is at most 1.
    private func largestBoundShare(_ maxima: ErrorStatistics.BlockMaxima, stored: [Float]) -> Double {
        // A few roundings to float32 on the way to the value; below 1e-38 blocks are scaled by another rule.
        let roundoff = 4 * 0x1p-23 + recordedRoundoff
        var share = 0.0
        for (number, constant) in stored.enumerated() {
            let absmax = Double(maxima.absmax[number]), error = maxima.largestError[number]
            let bound = halfGap * absmax + (absmax - Double(constant)).magnitude + roundoff * absmax + 1e-38
            // There are millions of blocks, and a division takes longer than all the rest.
            if error > share * bound { share = error / bound }
        }
        return share
    }

    /// Relative error of the source in the type it is recorded to have had when it was quantized: float32 masters are often
    /// loaded as bfloat16 first.
    private var recordedRoundoff: Double {
        guard let recorded = tensor.quantized?.state.scalarType, recorded != original.scalarType else { return 0 }
        return recorded == .bf16 ? 0x1p-8 : recorded == .f16 ? 0x1p-11 : 0
    }

    /// Quantizes the source's chunk again and compares its codes; the constants are compared once all are there.
    private func compareConversion(
        _ reader: QuantizedReader, _ range: Range<Int>, raw: UnsafeRawBufferPointer, _ type: ScalarType,
        codes: UnsafeMutableRawBufferPointer,
        scratch: Scratch, partial: inout Partial
    ) {
        let blockSize = reader.state.blockSize
        let again = scratch(4, (range.count + 1) / 2)
        var absmax = [Float](repeating: 0, count: (range.count + blockSize - 1) / blockSize)
        var packed = MutableRawSpan(_unsafeBytes: again)
        var constants = absmax.mutableSpan
        _ = BlockQuantizer.quantize(
            RawSpan(_unsafeBytes: raw), of: type, as: reader.state.quantType, blockSize: blockSize, packed: &packed,
            absmax: &constants)
        partial.isEqual = hasSameBytes(again, codes)
        partial.absmax = absmax
    }

    /// Both sides 4-bit: the same settings, codes and constants.
    private func isSameQuantized(_ range: Range<Int>, codes: UnsafeMutableRawBufferPointer, scratch: Scratch) throws -> Bool {
        guard let originalReader, let reader, originalReader.state == reader.state, originalReader.quantMap == reader.quantMap else {
            return false
        }
        let other = scratch(4, (range.count + 1) / 2)
        try originalReader.readCodes(range, into: other)
        let blockSize = reader.state.blockSize
        let blocks = range.lowerBound / blockSize..<(range.upperBound + blockSize - 1) / blockSize
        let (a, b) = (try reader.absmax(ofBlocks: blocks), try originalReader.absmax(ofBlocks: blocks))
        return hasSameBytes(other, codes) && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
    }

    /// The constants that quantizing the source gives are those in the model, bit for bit, nested ones and codebooks included.
    private func hasSameConstants(_ reader: QuantizedReader, _ absmax: [Float]) throws -> Bool {
        guard reader.hasStandardMaps, reader.state.scalarType == QuantState.recordedType(of: original.scalarType) else { return false }
        guard let nested = reader.state.nested else {
            return zip(absmax, try reader.absmax(ofBlocks: 0..<absmax.count)).allSatisfy { $0.bitPattern == $1.bitPattern }
        }
        let expected = DoubleQuantization.quantize(absmax.span)
        guard expected.offset.bitPattern == nested.offset.bitPattern else { return false }
        return try reader.hasNestedConstants(codes: expected.codes, absmax: expected.nestedAbsmax)
    }

    /// Equal bytes, or what the source's values (`raw` where it is dense, `reference` as float32) are in the model's type.
    private func isSameDense(
        _ raw: UnsafeRawBufferPointer?, _ reference: UnsafeMutableRawBufferPointer, _ stored: UnsafeRawBufferPointer, _ scratch: Scratch
    ) -> Bool {
        if let raw, original.scalarType == tensor.scalarType { return hasSameBytes(raw, stored) }
        guard tensor.scalarType.isNarrowable else { return false }
        let expected = scratch(4, stored.count)
        var narrowed = MutableRawSpan(_unsafeBytes: expected)
        FloatConversion.narrow(
            Span(_unsafeElements: UnsafeBufferPointer(reference.bindMemory(to: Float.self))), to: tensor.scalarType, into: &narrowed)
        return hasSameBytes(UnsafeRawBufferPointer(expected), stored)
    }

    /// Whether both sides are dense, of one type and the same bytes; and which values they stand for differ.
    private func compareDense(
        _ raw: UnsafeRawBufferPointer?, _ stored: UnsafeRawBufferPointer, reference: UnsafeMutableRawBufferPointer,
        actual: UnsafeMutableRawBufferPointer, partial: inout Partial
    ) {
        partial.difference = ElementDifference(takenFrom: reference, actual)
        guard let raw, original.scalarType == tensor.scalarType else {
            partial.isEqual = false
            return
        }
        partial.isEqual = hasSameBytes(raw, stored)
        // Two that differ may be the same as float32.
        if tensor.scalarType == .f64 { partial.difference.differingCount = ElementDifference.count(raw, stored, byteCount: 8) }
    }

    /// Integers and other types: equal bytes or not; counted as one chunk.
    private func compareBytes(scratch: Scratch) throws -> Partial {
        var partial = Partial()
        guard case .plain(let a) = original.storage, case .plain(let b) = tensor.storage, original.scalarType == tensor.scalarType else {
            partial.isEqual = false
            return partial
        }
        let byteCount = source.tensors[a].byteCount
        for range in Chunks.ranges(count: byteCount, limit: 1 << 20, unit: 1) {
            let first = scratch(0, range.count), second = scratch(1, range.count)
            try source.read(tensor: a, atByteOffset: range.lowerBound, into: first)
            try model.read(tensor: b, atByteOffset: range.lowerBound, into: second)
            guard !hasSameBytes(first, second) else { continue }
            partial.isEqual = false
            partial.difference.differingCount += ElementDifference.count(
                UnsafeRawBufferPointer(first), UnsafeRawBufferPointer(second), byteCount: max(1, tensor.scalarType.bitCount / 8))
        }
        partial.sourceByteCount = byteCount
        return partial
    }
}
