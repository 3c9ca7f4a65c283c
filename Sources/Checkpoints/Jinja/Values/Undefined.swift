/// A name or member that is not there. It can be printed and tested; anything else is an error that says `message`.
final class Undefined {
    enum Reason {
        case name(String)
        case member(typeName: String, name: String)
        /// The name shown as Python's repr.
        case element(typeName: String, name: String)
        case hint(String)
        /// The sandbox does not allow it.
        case unsafe(owner: String, name: String)
    }

    let reason: Reason
    init(_ reason: Reason) { self.reason = reason }

    /// How messages call an object of a type.
    private static func owner(_ typeName: String) -> String {
        switch typeName {
        case "NoneType": "None"
        case "TemplateNamespace": "namespace object"
        default: typeName + " object"
        }
    }

    var fault: Fault {
        switch reason {
        case .name(let name): Fault(.undefined, "'\(name)' is undefined")
        case .member(let typeName, let name): Fault(.undefined, "'\(Self.owner(typeName))' has no attribute '\(name)'")
        case .element(let typeName, let name): Fault(.undefined, "\(Self.owner(typeName)) has no element \(name)")
        case .hint(let text): Fault(.undefined, text)
        case .unsafe(let owner, let name): Fault(.security, "access to attribute '\(name)' of '\(owner)' object is unsafe.")
        }
    }
}
