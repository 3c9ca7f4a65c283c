package import TensorCore

/// A parameter of a base model as an adapter sees it: dense, whatever holds it.
package struct BaseParameter: Sendable {
    package let name: String
    /// In the model's own orientation, as Hugging Face stores it dense: a `Conv1D` weight is [in, out].
    package let shape: Shape
    /// How it lies when dense; only the model's family tells.
    package let orientation: Orientation

    package init(name: String, shape: Shape, orientation: Orientation) {
        self.name = name
        self.shape = shape
        self.orientation = orientation
    }
}
