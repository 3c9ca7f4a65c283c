/// The elements of a list or a tuple, which never change.
final class ValueList {
    let elements: [Value]
    let depth: Int

    static var empty: ValueList { ValueList(checked: [], depth: 1) }

    private init(checked elements: [Value], depth: Int) {
        self.elements = elements
        self.depth = depth
    }

    convenience init(_ elements: [Value]) throws(Fault) {
        self.init(checked: elements, depth: try depthAround(elements))
    }

    /// Some elements of this one.
    func slice(_ range: Range<Int>) -> ValueList { ValueList(checked: Array(elements[range]), depth: depth) }

    /// The same elements in another order.
    func reversed() -> ValueList { ValueList(checked: elements.reversed(), depth: depth) }
}

/// The depth of a value that contains others; refused where it is too deep to be printed, compared or freed.
func depthAround(_ values: [Value]) throws(Fault) -> Int {
    var depth = 0
    for value in values { depth = max(depth, value.depth) }
    guard depth < TemplateLimits.valueDepth else {
        throw Fault(.limit, "values are nested more than \(TemplateLimits.valueDepth) deep")
    }
    return depth + 1
}
