package import TensorCore

/// A parameter of a base model as an adapter sees it: dense, whatever holds it.
package struct BaseParameter: Sendable {
    package let name: String
    /// In the model's own orientation, as Hugging Face stores it dense: a `Conv1D` weight is [in, out].
    package let shape: Shape
    /// The weight lies as [in, out] when dense (transformers' `Conv1D`); only the model's family tells.
    package let isConv1D: Bool

    package init(name: String, shape: Shape, isConv1D: Bool) {
        self.name = name
        self.shape = shape
        self.isConv1D = isConv1D
    }
}
