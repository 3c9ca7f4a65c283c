package import ByteIO
import TensorCore

/// Writes rows of [out, in] into a matrix that lies as [in, out], where they are columns.
package struct PanelWriter: Sendable {
    private let outputs: Int
    private let inputs: Int
    private let elementByteCount: Int

    package init(outputs: Int, inputs: Int, elementByteCount: Int) {
        self.outputs = outputs
        self.inputs = inputs
        self.elementByteCount = elementByteCount
    }

    /// - Parameters:
    ///   - rows: whole rows of [out, in].
    ///   - range: which elements they are.
    ///   - panel: room for as many bytes.
    ///   - write: takes bytes of the matrix and where in it they go.
    package func write(
        _ rows: UnsafeRawBufferPointer, _ range: Range<Int>, turnedIn panel: UnsafeMutableRawBufferPointer,
        to write: (UnsafeRawBufferPointer, Int) throws(FileError) -> Void
    ) throws(FileError) {
        precondition(range.lowerBound % inputs == 0 && range.count % inputs == 0, "whole rows of [out, in] are written")
        let (firstColumn, columnCount) = (range.lowerBound / inputs, range.count / inputs)
        MatrixTransposition.transpose(rows, rows: columnCount, columns: inputs, elementByteCount: elementByteCount, into: panel)
        let segmentByteCount = columnCount * elementByteCount
        for row in 0..<inputs {
            let segment = UnsafeRawBufferPointer(rebasing: panel[row * segmentByteCount..<(row + 1) * segmentByteCount])
            try write(segment, (row * outputs + firstColumn) * elementByteCount)
        }
    }
}
