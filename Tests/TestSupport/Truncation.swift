import ByteIO
import Glibc

/// What is wrong about how a file is read that was cut off: every cut ends in an error that names a file in the folder, or in what the
/// whole file holds. Empty where all is well; the file is left cut.
///
/// A file of at most 4 KB is cut at every byte. A longer one is cut at its first and last 64 bytes, and at places in equal distances
/// between, about 250 in all: every byte of it as well where `QNF_EVERY_CUT` is set.
///
/// - Parameter read: all that the file holds, in whatever form.
package func truncationFaults<Contents: Equatable>(
    of name: String, in folder: TemporaryFolder, _ read: () throws -> Contents
) throws -> [String] {
    let whole = try read(), count = try folder.bytes(name).count
    var faults: [String] = []
    let step = count <= 4096 || getenv("QNF_EVERY_CUT") != nil ? 1 : max(1, count / 128 | 1)
    for length in stride(from: count - 1, through: 0, by: -1) {
        guard length < 64 || length >= count - 64 || length % step == 0 else { continue }
        guard truncate(folder.path(name), length) == 0 else { throw SupportError("\(name) cannot be cut: \(errno)") }
        do {
            if try read() != whole { faults.append("\(length) of \(count) bytes are read as something else") }
        } catch let error as FileError {
            if !error.path.hasPrefix(folder.path) || error.message.isEmpty { faults.append("\(length) of \(count) bytes: \(error)") }
        } catch { faults.append("\(length) of \(count) bytes: \(error)") }
        if faults.count == 5 { break }
    }
    return faults
}
