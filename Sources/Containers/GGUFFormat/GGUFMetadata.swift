package import ByteIO
import JSONText

/// The keys of a file with their values, in the order of the file.
package struct GGUFMetadata: Sendable {
    package struct Entry: Sendable, Hashable {
        package let key: String
        package let value: GGUFValue

        package init(_ key: String, _ value: GGUFValue) {
            self.key = key
            self.value = value
        }
    }

    package let entries: [Entry]
    /// Of the file, for messages.
    package let path: String
    private let positions: [ByteKey: Int]

    /// - Parameter positions: of the keys among the entries.
    init(entries: [Entry], positions: [ByteKey: Int], path: String) {
        self.entries = entries
        self.positions = positions
        self.path = path
    }

    /// Of keys that are to be written.
    ///
    /// - Parameters:
    ///   - entries: no key twice.
    ///   - path: of the file to be, for messages.
    package init(_ entries: [Entry], path: String) {
        self.init(
            entries: entries, positions: Dictionary(uniqueKeysWithValues: entries.enumerated().map { (ByteKey($1.key), $0) }), path: path)
    }

    package subscript(key: String) -> GGUFValue? { positions[ByteKey(key)].map { entries[$0].value } }

    /// The value of a key; nil where the file does not have it.
    ///
    /// - Throws: where it is no string.
    package func string(_ key: String) throws(FileError) -> String? { try value(key, "a string", \.string) }

    /// - Throws: where it is of no integer type, or above 2^63 - 1.
    package func integer(_ key: String) throws(FileError) -> Int? { try value(key, "an integer", \.integer) }

    package func float(_ key: String) throws(FileError) -> Float? { try value(key, "f32", \.float) }

    package func bool(_ key: String) throws(FileError) -> Bool? { try value(key, "bool", \.bool) }

    /// - Throws: where it is no array of such items.
    package func array(_ key: String, of itemType: GGUFValueType) throws(FileError) -> GGUFArray? {
        guard let array = try value(key, "an array of \(itemType)", \.array) else { return nil }
        guard array.itemType == itemType else { throw mismatch(key, .array(array), "an array of \(itemType)") }
        return array
    }

    private func value<Value>(
        _ key: String, _ expected: @autoclosure () -> String, _ take: (GGUFValue) -> Value?
    ) throws(FileError) -> Value? {
        guard let value = self[key] else { return nil }
        guard let taken = take(value) else { throw mismatch(key, value, expected()) }
        return taken
    }

    private func mismatch(_ key: String, _ value: GGUFValue, _ expected: String) -> FileError {
        let shown = if case .u64(let number) = value { "the u64 \(number)" } else { value.typeName }
        return FileError(path, at: "key '\(JSONError.excerpt(key))'", "is \(shown), but \(expected) is expected")
    }
}
