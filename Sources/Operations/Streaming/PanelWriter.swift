package import ByteIO
import TensorCore

/// Writes rows of [out, in] into a matrix that lies as [in, out], where they are columns; or into several of one size, one after the other.
package struct PanelWriter: Sendable {
    private let outputs: Int
    private let inputs: Int
    private let elementByteCount: Int

    /// - Parameters:
    ///   - outputs, inputs: of one matrix.
    package init(outputs: Int, inputs: Int, elementByteCount: Int) {
        self.outputs = outputs
        self.inputs = inputs
        self.elementByteCount = elementByteCount
    }

    /// - Parameters:
    ///   - rows: whole rows of [out, in], or of one such matrix after another.
    ///   - range: which elements they are.
    ///   - panel: room for as many bytes.
    ///   - write: takes bytes of the matrix and where in it they go.
    package func write(
        _ rows: UnsafeRawBufferPointer, _ range: Range<Int>, turnedIn panel: UnsafeMutableRawBufferPointer,
        to write: (UnsafeRawBufferPointer, Int) throws(FileError) -> Void
    ) throws(FileError) {
        precondition(range.lowerBound % inputs == 0 && range.count % inputs == 0, "whole rows of [out, in] are written")
        let elementCount = outputs * inputs
        var start = range.lowerBound
        while start < range.upperBound {
            let matrix = start / elementCount, end = min(range.upperBound, (matrix + 1) * elementCount)
            let bytes = (start - range.lowerBound) * elementByteCount..<(end - range.lowerBound) * elementByteCount
            try self.write(
                UnsafeRawBufferPointer(rebasing: rows[bytes]), start - matrix * elementCount..<end - matrix * elementCount,
                ofMatrixAt: matrix * elementCount * elementByteCount, turnedIn: UnsafeMutableRawBufferPointer(rebasing: panel[bytes]),
                to: write)
            start = end
        }
    }

    private func write(
        _ rows: UnsafeRawBufferPointer, _ range: Range<Int>, ofMatrixAt place: Int, turnedIn panel: UnsafeMutableRawBufferPointer,
        to write: (UnsafeRawBufferPointer, Int) throws(FileError) -> Void
    ) throws(FileError) {
        let (firstColumn, columnCount) = (range.lowerBound / inputs, range.count / inputs)
        MatrixTransposition.transpose(rows, rows: columnCount, columns: inputs, elementByteCount: elementByteCount, into: panel)
        let segmentByteCount = columnCount * elementByteCount
        for row in 0..<inputs {
            let segment = UnsafeRawBufferPointer(rebasing: panel[row * segmentByteCount..<(row + 1) * segmentByteCount])
            try write(segment, place + (row * outputs + firstColumn) * elementByteCount)
        }
    }
}
