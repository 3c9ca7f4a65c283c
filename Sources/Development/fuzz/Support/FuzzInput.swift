/// Takes an input apart; never fails, so that every input means something.
struct FuzzInput {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    var isEmpty: Bool { bytes.isEmpty }

    /// The next byte; 0 at the end.
    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    /// The next two bytes, little-endian.
    mutating func uint16() -> Int { Int(byte()) | Int(byte()) << 8 }

    /// At most `count` bytes.
    mutating func run(_ count: Int) -> [UInt8] {
        defer { bytes = bytes.dropFirst(count) }
        return Array(bytes.prefix(count))
    }

    /// The bytes before the next NUL, which ends them: how texts are kept apart, since none of them may hold one.
    mutating func text() -> [UInt8] {
        let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
        defer { bytes = bytes[min(end + 1, bytes.endIndex)...] }
        return Array(bytes[..<end])
    }

    /// Everything that is left.
    mutating func rest() -> [UInt8] { run(bytes.count) }
}
