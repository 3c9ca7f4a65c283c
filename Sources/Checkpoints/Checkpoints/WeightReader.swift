package import ByteIO
package import TensorCore

/// Reads a dense weight in the order in which it is quantized: row by row of [out, in].
///
/// For most weights that is the order of the file. A `Conv1D` weight lies as [in, out]: there, a run of whole rows of
/// [out, in] is a panel of columns, gathered from one segment of each stored row. Of several matrices in one tensor each is read so.
package struct WeightReader: Sendable {
    package let source: any TensorSource
    private let tensor: Int
    private let elementByteCount: Int
    /// Of the stored matrix, where it has to be transposed.
    private let stored: (rows: Int, columns: Int)?

    package init(source: any TensorSource, tensor: Int, orientation: Orientation) {
        let info = source.tensors[tensor]
        precondition(info.scalarType.bitCount % 8 == 0, "weights are made of whole bytes")
        self.source = source
        self.tensor = tensor
        elementByteCount = info.scalarType.bitCount / 8
        let matrix = info.shape.dimensions.suffix(2)
        stored = orientation == .inputsByOutputs ? (matrix[matrix.startIndex], matrix[matrix.startIndex + 1]) : nil
    }

    /// Elements a read must begin at a multiple of and be a multiple of (or reach the end): whole rows of [out, in].
    package var granularity: Int { stored?.rows ?? 1 }

    /// Fills `buffer` with the raw elements `range`, counted in the order of [out, in].
    ///
    /// - Parameter scratch: at least as large as `buffer`; used only where the weight is transposed.
    package func read(
        _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer, scratch: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        precondition(buffer.count == range.count * elementByteCount, "a buffer fits its range")
        guard let stored, stored.rows > 0 else {
            try source.read(tensor: tensor, atByteOffset: range.lowerBound * elementByteCount, into: buffer)
            return
        }
        precondition(range.lowerBound % stored.rows == 0 && range.count % stored.rows == 0, "whole rows of [out, in] are read")
        let elementCount = stored.rows * stored.columns
        var start = range.lowerBound
        while start < range.upperBound {
            let first = start / elementCount * elementCount, end = min(range.upperBound, first + elementCount)
            let bytes = (start - range.lowerBound) * elementByteCount..<(end - range.lowerBound) * elementByteCount
            try readColumns(
                start - first..<end - first, ofMatrixAt: first, stored,
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[bytes]),
                scratch: UnsafeMutableRawBufferPointer(rebasing: scratch[..<bytes.count]))
            start = end
        }
    }

    /// - Parameters:
    ///   - range: whole rows of [out, in] of one matrix.
    ///   - place: of the matrix's first element.
    private func readColumns(
        _ range: Range<Int>, ofMatrixAt place: Int, _ stored: (rows: Int, columns: Int), into buffer: UnsafeMutableRawBufferPointer,
        scratch: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let firstColumn = range.lowerBound / stored.rows
        let columnCount = range.count / stored.rows
        let segmentByteCount = columnCount * elementByteCount
        for row in 0..<stored.rows {
            let segment = UnsafeMutableRawBufferPointer(rebasing: scratch[row * segmentByteCount..<(row + 1) * segmentByteCount])
            try source.read(tensor: tensor, atByteOffset: (place + row * stored.columns + firstColumn) * elementByteCount, into: segment)
        }
        MatrixTransposition.transpose(
            UnsafeRawBufferPointer(scratch), rows: stored.rows, columns: columnCount, elementByteCount: elementByteCount, into: buffer)
    }
}
