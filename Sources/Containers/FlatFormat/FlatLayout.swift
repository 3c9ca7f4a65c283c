import TensorCore

/// Lays tensors out one behind the other, as a program without a table of tensors reads them.
struct FlatLayout {
    private(set) var tensors: [TensorInfo] = []
    /// Of each tensor in the file.
    private(set) var offsets: [Int] = []
    /// The byte behind the last one; nil where sizes are beyond what can be counted.
    private(set) var end: Int?
    private let scalarType: ScalarType

    /// - Parameter start: bytes before the first tensor.
    init(from start: Int, _ scalarType: ScalarType) {
        end = start
        self.scalarType = scalarType
    }

    /// - Parameter unusedRowCount: rows that follow, and are no part of the tensor.
    mutating func add(_ name: String, _ dimensions: [Int], unusedRowCount: Int = 0) {
        guard let start = end, let shape = Shape(dimensions), let info = TensorInfo(name: name, scalarType: scalarType, shape: shape) else {
            end = nil
            return
        }
        tensors.append(info)
        offsets.append(start)
        skip([dimensions[0] + unusedRowCount] + dimensions.dropFirst())
    }

    /// Leaves out so many elements.
    mutating func skip(_ dimensions: [Int]) {
        guard let start = end, let shape = Shape(dimensions), let byteCount = scalarType.byteCount(elementCount: shape.elementCount) else {
            end = nil
            return
        }
        let (next, overflows) = start.addingReportingOverflow(byteCount)
        end = overflows ? nil : next
    }
}
