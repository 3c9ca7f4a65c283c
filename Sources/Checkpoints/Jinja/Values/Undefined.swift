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
