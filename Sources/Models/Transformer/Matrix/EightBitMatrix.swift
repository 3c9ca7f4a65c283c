import CKernels
package import Parallelism
import TensorCore

extension WeightMatrix {
    /// A copy of this weight in signed bytes, with a constant for each 64 elements of an output: 1.06 bytes an element.
    ///
    /// For the output head, which is a third of a small model: as f32 it would take most of the time of a token. Each element is
    /// off by at most 1/254 of the largest of its 64.
    package func quantizedToBytes(pool: WorkerPool) -> WeightMatrix {
        let groupSize = Int(QK_GROUP), width = qk_matmul16_width(inputCount), groupCount = width / groupSize
        let memory = ByteMemory(byteCount: outputCount * (width + 4 * groupCount))
        let bytes = memory.start.assumingMemoryBound(to: Int8.self)
        let scales = (memory.start + outputCount * width).assumingMemoryBound(to: Float.self)
        let rowsAtOnce = 16
        pool.forKernels(count: (outputCount + rowsAtOnce - 1) / rowsAtOnce) { index, _ in
            var row = [Float](repeating: 0, count: inputCount)
            for output in index * rowsAtOnce..<min(outputCount, (index + 1) * rowsAtOnce) {
                row.withUnsafeMutableBufferPointer { readRow(output, into: $0) }
                qk_matmul16_bytes(row, inputCount, bytes + output * width, scales + output * groupCount)
            }
        }
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_BYTES
        matrix.values = UnsafePointer(memory.start.assumingMemoryBound(to: UInt8.self))
        matrix.absmax = UnsafePointer((memory.start + outputCount * width).assumingMemoryBound(to: UInt8.self))
        matrix.rowCount = outputCount
        matrix.columnCount = inputCount
        matrix.blockSize = groupSize
        return WeightMatrix(stored: matrix, orientation: .outputsByInputs, owner: memory)
    }
}

/// Memory that lives as long as who points into it.
private final class ByteMemory {
    let start: UnsafeMutableRawPointer

    init(byteCount: Int) { start = .allocate(byteCount: byteCount, alignment: 64) }

    deinit { start.deallocate() }
}
