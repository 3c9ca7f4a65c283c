import Transformer

extension VectorParameter {
    /// A trained one.
    init(_ parameters: ParameterSet, slot: Int) {
        self.init(values: UnsafePointer(parameters.value(slot)), gradient: parameters.gradient(slot), owner: parameters)
    }
}
