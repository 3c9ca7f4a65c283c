// The standard library composes; it only does not say so in public. Foundation would bring 30 MB of ICU along, and tables
// of our own a second copy of what is linked anyway.
@_spi(_Unicode) import Swift

/// Unicode's normalization forms C and D.
enum CanonicalComposition {
    /// What is composed already comes back as it is. Time grows with the length alone.
    static func composed(_ text: [UInt8]) -> [UInt8] {
        // Below U+0300 nothing composes with anything.
        guard text.contains(where: { $0 >= 0xcc }) else { return text }
        return Array(String(decoding: text, as: UTF8.self)._nfc.reduce(into: "") { $0.unicodeScalars.append($1) }.utf8)
    }

    static func decomposed(_ text: [UInt8]) -> [UInt8] {
        // Below U+00C0 nothing decomposes.
        guard text.contains(where: { $0 >= 0xc3 }) else { return text }
        return Array(String(decoding: text, as: UTF8.self)._nfd.reduce(into: "") { $0.unicodeScalars.append($1) }.utf8)
    }
}
