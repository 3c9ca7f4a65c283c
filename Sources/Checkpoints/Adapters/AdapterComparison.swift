package import ByteIO
import TensorCore

extension Adapter {
    /// Elements that are compared at once.
    private static let comparedElementCount = 1 << 20

    /// Whether two stored tensors hold the same numbers.
    func isEqual(_ first: AdapterTensor, _ second: AdapterTensor) throws(FileError) -> Bool {
        guard first.dimensions == second.dimensions else { return false }
        let count = first.info.elementCount
        for start in stride(from: 0, to: count, by: Self.comparedElementCount) {
            let length = min(Self.comparedElementCount, count - start)
            var one = [Float](repeating: 0, count: length), other = one
            var span = one.mutableSpan
            try read(first, from: start, into: &span)
            span = other.mutableSpan
            try read(second, from: start, into: &span)
            guard one == other else { return false }
        }
        return true
    }

    /// Whether one matrix is the transpose of the other.
    func isTransposed(_ first: AdapterTensor, _ second: AdapterTensor) throws(FileError) -> Bool {
        guard first.dimensions.count == 2, first.dimensions == second.dimensions.reversed() else { return false }
        let (rows, columns) = (first.dimensions[0], first.dimensions[1])
        let one = try values(of: first), other = try values(of: second)
        for row in 0..<rows {
            for column in 0..<columns where one[row * columns + column] != other[column * rows + row] { return false }
        }
        return true
    }

    /// Refuses a tensor that holds what is no finite number, without having it in memory as a whole.
    package func checkFinite(_ tensor: AdapterTensor) throws(FileError) {
        let count = tensor.info.elementCount
        for start in stride(from: 0, to: count, by: Self.comparedElementCount) {
            var values = [Float](repeating: 0, count: min(Self.comparedElementCount, count - start))
            var span = values.mutableSpan
            try read(tensor, from: start, into: &span)
        }
    }
}
