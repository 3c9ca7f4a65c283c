/// The weight or bias of a norm, or the bias of a linear layer: frozen, or trained with a gradient beside it.
package struct VectorParameter {
    package let values: UnsafePointer<Float>
    /// Nil where it is frozen.
    package let gradient: UnsafeMutablePointer<Float>?
    /// Keeps the memory.
    private let owner: AnyObject

    /// A frozen copy.
    package init(_ values: [Float]) {
        let memory = FloatBuffer(count: values.count)
        let buffer = memory.first(values.count)
        _ = buffer.update(fromContentsOf: values)
        self.init(values: memory.start, gradient: nil, owner: memory)
    }

    /// Elements in memory that `owner` keeps.
    package init(values: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>?, owner: AnyObject) {
        self.values = values
        self.gradient = gradient
        self.owner = owner
    }
}
