import Architectures
import ByteIO
import Checkpoints
import Quantization
import TensorCore

/// Rows of one half, gates or ups, of the tensor that has those of all experts of a layer; of biases, rows are single elements.
struct StackRows {
    let half: StackHalf
    /// I, of each expert.
    let rowCount: Int
    let columns: Int

    /// - Parameter shape: of the half, [E, I, C] or [E, I].
    init(_ shape: Shape, _ half: StackHalf) {
        self.half = half
        rowCount = shape.dimensions[1]
        columns = shape.dimensions.count == 3 ? shape.dimensions[2] : 1
    }

    /// Rows of the tensor, among which every `step`th from the first on is one of these.
    ///
    /// - Parameter rows: of one expert, counted over all.
    func places(of rows: Range<Int>) -> (all: Range<Int>, step: Int) {
        let (first, step) = half.place(ofRow: rows.lowerBound, rowCount: rowCount)
        return (first..<first + (rows.count - 1) * step + 1, step)
    }

    /// Fills `values` with elements of the half: whole rows of one expert.
    func read(_ range: Range<Int>, of reader: ElementReader, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        let (all, step) = places(of: range.lowerBound / columns..<range.upperBound / columns)
        let elements = try reader.elements(all.lowerBound * columns..<all.upperBound * columns)
        elements.withUnsafeBufferPointer { elements in
            for row in 0..<range.count / columns {
                let source = UnsafeBufferPointer(rebasing: elements[row * step * columns..<(row * step + 1) * columns])
                _ = UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns]).update(fromContentsOf: source)
            }
        }
    }
}

/// Rows of a weight in MXFP4 as the blocks of GGUF files, which have the same codes and exponents in another order:
///
///     e (1 byte)  16 bytes: elements 0 to 15 in the low halves, 16 to 31 in the high ones
struct MXFP4Rows {
    private let tensor: LogicalTensor
    private let parts: StoredParts

    static func holds(_ tensor: LogicalTensor) -> Bool {
        guard case .encoded(let encoded) = tensor.storage else { return false }
        return encoded.encoding is MXFP4 || (encoded.encoding as? BlockEncoding)?.format == .mxfp4
    }

    /// - Precondition: the tensor is MXFP4.
    init(_ tensor: LogicalTensor, _ checkpoint: Checkpoint) {
        self.tensor = tensor
        parts = StoredParts(source: checkpoint.source, tensors: tensor.parts)
    }

    /// The blocks of every `step`th row from the first on.
    ///
    /// - Throws: where an exponent is 255, which stands for no number.
    func blocks(ofRows rows: Range<Int>, step: Int) throws(FileError) -> [UInt8] {
        guard case .encoded(let encoded) = tensor.storage, let columns = encoded.encoding.shape.dimensions.last else {
            preconditionFailure("the tensor is MXFP4")
        }
        let blockCount = columns / MXFP4.blockSize, size = BlockFormat.mxfp4.bytesPerBlock
        guard encoded.encoding is MXFP4 else {
            let row = blockCount * size
            let all = try parts.bytes(ofPart: 0, rows.lowerBound * row..<rows.upperBound * row)
            guard step > 1 else { return all }
            return stride(from: 0, to: rows.count, by: step).flatMap { all[$0 * row..<($0 + 1) * row] }
        }
        let places = rows.lowerBound * blockCount..<rows.upperBound * blockCount
        let half = MXFP4.blockSize / 2
        let codes = try parts.bytes(ofPart: 0, places.lowerBound * half..<places.upperBound * half)
        let exponents = try parts.bytes(ofPart: 1, places)
        if let damaged = exponents.firstIndex(of: 255) {
            throw FileError(
                parts.source.path, at: "tensor '\(parts.source.tensors[parts.tensors[1]].name)'",
                "element \(places.lowerBound + damaged) is 255, which as an exponent stands for no number; programs differ in what they "
                    + "make of it", hint: "fetch the checkpoint again; if it is the same, it was made wrongly")
        }
        var blocks: [UInt8] = []
        blocks.reserveCapacity((rows.count + step - 1) / step * blockCount * size)
        for row in stride(from: 0, to: rows.count, by: step) {
            for block in row * blockCount..<(row + 1) * blockCount {
                func code(_ element: Int) -> UInt8 {
                    let byte = codes[block * half + element / 2]
                    return element.isMultiple(of: 2) ? byte & 15 : byte >> 4
                }
                blocks.append(exponents[block])
                for element in 0..<half { blocks.append(code(element) | code(half + element) << 4) }
            }
        }
        return blocks
    }
}
