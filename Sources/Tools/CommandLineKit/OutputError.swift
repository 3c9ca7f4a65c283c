import Platform

/// Standard output could not take what was written to it.
package enum OutputError: Explained, Equatable {
    /// The reader at the other end of the pipe is gone. Not worth a message: the reader has what it wanted.
    case closedPipe
    /// Any other refusal, as an `errno`: a full disk, a closed descriptor.
    case failed(stream: String, code: Int32)

    package var description: String {
        switch self {
        case .closedPipe: "standard output: the reader closed the pipe"
        case .failed(let stream, let code): "\(stream): cannot write: \(Self.reason(code))"
        }
    }

    package var hint: String? { nil }

    /// The C library's words in this project's form: `no space left on device`.
    private static func reason(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        let words = String(cString: text)
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}
