/// A number or text that a file has beside its tensors.
package enum PickledSetting: Sendable, Hashable {
    /// Python's None.
    case null
    case bool(Bool)
    case integer(Int)
    case real(Double)
    case text(String)
    /// A list, a dict, an object.
    case other

    init(_ value: PickleValue) {
        switch value {
        case .none: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .real(let value): self = .real(value)
        case .text(let value): self = .text(value)
        case .largeInteger, .bytes, .object: self = .other
        }
    }
}
