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
