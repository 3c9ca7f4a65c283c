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

    /// A base with all the tensors of a model under their canonical names, in the order of `expectedTensors`; behind them the
    /// experts of tensors that have several.
    package init(_ model: ModelDescription, path: String) {
        func parameter(_ name: String, _ dimensions: [Int], _ orientation: Orientation) -> BaseParameter {
            guard let shape = Shape(dimensions) else { preconditionFailure("the tensors of a described model have such shapes") }
            return BaseParameter(name: name, shape: shape, orientation: orientation)
        }
        let expected = model.expectedTensors
        // Of experts in one tensor, each is a parameter of its own as well.
        let experts = expected.filter { $0.isMatrix && $0.key.role.isOfExpert && $0.key.expert == nil }.flatMap { stack in
            let whole = parameter(stack.name, stack.dimensions, stack.orientation)
            return BaseParameter.experts(ofStack: whole.name, whole.shape, whole.orientation)
        }
        let parameters = expected.map { parameter($0.name, $0.dimensions, $0.orientation) } + experts
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
