import ByteIO
import Checkpoints
import Quantization
import Streaming
import TensorCore

/// Statistics of one tensor, chunk by chunk. Chunks begin at runs of elements, so that how long they are changes nothing.
struct TensorScan: Sendable {
    /// Memory of the calling worker: a slot, and how many bytes. Two slots are used.
    typealias Scratch = (_ slot: Int, _ byteCount: Int) -> UnsafeMutableRawBufferPointer

    /// What one chunk adds.
    struct Partial: Sendable {
        var runs: [ElementSummary] = []
        var integers = IntegerScan.Found()
        var codeCounts = [UInt64](repeating: 0, count: 16)
        var absmax: [Float] = []
        var byteCount = 0
    }

    private enum Kind: Sendable {
        /// Type that the kernels read.
        case floats(ScalarType)
        /// The values of its patterns.
        case smallFloats([Float])
        case integers(ScalarType)
        case complex
        case blocks(QuantizedReader)
        /// Of another encoding, decoded.
        case decoded(ElementReader)
        /// 4-bit with a codebook that cannot be.
        case damaged(FileError)
    }

    private let source: any TensorSource
    private let tensor: LogicalTensor
    /// The stored tensor that holds the elements or the codes.
    private let stored: Int
    /// Of all stored tensors that hold it.
    private let storedByteCount: Int
    private let kind: Kind

    /// Reads the codebooks of a 4-bit tensor.
    init(_ checkpoint: any NamedTensors, _ tensor: LogicalTensor) {
        source = checkpoint.source
        self.tensor = tensor
        storedByteCount = tensor.storedByteCount(in: source)
        switch tensor.storage {
        case .quantized(let quantized):
            stored = quantized.codes
            do throws(FileError) { kind = .blocks(try QuantizedReader(source: checkpoint.source, tensor: quantized)) } catch {
                kind = .damaged(error)
            }
        case .encoded(let encoded):
            stored = encoded.parts[0]
            do throws(FileError) { kind = .decoded(try checkpoint.reader(of: tensor, order: .outputsByInputs)) } catch {
                kind = .damaged(error)
            }
        case .plain(let index):
            stored = index
            if tensor.scalarType.isQuantizable {
                kind = .floats(tensor.scalarType)
            } else if let values = SmallFloats.values(of: tensor.scalarType) {
                kind = .smallFloats(values)
            } else {
                kind = tensor.scalarType.isInteger ? .integers(tensor.scalarType) : .complex
            }
        }
    }

    /// Runs of elements, in the order of the file.
    func chunks(limit: Int) -> [Range<Int>] {
        switch kind {
        case .complex, .damaged: []
        case .blocks: Chunks.ranges(count: tensor.elementCount, limit: limit, unit: ElementSummary.quantizedRunLength)
        case .decoded(let reader):
            Chunks.ranges(
                count: tensor.elementCount, limit: limit, unit: Chunks.leastCommonMultiple(ElementSummary.runLength, reader.granularity))
        case .floats, .smallFloats, .integers:
            // As many bytes as 2-byte elements of the limit: a worker's share of the second-level cache.
            Chunks.ranges(
                count: tensor.elementCount, limit: min(limit, limit * 16 / tensor.scalarType.bitCount), unit: ElementSummary.runLength)
        }
    }

    // MARK: - First pass

    func scan(_ range: Range<Int>, scratch: Scratch) throws -> Partial {
        var partial = Partial()
        switch kind {
        case .floats, .smallFloats, .decoded:
            let (bytes, type) = try readReals(range, scratch: scratch)
            partial.runs = ElementSummary.runs(of: bytes, type: type)
            partial.byteCount = byteCount(of: range)
        case .integers(let type):
            let bytes = UnsafeRawBufferPointer(try readBytes(range, scratch: scratch))
            partial.integers = IntegerScan.scan(bytes, of: type) ?? partial.integers
            partial.byteCount = bytes.count
        case .blocks(let reader):
            partial.absmax = try reader.absmax(ofBlocks: Self.blocks(of: range, reader))
            let blocks = try readBlocks(range, reader, absmax: partial.absmax[...], scratch: scratch)
            partial.runs = ElementSummary.runs(of: blocks, codeCounts: &partial.codeCounts)
            partial.byteCount = blocks.codes.count
        case .complex, .damaged: break
        }
        return partial
    }

