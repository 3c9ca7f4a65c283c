import ByteIO
import Checkpoints
import Quantization
import TensorCore

extension ElementReader {
    /// Elements of a slice of an encoded weight, row by row of the tensor's own shape.
    ///
    /// A `Conv1D` weight is [in, out] by its shape but encoded as [out, in]: its columns are runs of elements.
    func values(of frame: Frame) throws(FileError) -> [Float] {
        guard tensor.orientation == .inputsByOutputs else {
            var values: [Float] = []
            for range in runs(of: frame) { values += try elements(range) }
            return values
        }
        var values = [Float](repeating: 0, count: frame.rows.count * frame.columns.count)
        for (column, range) in runs(of: frame).enumerated() {
            for (row, value) in try elements(range).enumerated() { values[row * frame.columns.count + column] = value }
        }
        return values
    }

    /// Elements of a slice that lie one after the other.
    fileprivate func runs(of frame: Frame) -> [Range<Int>] {
        let isTurned = tensor.orientation == .inputsByOutputs
        let (outer, inner) = isTurned ? (frame.columns, frame.rows) : (frame.rows, frame.columns)
        return outer.map { $0 * columns + inner.lowerBound..<$0 * columns + inner.upperBound }
    }
}

/// Takes the blocks of a 4-bit weight apart.
struct BlockReading {
    private let source: any TensorSource
    private let tensor: QuantizedTensor
    private let orientation: Orientation
    private let reader: QuantizedReader
    private let elements: ElementReader

    init(_ checkpoint: any NamedTensors, _ logical: LogicalTensor, _ tensor: QuantizedTensor) throws(FileError) {
        source = checkpoint.source
        self.tensor = tensor
        orientation = logical.orientation
        reader = try QuantizedReader(source: source, tensor: tensor)
        elements = try checkpoint.reader(of: logical, rounding: .none)
    }

    private var columnCount: Int { reader.state.shape.dimensions[1] }
    private var blockSize: Int { reader.state.blockSize }

    func values(of frame: Frame) throws(FileError) -> [Float] { try elements.values(of: frame) }

    /// The first blocks that a slice touches, in the order in which they are quantized.
    func firstBlocks(of frame: Frame, limit: Int) throws(FileError) -> [TensorSlice.Block] {
        var numbers: [Int] = []
        for range in elements.runs(of: frame) where !range.isEmpty && numbers.count < limit {
            for number in range.lowerBound / blockSize...(range.upperBound - 1) / blockSize where numbers.count < limit {
                if numbers.last != number { numbers.append(number) }
            }
        }
        return try numbers.map { number throws(FileError) in try block(number) }
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
