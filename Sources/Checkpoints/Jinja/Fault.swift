/// An error before its place is known: thrown by operations on values, completed by whoever runs them.
struct Fault: Error {
    let kind: TemplateError.Kind
    let message: String

    init(_ kind: TemplateError.Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    static func value(_ message: String) -> Fault { Fault(.value, message) }
}
