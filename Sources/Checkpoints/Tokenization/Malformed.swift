import ByteIO
import JSONText

/// What is wrong inside one of a tokenizer's files; the file is named where it is opened.
struct Malformed: Error, Hashable, Sendable {
    /// The place inside the file: `byte 16`, `token '<s>'`; nil where the whole file is meant.
    let place: String?
    let message: String
    let hint: String?

    init(at place: String? = nil, _ message: String, hint: String? = nil) {
        self.place = place
        self.message = message
        self.hint = hint
    }

    init(_ error: JSONError) { self.init(at: "byte \(error.offset)", error.message) }

    init(_ failure: ByteReader.Failure) { self.init(at: "byte \(failure.offset)", failure.message) }

    /// The same as an error of `name`, a file of the model at `path`.
    func inFile(_ name: String, of path: String) -> FileError {
        FileError(path, at: place.map { "\(name): \($0)" } ?? name, message, hint: hint)
    }
}
