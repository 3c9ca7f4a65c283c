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

    package init(path: String, parameters: [BaseParameter], tie: Tie?) {
        self.path = path
        self.parameters = parameters
        self.tie = tie
    }

    /// Path of the module that a parameter is the weight of.
    func module(ofParameter index: Int) -> String {
        let name = parameters[index].name
        return name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
    }
}
