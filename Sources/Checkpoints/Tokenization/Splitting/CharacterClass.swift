/// What the splitting rules ask of a character.
enum CharacterClass: UInt8, Sendable {
    /// Punctuation, symbols, marks, controls, and what no one has assigned.
    case other
    /// `\p{L}`
    case letter
    /// `\p{N}`
    case number
    /// `\s`: Unicode's White_Space.
    case space

    /// By scalar.
    static let table: [CharacterClass] = {
        var table = [CharacterClass](repeating: .other, count: 0x110000)
        func mark(_ set: ScalarSet, _ kind: CharacterClass) {
            for range in set.ranges {
                for scalar in range { table[Int(scalar)] = kind }
            }
        }
        mark(ScalarSet(categories: ["Lu", "Ll", "Lt", "Lm", "Lo"]), .letter)
        mark(ScalarSet(categories: ["Nd", "Nl", "No"]), .number)
        mark(.spaces, .space)
        return table
    }()
}

/// The scalar that begins at `index`, and its bytes. The text must be UTF-8.
@inline(__always)
func scalar(in text: Span<UInt8>, at index: Int) -> (value: UInt32, byteCount: Int) {
    let first = UInt32(text[index])
    if first < 0x80 { return (first, 1) }
    func bits(_ offset: Int) -> UInt32 { UInt32(text[index + offset] & 0x3f) }
    if first < 0xe0 { return ((first & 0x1f) << 6 | bits(1), 2) }
    if first < 0xf0 { return ((first & 0xf) << 12 | bits(1) << 6 | bits(2), 3) }
    return ((first & 0x7) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3), 4)
}

/// Where the scalar that ends before `end` begins. The text must be UTF-8.
func startOfScalar(in text: Span<UInt8>, endingAt end: Int) -> Int {
    var start = end - 1
    while text[start] & 0xc0 == 0x80 { start -= 1 }
    return start
}
