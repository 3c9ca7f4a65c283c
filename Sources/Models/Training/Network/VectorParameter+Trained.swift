import Transformer

extension VectorParameter {
    /// A trained one.
    ///
    /// - Parameter start: its first element in the slot, which may hold several.
    init(_ parameters: ParameterSet, slot: Int, start: Int = 0) {
        self.init(values: UnsafePointer(parameters.value(slot) + start), gradient: parameters.gradient(slot) + start, owner: parameters)
    }
}
