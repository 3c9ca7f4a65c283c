/// A key of the index as messages show it: printable, in quotes, a slice's key spelled out, and never longer than a line or two.
func quoted(_ key: [UInt8]) -> String {
    if key.first == SliceKey.marker, let slice = SliceKey(key) {
        return "\(quoted(slice.name)) slice \(slice.slice)"
    }
    return quoted(String(decoding: key, as: UTF8.self))
}

/// A name from a file as messages show it.
func quoted(_ name: String) -> String {
    let limit = 200
    var text = ""
    for (count, scalar) in name.unicodeScalars.enumerated() {
        guard count < limit else { return "'\(text)...'" }
        text += scalar.properties.generalCategory == .control ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return "'\(text)'"
}
