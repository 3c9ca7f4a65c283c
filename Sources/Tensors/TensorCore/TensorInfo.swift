/// What a tensor is: its name, the type of its elements and its shape.
package struct TensorInfo: Hashable, Sendable {
    package var name: String
    package let scalarType: ScalarType
    package let shape: Shape
    /// Bytes of the elements, row-major and without padding.
    package let byteCount: Int

    /// Nil where the elements are no whole number of bytes, or their byte count overflows.
    package init?(name: String, scalarType: ScalarType, shape: Shape) {
        guard let byteCount = scalarType.byteCount(elementCount: shape.elementCount) else { return nil }
        self.name = name
        self.scalarType = scalarType
        self.shape = shape
        self.byteCount = byteCount
    }

    package var elementCount: Int { shape.elementCount }
}
