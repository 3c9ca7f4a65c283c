/// Elements that can be gone through once.
final class ValueIterator {
    let typeName: String
    let elements: ValueList
    /// Elements that were taken.
    var position = 0

    init(_ elements: ValueList, typeName: String = "generator") {
        self.elements = elements
        self.typeName = typeName
    }

    var remaining: ArraySlice<Value> { elements.elements[position...] }
}
