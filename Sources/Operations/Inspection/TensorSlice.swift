import ByteIO
package import Checkpoints
import Quantization
import Streaming
import TensorCore

/// A rectangle of a tensor's elements in the tensor's own orientation: a row is what varies fastest.
///
/// A tensor of one dimension is one row, a scalar one element. Of more than two dimensions all but the last two are fixed.
package struct TensorSlice: Sendable {
    /// What to show of a tensor; nil takes the default.
    package struct Selection: Sendable {
        package let rows: IndexRange?
        package let columns: IndexRange?
        /// Of the dimensions before rows and columns; negative ones count from the end.
        package let leading: [Int]?

        package init(rows: IndexRange? = nil, columns: IndexRange? = nil, leading: [Int]? = nil) {
            self.rows = rows
            self.columns = columns
            self.leading = leading
        }
    }

    /// A block of a 4-bit tensor that the slice touches.
    package struct Block: Sendable {
        package let number: Int
        /// Where its first element stands in the tensor, and its last.
        package let firstPlace: [Int]
        package let lastPlace: [Int]
        /// With double quantization undone.
        package let absmax: Float
        /// The 8-bit code of the constant; nil without double quantization.
        package let nestedCode: UInt8?
        /// One for each element, in the order of the block.
        package let codes: [UInt8]
        /// The elements, dequantized to float32.
        package let values: [Float]
    }

    /// Indices of the dimensions before rows and columns.
    package let leading: [Int]
    package let rows: Range<Int>
    package let columns: Range<Int>
    /// Row by row.
    package let values: ElementValues
    /// The first blocks that the slice touches; empty of dense tensors.
    package let blocks: [Block]

    /// Rows and columns that are taken by default.
    package static let defaultCount = 8
    /// Elements of the largest slice.
    package static let elementCountLimit = 1 << 16
    /// Blocks that are taken apart.
    package static let blockCountLimit = 2

    /// Reads a slice.
    ///
    /// - Throws: `OperationError` where the selection does not fit the shape, `FileError` where the file cannot be read.
    package init(of tensor: LogicalTensor, in checkpoint: any NamedTensors, _ selection: Selection) throws {
        let frame = try Frame(tensor, selection)
        leading = frame.leading
        rows = frame.rows
        columns = frame.columns
        switch tensor.storage {
        case .plain(let index):
            values = try Self.read(frame, stored: index, checkpoint.source)
            blocks = []
        case .quantized(let quantized):
            let reader = try BlockReading(checkpoint, tensor, quantized)
            values = .real(try reader.values(of: frame).map(Double.init))
            blocks = try reader.firstBlocks(of: frame, limit: Self.blockCountLimit)
        case .encoded:
            values = .real(try checkpoint.reader(of: tensor, rounding: .none).values(of: frame).map(Double.init))
            blocks = []
        }
    }

    private static func read(_ frame: Frame, stored: Int, _ source: any TensorSource) throws(FileError) -> ElementValues {
        let type = source.tensors[stored].scalarType
        var runs: [ElementValues] = []
        for row in frame.rows where !frame.columns.isEmpty {
            let firstBit = frame.position(row: row, column: frame.columns.lowerBound) * type.bitCount
            let endBit = firstBit + frame.columns.count * type.bitCount
            let first = firstBit / 8
            var bytes = [UInt8](repeating: 0, count: (endBit + 7) / 8 - first)
            try bytes.withMutableBytes { buffer throws(FileError) in try source.read(tensor: stored, atByteOffset: first, into: buffer) }
            runs.append(
                bytes.withUnsafeBytes { .decode($0, of: type, firstBit: firstBit - 8 * first, count: frame.columns.count) })
        }
        return .joined(runs)
    }
}

/// Where a slice lies in its tensor.
struct Frame: Sendable {
    let leading: [Int]
    let rows: Range<Int>
    let columns: Range<Int>
    private let columnCount: Int
    /// Elements before the matrix that `leading` selects.
    private let start: Int

    init(_ tensor: LogicalTensor, _ selection: TensorSlice.Selection) throws(OperationError) {
        let dimensions = tensor.shape.dimensions
        let (rowCount, columnCount) = (dimensions.count > 1 ? dimensions[dimensions.count - 2] : 1, dimensions.last ?? 1)
        if selection.rows != nil, dimensions.count < 2 {
            throw OperationError(
                "`rows` is given, but '\(tensor.name)' of shape \(tensor.shape) has no rows",
                hint: dimensions.isEmpty ? "it is a single number" : "`columns` selects its elements")
        }
        if selection.columns != nil, dimensions.isEmpty {
            throw OperationError(
                "`columns` is given, but '\(tensor.name)' of shape \(tensor.shape) has no columns", hint: "it is a single number")
        }
        leading = try Self.leading(tensor, selection.leading)
        rows = try Self.range(selection.rows, count: rowCount, option: "rows", tensor)
        columns = try Self.range(selection.columns, count: columnCount, option: "columns", tensor)
        self.columnCount = columnCount
        let (count, overflow) = rows.count.multipliedReportingOverflow(by: columns.count)
        guard !overflow, count <= TensorSlice.elementCountLimit else {
            throw OperationError(
                "\(rows.count) rows and \(columns.count) columns of '\(tensor.name)' are asked for, but at most "
                    + "\(TensorSlice.elementCountLimit) elements are shown",
                hint: "`Export` writes all of them for other programs")
        }
        start = zip(leading, dimensions).reduce(0) { $0 * $1.1 + $1.0 } * rowCount * columnCount
    }

    /// Of an element, counted in the order of the tensor.
    func position(row: Int, column: Int) -> Int { start + row * columnCount + column }

    private static func leading(_ tensor: LogicalTensor, _ indices: [Int]?) throws(OperationError) -> [Int] {
        let extents = Array(tensor.shape.dimensions.dropLast(2))
        guard let indices else { return extents.map { _ in 0 } }
        guard indices.count == extents.count else {
            throw OperationError(
                "`index` has \(indices.count) \(indices.count == 1 ? "number" : "numbers"), but '\(tensor.name)' of shape \(tensor.shape) has "
                    + "\(extents.count) dimensions before its rows and columns")
        }
        return try zip(indices, extents).map { index, extent throws(OperationError) in
            let place = index < 0 ? index + extent : index
            guard place >= 0, place < extent else {
                throw OperationError("`index` \(index) lies outside of '\(tensor.name)', whose shape is \(tensor.shape)")
            }
            return place
        }
    }

    private static func range(
        _ range: IndexRange?, count: Int, option: String, _ tensor: LogicalTensor
    ) throws(OperationError) -> Range<Int> {
        guard let range else { return 0..<min(count, TensorSlice.defaultCount) }
        let resolved = range.resolved(count: count)
        guard !resolved.isEmpty || count == 0 else {
            throw OperationError(
                "--\(option) selects nothing of '\(tensor.name)', whose shape is \(tensor.shape)",
                hint: "A:B is from A up to but not including B; there are \(count) \(option)")
        }
        return resolved
    }
}
