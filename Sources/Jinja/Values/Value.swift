/// A value of a template, as Python has them.
///
/// Nothing here refers to itself: lists cannot be changed once they are made, and namespaces, loops and macros, which can reach
/// themselves, are numbers of the machine that made them.
enum Value {
    /// A variable without a value; never seen by templates.
    case missing
    case undefined(Undefined)
    case none
    case bool(Bool)
    case integer(Int)
    /// A whole number of the caller's beyond 64 bits: can be printed and compared for equality.
    case hugeInteger(HugeInteger)
    case double(Double)
    case string(TemplateString)
    case list(ValueList)
    case tuple(ValueList)
    case dictionary(ValueDictionary)
    case range(ValueRange)
    case view(DictionaryView)
    /// What filters like `map` give: can be gone through once.
    case iterator(ValueIterator)
    case namespace(Int)
    case macro(Int)
    case loop(Int)
    case method(BoundMethod)
    case function(GlobalFunction)

    static func string(_ text: String, mark: Mark = .template) -> Value { .string(TemplateString(text, mark: mark)) }

    var string: TemplateString? { if case .string(let string) = self { string } else { nil } }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// Lists inside of this value, itself included.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .view(let view): view.dictionary.depth
        case .iterator(let iterator): iterator.elements.depth
        case .method(let method): method.depth
        default: 0
        }
    }

    /// The name of its type, as Python's messages have it.
    var typeName: String {
        switch self {
        case .missing, .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .integer, .hugeInteger: "int"
        case .double: "float"
        case .string(let string): string.isMarkup ? "Markup" : "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .range: "range"
        case .view(let view): view.kind.rawValue
        case .iterator(let iterator): iterator.typeName
        case .namespace: "TemplateNamespace"
        case .macro: "Macro"
        case .loop: "LoopContext"
        case .method: "builtin_function_or_method"
        case .function: "function"
        }
    }
}

final class HugeInteger {
    let literal: String
    init(_ literal: String) { self.literal = literal }
}

/// A name or member that is not there. It can be printed and tested; anything else is an error that says `message`.
final class Undefined {
    enum Reason {
        case name(String)
        case member(owner: String, name: String)
        /// The name shown as Python's repr.
        case element(owner: String, name: String)
        case hint(String)
        /// The sandbox does not allow it.
        case unsafe(owner: String, name: String)
    }

    let reason: Reason
    init(_ reason: Reason) { self.reason = reason }

    var fault: Fault {
        switch reason {
        case .name(let name): Fault(.undefined, "'\(name)' is undefined")
        case .member(let owner, let name): Fault(.undefined, "'\(owner)' has no attribute '\(name)'")
        case .element(let owner, let name): Fault(.undefined, "\(owner) has no element \(name)")
        case .hint(let text): Fault(.undefined, text)
        case .unsafe(let owner, let name): Fault(.security, "access to attribute '\(name)' of '\(owner)' object is unsafe.")
        }
    }
}

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

final class ValueRange {
    let start: Int
    let step: Int
    let count: Int

    init(start: Int, step: Int, count: Int) {
        self.start = start
        self.step = step
        self.count = count
    }

    /// Inside of the range by construction.
    subscript(index: Int) -> Int { start &+ index &* step }
}

final class DictionaryView {
    enum Kind: String {
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"
    }

    let kind: Kind
    let dictionary: ValueDictionary

    init(_ kind: Kind, of dictionary: ValueDictionary) {
        self.kind = kind
        self.dictionary = dictionary
    }
}

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

/// A method as a value: `message.get`, without the call.
final class BoundMethod {
    let receiver: Value
    let name: String

    init(receiver: Value, name: String) {
        self.receiver = receiver
        self.name = name
    }

    var depth: Int { receiver.depth + 1 }
}

/// Functions that every template has.
enum GlobalFunction: String {
    case range, dict, namespace
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    /// Named, and refused where they are called.
    case cycler, joiner, lipsum
}
