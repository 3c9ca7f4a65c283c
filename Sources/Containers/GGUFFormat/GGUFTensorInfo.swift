package import TensorCore

/// A tensor as its file describes it.
package struct GGUFTensorInfo: Sendable, Hashable {
    package let name: String
    package let type: GGUFTensorType
    /// Of the elements, row-major: the reverse of the dimensions in the file.
    package let shape: Shape
    /// Bytes of its blocks, without the padding behind them.
    package let byteCount: Int
    /// First byte, from the start of the data.
    package let dataOffset: Int

    /// What is stored, as tensors of scalar types: of blocks their bytes, [..., bytes of a row].
    package let stored: TensorInfo

    /// Why a tensor cannot be.
    struct Refusal: Error {
        let message: String
    }

    /// - Throws: where rows are no whole blocks, or counts overflow.
    init(name: String, type: GGUFTensorType, shape: Shape, dataOffset: Int) throws(Refusal) {
        let rowElementCount = shape.dimensions.last ?? 1
        guard let rowByteCount = type.byteCount(rowElementCount: rowElementCount) else {
            guard rowElementCount % type.elementsPerBlock == 0 else {
                throw Refusal(
                    message: "shape \(shape) has rows of \(rowElementCount) elements, but \(type) has blocks of \(type.elementsPerBlock)")
            }
            throw Refusal(message: "shape \(shape) of \(type) has rows of 2^63 bytes or more")
        }
        let scalarType = type.scalarType ?? .u8
        let storedShape = type.scalarType == nil ? Shape(shape.dimensions.dropLast() + [rowByteCount]) : shape
        guard let storedShape, let stored = TensorInfo(name: name, scalarType: scalarType, shape: storedShape) else {
            throw Refusal(message: "shape \(shape) of \(type) is 2^63 bits or more")
        }
        self.name = name
        self.type = type
        self.shape = shape
        self.dataOffset = dataOffset
        self.stored = stored
        byteCount = stored.byteCount
    }
}
