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

    /// The matrices [out, in] of a tensor that holds those of all experts of a layer, as a parameter each: `MODULE.3.weight`.
    ///
    /// - Parameter shape: of three dimensions, the experts first.
    package static func experts(ofStack name: String, _ shape: Shape, _ orientation: Orientation) -> [BaseParameter] {
        let sizes = orientation.sizes(of: Array(shape.dimensions.suffix(2)))
        guard let matrix = Shape([sizes.outputs, sizes.inputs]) else { preconditionFailure("a part of a tensor can be counted") }
        let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
        return (0..<shape.dimensions[0]).map { number in
            BaseParameter(name: "\(module).\(number).weight", shape: matrix, orientation: .outputsByInputs)
        }
    }
}