    /// All chunks together, in their order; reads what may hold outliers a second time.
    ///
    /// Outliers cannot be told before the deviation is known. But a run whose range stays near the mean has none, nor has
    /// a block whose constant is small: in weights of models most are such, and are not read again.
    func statistics(of partials: [Partial], row: LayerListing.Row, scratch: Scratch) throws -> TensorStatistics {
        let runs = partials.flatMap(\.runs)
        switch kind {
        case .floats, .smallFloats, .decoded:
            let summary = Self.total(of: runs)
            let outliers = try countOutliers(summary) { mean, distance in
                try countOutliers(among: runs, mean: mean, distance: distance, scratch: scratch)
            }
            return statistics(row, .real(.init(summary: summary, outlierCount: outliers, histogram: nil)))
        case .integers:
            let found = partials.reduce(into: IntegerScan.Found()) { $0.append($1.integers) }
            return statistics(row, .integer(.init(range: found.range, zeroCount: found.zeroCount)))
        case .complex: return statistics(row, .complex)
        case .damaged(let error): return statistics(row, .damaged(error))
        case .blocks(let reader):
            let summary = Self.total(of: runs), absmax = partials.map(\.absmax)
            let outliers = try countOutliers(summary) { mean, distance in
                try countOutliers(reader, among: runs, absmax: absmax, mean: mean, distance: distance, scratch: scratch)
            }
            var codeCounts = [UInt64](repeating: 0, count: 16)
            for partial in partials { for code in codeCounts.indices { codeCounts[code] += partial.codeCounts[code] } }
            let blocks = BlockStatistics(
                codeCounts: codeCounts, codebook: Self.codebook(reader), blockCount: reader.state.blockCount,
                absmax: Percentiles(of: absmax))
            return statistics(row, .real(.init(summary: summary, outlierCount: outliers, histogram: nil)), blocks)
        }
    }

    private func statistics(
        _ row: LayerListing.Row, _ elements: TensorStatistics.Elements, _ blocks: BlockStatistics? = nil
    ) -> TensorStatistics {
        TensorStatistics(row: row, scalarType: tensor.scalarType, elements: elements, blocks: blocks)
    }

    private static func total(of runs: [ElementSummary]) -> ElementSummary {
        runs.reduce(into: ElementSummary()) { $0.append($1) }
    }

    // MARK: - Outliers

    private func countOutliers(_ summary: ElementSummary, _ count: (_ mean: Double, _ distance: Double) throws -> Int) throws -> Int {
        guard let mean = summary.mean, let deviation = summary.standardDeviation, deviation > 0 else { return 0 }
        return try count(mean, TensorStatistics.Reals.outlierDistance * deviation)
    }

    /// Runs, by their number, that may hold outliers.
    private static func candidates(_ runs: [ElementSummary], mean: Double, distance: Double) -> [Int] {
        runs.indices.filter { runs[$0].mayHold(furtherFrom: mean, than: distance) }
    }

    private func countOutliers(
        among runs: [ElementSummary], mean: Double, distance: Double, scratch: Scratch
    ) throws -> Int {
        let length = ElementSummary.runLength, candidates = Self.candidates(runs, mean: mean, distance: distance)
        return try candidates.stretches(gap: 0, limit: Self.longestStretch / length).reduce(0) { count, stretch in
            let range = stretch.lowerBound * length..<min(stretch.upperBound * length, tensor.elementCount)
            let (bytes, type) = try readReals(range, scratch: scratch)
            return count + ElementSummary.count(in: bytes, type: type, furtherFrom: mean, than: distance)
        }
    }

    private func countOutliers(
        _ reader: QuantizedReader, among runs: [ElementSummary], absmax pieces: [[Float]], mean: Double, distance: Double, scratch: Scratch
    ) throws -> Int {
        let candidates = Self.candidates(runs, mean: mean, distance: distance)
        guard !candidates.isEmpty else { return 0 }
        let absmax = Array(pieces.joined())
        let codebook = Self.codebook(reader), blockSize = reader.state.blockSize
        let lowest = codebook.min() ?? 0, highest = codebook.max() ?? 0
        let blocksPerRun = ElementSummary.quantizedRunLength / blockSize
        let blocks = candidates.flatMap { run in
            (run * blocksPerRun..<min((run + 1) * blocksPerRun, absmax.count)).filter { block in
                // Rounding a product never changes the order of two, so no element of the block lies beyond these.
                (Double(lowest * absmax[block]) - mean).magnitude > distance
                    || (Double(highest * absmax[block]) - mean).magnitude > distance
            }
        }
        return try blocks.stretches(gap: Self.gap, limit: Self.longestStretch / blockSize).reduce(0) { count, stretch in
            let range = stretch.lowerBound * blockSize..<min(stretch.upperBound * blockSize, tensor.elementCount)
            let blocks = try readBlocks(range, reader, absmax: absmax[stretch], scratch: scratch)
            return count + ElementSummary.count(in: blocks, furtherFrom: mean, than: distance)
        }
    }

