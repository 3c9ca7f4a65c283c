import ByteIO
import Checkpoints
import Quantization
import TensorCore

/// Reads parts of a 4-bit weight by rows and columns.
///
/// A `Conv1D` weight is [in, out] by its shape but quantized as [out, in]: its columns are runs of blocks.
struct BlockReading {
    private let source: any TensorSource
    private let tensor: QuantizedTensor
    private let reader: QuantizedReader
    private let orientation: Orientation

    init(_ source: any TensorSource, _ tensor: QuantizedTensor, orientation: Orientation) throws(FileError) {
        self.source = source
        self.tensor = tensor
        self.orientation = orientation
        reader = try QuantizedReader(source: source, tensor: tensor)
    }

    private var columnCount: Int { reader.state.shape.dimensions[1] }
    private var blockSize: Int { reader.state.blockSize }

    /// Elements of a slice, row by row.
    func values(of frame: Frame) throws(FileError) -> [Float] {
        guard orientation == .inputsByOutputs else {
            var values: [Float] = []
            for range in runs(of: frame) { values += try dequantized(range) }
            return values
        }
        var values = [Float](repeating: 0, count: frame.rows.count * frame.columns.count)
        for (column, range) in runs(of: frame).enumerated() {
            for (row, value) in try dequantized(range).enumerated() { values[row * frame.columns.count + column] = value }
        }
        return values
    }

    /// The first blocks that a slice touches, in the order in which they are quantized.
    func firstBlocks(of frame: Frame, limit: Int) throws(FileError) -> [TensorSlice.Block] {
        var numbers: [Int] = []
        for range in runs(of: frame) where !range.isEmpty && numbers.count < limit {
            for number in range.lowerBound / blockSize...(range.upperBound - 1) / blockSize where numbers.count < limit {
                if numbers.last != number { numbers.append(number) }
            }
        }
        return try numbers.map { number throws(FileError) in try block(number) }
    }

    /// Elements of the slice that lie one after the other.
    private func runs(of frame: Frame) -> [Range<Int>] {
        let (outer, inner) = orientation == .outputsByInputs ? (frame.rows, frame.columns) : (frame.columns, frame.rows)
        return outer.map { $0 * columnCount + inner.lowerBound..<$0 * columnCount + inner.upperBound }
    }

    /// Any range of elements.
    private func dequantized(_ range: Range<Int>) throws(FileError) -> [Float] {
        guard !range.isEmpty else { return [] }
        let start = range.lowerBound / blockSize * blockSize
        // Up to a byte's end: codes are read in pairs.
        let end = min((range.upperBound + 1) / 2 * 2, reader.state.elementCount)
        return Array(try wholeBlocks(start..<end).values[(range.lowerBound - start)..<(range.upperBound - start)])
    }

    private func block(_ number: Int) throws(FileError) -> TensorSlice.Block {
        let range = number * blockSize..<min((number + 1) * blockSize, reader.state.elementCount)
        let (packed, values) = try wholeBlocks(range)
        var code: [UInt8] = [0]
        if tensor.nested != nil {
            code = try source.bytes(ofTensor: tensor.absmax, number..<number + 1)
        }
        return TensorSlice.Block(
            number: number, firstPlace: place(of: range.lowerBound), lastPlace: place(of: range.upperBound - 1),
            absmax: try reader.absmax(ofBlocks: number..<number + 1)[0], nestedCode: tensor.nested == nil ? nil : code[0],
            codes: range.indices.map { $0 % 2 == 0 ? packed[($0 - range.lowerBound) / 2] >> 4 : packed[($0 - range.lowerBound) / 2] & 15 },
            values: values)
    }

    /// Row and column by the tensor's own shape.
    private func place(of position: Int) -> [Int] {
        let (outer, inner) = position.quotientAndRemainder(dividingBy: columnCount)
        return orientation == .outputsByInputs ? [outer, inner] : [inner, outer]
    }

    /// Elements from a block's first on.
    private func wholeBlocks(_ range: Range<Int>) throws(FileError) -> (packed: [UInt8], values: [Float]) {
        var packed = [UInt8](repeating: 0, count: (range.count + 1) / 2)
        var values = [Float](repeating: 0, count: range.count)
        try packed.withMutableBytes { packed throws(FileError) in
            try values.withMutableBytes { values throws(FileError) in try reader.dequantize(range, as: .f32, codes: packed, into: values) }
        }
        return (packed, values)
    }
}
