package import Architectures
import TensorCore

/// A base model as adapters see it, whatever holds it and whoever changes it.
package struct AdapterBase: Sendable {
    /// An output head that is the embedding.
    package struct Tie: Sendable {
        /// Index of the embedding's parameter.
        package let embedding: Int
        /// Index of the head's, where the base stores it once more.
        package let head: Int?

        package init(embedding: Int, head: Int? = nil) {
            self.embedding = embedding
            self.head = head
        }
    }

    /// For messages.
    package let path: String
    package let parameters: [BaseParameter]
    /// Nil where the head is one of its own, or there is none.
    package let tie: Tie?
    /// What it computes, where that is known: adapters that name an architecture are held against it.
    package let model: ModelDescription?

    package init(path: String, parameters: [BaseParameter], tie: Tie?, model: ModelDescription? = nil) {
        self.path = path
        self.parameters = parameters
        self.tie = tie
        self.model = model
    }

    /// A base with all the tensors of a model under their canonical names, in the order of `expectedTensors`.
    package init(_ model: ModelDescription, path: String) {
        let parameters = model.expectedTensors.map { expected in
            guard let shape = Shape(expected.dimensions) else { preconditionFailure("the tensors of a described model have such shapes") }
            return BaseParameter(name: expected.name, shape: shape, orientation: expected.orientation)
        }
        let embedding = model.name(.embedding) + ".weight"
        let tied = model.head.isTied ? parameters.firstIndex { $0.name == embedding } : nil
        self.init(path: path, parameters: parameters, tie: tied.map { Tie(embedding: $0) }, model: model)
    }

    /// Path of the module that a parameter is the weight of.
    func module(ofParameter index: Int) -> String {
        let name = parameters[index].name
        return name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
    }
}