    /// Elements that are read at once in the second pass: no more than in the smallest chunk.
    private static let longestStretch = 1 << 14
    /// Blocks that are read along rather than beginning another read after them.
    private static let gap = 16

    // MARK: - Histogram

    /// Adds the elements of a chunk; there are none but of real numbers.
    func add(_ range: Range<Int>, to histogram: inout Histogram, scratch: Scratch) throws {
        switch kind {
        case .floats, .smallFloats, .decoded:
            let (bytes, type) = try readReals(range, scratch: scratch)
            histogram.add(bytes, type: type)
        case .blocks(let reader):
            let absmax = try reader.absmax(ofBlocks: Self.blocks(of: range, reader))
            histogram.add(try readBlocks(range, reader, absmax: absmax[...], scratch: scratch))
        case .integers, .complex, .damaged: break
        }
    }

    // MARK: - Reading

    private func byteCount(of range: Range<Int>) -> Int {
        guard case .decoded = kind else { return range.count * source.tensors[stored].scalarType.bitCount / 8 }
        func bytes(before element: Int) -> Int { Int(Double(storedByteCount) * Double(element) / Double(tensor.elementCount)) }
        return bytes(before: range.upperBound) - bytes(before: range.lowerBound)
    }

    private func readBytes(_ range: Range<Int>, scratch: Scratch) throws(FileError) -> UnsafeMutableRawBufferPointer {
        let buffer = scratch(0, byteCount(of: range))
        try source.read(tensor: stored, atByteOffset: byteCount(of: 0..<range.lowerBound), into: buffer)
        return buffer
    }

    /// Elements as they are stored, or as float32 where the kernels do not read their type.
    private func readReals(_ range: Range<Int>, scratch: Scratch) throws(FileError) -> (bytes: UnsafeRawBufferPointer, type: ScalarType) {
        if case .decoded(let reader) = kind { return (try decode(range, reader, scratch: scratch), .f32) }
        let bytes = UnsafeRawBufferPointer(try readBytes(range, scratch: scratch))
        guard case .smallFloats(let values) = kind else { return (bytes, tensor.scalarType) }
        let decoded = scratch(1, 4 * range.count)
        SmallFloats.decode(
            bytes, bitCount: tensor.scalarType.bitCount, values: values, into: decoded.bindMemory(to: Float.self))
        return (UnsafeRawBufferPointer(decoded), .f32)
    }

    private func decode(_ range: Range<Int>, _ reader: ElementReader, scratch: Scratch) throws(FileError) -> UnsafeRawBufferPointer {
        let unit = reader.granularity, start = range.lowerBound / unit * unit
        let end = min((range.upperBound + unit - 1) / unit * unit, tensor.elementCount)
        let values = scratch(1, 4 * (end - start)), spare = scratch(0, 4 * (end - start))
        try reader.read(start..<end, stored: .init(start: nil, count: 0), spare: spare, into: values.bindMemory(to: Float.self))
        return UnsafeRawBufferPointer(rebasing: values[4 * (range.lowerBound - start)..<4 * (range.upperBound - start)])
    }

    private func readBlocks(
        _ range: Range<Int>, _ reader: QuantizedReader, absmax: ArraySlice<Float>, scratch: Scratch
    ) throws(FileError) -> QuantizedBlocks {
        let codes = scratch(0, (range.count + 1) / 2)
        try reader.readCodes(range, into: codes)
        return QuantizedBlocks(
            codes: UnsafeRawBufferPointer(codes), absmax: absmax, quantMap: reader.quantMap, elementCount: range.count,
            blockSize: reader.state.blockSize)
    }

    private static func codebook(_ reader: QuantizedReader) -> [Float] {
        let values = reader.quantMap.values
        return values.indices.map { values[$0] }
    }

    private static func blocks(of range: Range<Int>, _ reader: QuantizedReader) -> Range<Int> {
        let blockSize = reader.state.blockSize
        return range.lowerBound / blockSize..<(range.upperBound + blockSize - 1) / blockSize
    }
}

extension [Int] {
    /// Ranges that cover these ascending numbers, with at most `gap` others between two of them and `limit` in all.
    fileprivate func stretches(gap: Int, limit: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for number in self {
            if let last = ranges.last, number - last.upperBound <= gap, number + 1 - last.lowerBound <= limit {
                ranges[ranges.count - 1] = last.lowerBound..<number + 1
            } else {
                ranges.append(number..<number + 1)
            }
        }
        return ranges
    }
}
