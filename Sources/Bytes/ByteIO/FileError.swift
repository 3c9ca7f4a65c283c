/// What is wrong with a file: which file, where in it, what was found against what was expected, and what to do.
///
/// The one error of everything that reads or writes files, so that every message has the same form:
/// `model.safetensors: tensor 'wte.weight': shape ... is 154389504 bytes, but data_offsets span 154389500`.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    package var path: String
    /// The place inside the file: `byte 16`, `tensor 'wte.weight'`; nil where the whole file is meant.
    package var place: String?
    /// Lower case, both numbers, no full stop.
    package var message: String
    /// The next step to take, where there is one.
    package var hint: String?

    package init(_ path: String, at place: String? = nil, _ message: String, hint: String? = nil) {
        self.path = path
        self.place = place
        self.message = message
        self.hint = hint
    }

    package var description: String {
        if let place { "\(path): \(place): \(message)" } else { "\(path): \(message)" }
    }
}
