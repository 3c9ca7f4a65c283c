package import ByteIO
package import JSONText

/// Tools, documents and conversations that a command line gives as files.
package enum ConversationFiles {
    private static let byteCountLimit = 64 << 20

    /// A list of schemas of functions, as OpenAI and transformers write them.
    package static func tools(_ path: String) throws(FileError) -> JSONValue {
        try list(path, of: "tools", hint: #"a tool is an object such as {"type": "function", "function": {"name": "f", "parameters": {}}}"#)
    }

    /// A list of texts that answers may be drawn from, as transformers writes them.
    package static func documents(_ path: String) throws(FileError) -> JSONValue {
        try list(path, of: "documents", hint: #"a document is an object such as {"title": "Moon", "text": "It has no air."}"#)
    }

    /// A list of messages with roles.
    package static func messages(_ path: String) throws(FileError) -> [JSONValue] {
        let hint = #"a message is an object such as {"role": "user", "content": "Hello"}"#
        let messages = try list(path, of: "messages", hint: hint).array ?? []
        guard messages.allSatisfy({ $0["role"]?.string != nil }) else { throw FileError(path, "has a message without 'role'", hint: hint) }
        return messages
    }

    private static func list(_ path: String, of what: String, hint: String) throws(FileError) -> JSONValue {
        let bytes = try InputFile(path: path).allBytes(limit: byteCountLimit)
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes) } catch { throw FileError(path, at: "byte \(error.offset)", error.message) }
        guard let elements = value.array, !elements.isEmpty, elements.allSatisfy({ $0.object != nil }) else {
            throw FileError(path, "is no list of \(what)", hint: hint)
        }
        return value
    }
}
