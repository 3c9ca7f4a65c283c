/// A whole number beyond 64 bits, as it was written.
final class HugeInteger {
    let literal: String
    init(_ literal: String) { self.literal = literal }
}
