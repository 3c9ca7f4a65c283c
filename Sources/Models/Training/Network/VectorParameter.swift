import ByteIO

/// The weight or bias of a norm, or the bias of a linear layer: frozen, or trained with a gradient beside it.
struct VectorParameter {
    let values: UnsafePointer<Float>
    /// Nil where it is frozen.
    let gradient: UnsafeMutablePointer<Float>?
    /// Keeps the memory.
    private let owner: AnyObject

    /// A frozen copy.
    init(_ values: [Float]) throws(FileError) {
        let memory = try FloatMemory(count: values.count)
        _ = memory.buffer.update(fromContentsOf: values)
        self.values = UnsafePointer(memory.pointer)
        gradient = nil
        owner = memory
    }

    /// A trained one.
    init(_ parameters: ParameterSet, slot: Int) {
        values = UnsafePointer(parameters.value(slot))
        gradient = parameters.gradient(slot)
        owner = parameters
    }
}
