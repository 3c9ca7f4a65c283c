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
